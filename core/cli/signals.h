/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file signals.h
 * SIGINT and SIGTERM while answers are written: the first one only says that
 * it is time to end, the second one ends the program at once.
 *
 *     weft_signals_hold(fileno(file));   (reading from it comes to an end with the signal; -1: nothing is read)
 *     ... until weft_signals_came() ...
 *     weft_signals_release();            (flushes standard output, and ends by the signal that came)
 */
#ifndef WEFT_CLI_SIGNALS_H
#define WEFT_CLI_SIGNALS_H

#include <glib.h>

/** Held already: nothing. A signal that is ignored stays ignored. [control thread] */
void weft_signals_hold(int fd);
/** Whether one has come since. [any thread] */
gboolean weft_signals_came(void);
/** Returns where none came, and where nothing was held. [control thread] */
void weft_signals_release(void);

#endif
