/* SPDX-License-Identifier: Apache-2.0 */
/** @file killing.h  weft as a process that is killed at any moment, and what must hold of a catalogue after. Tests only. */
#ifndef WEFT_TEST_REGISTRY_KILLING_H
#define WEFT_TEST_REGISTRY_KILLING_H

#include <glib.h>

/** --rounds N of the program, 40 without; the built weft. */
extern int kill_n_rounds;
extern char *kill_weft;

/** g_test_init, and the two above. Answers the build folder: borrowed. */
const char *kill_init(int *argc, char ***argv);
/** Runs a command and kills it after that many us (0: never). Answers what it printed (caller frees with g_free);
    *finished: by itself, with code 0. */
char *kill_run(char **argv, gulong kill_us, gboolean *finished);
/** rm -rf of the path, or with an ending such as "*" of all that the shell finds. */
void kill_remove(const char *path, const char *ending);
/** Ends the test unless weft_archive_check finds nothing. */
void kill_assert_sound(const char *folder);
/** Opens the catalogue for writing, which repairs: then its trail is whole. Answers how many rows that has. */
guint64 kill_repair(const char *catalogue);
/** A line every hundred rounds of a long run. */
void kill_tell(int round);

#endif
