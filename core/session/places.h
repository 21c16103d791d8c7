/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file places.h
 * Where the parts that came with this program lie, seen from the program's own
 * file: beside it in a build folder, under the prefix when installed.
 */
#ifndef WEFT_CORE_PLACES_H
#define WEFT_CORE_PLACES_H

#include <glib.h>

/** The catalogue that came with the program; NULL when there is none. Caller frees with g_free. */
char *weft_place_bundled_catalogue(void);
/** The program that hosts isolated plugins, or NULL. Caller frees with g_free. */
char *weft_place_worker_program(void);
/** The program that probes a plugin before it is installed, or NULL. Caller frees with g_free. */
char *weft_place_probe_program(void);

#endif
