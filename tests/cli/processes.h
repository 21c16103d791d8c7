/* SPDX-License-Identifier: Apache-2.0 */
/** @file processes.h `weft` as a process of its own, with what it starts: for tests that send signals. */
#ifndef WEFT_TEST_CLI_PROCESSES_H
#define WEFT_TEST_CLI_PROCESSES_H

#include <glib.h>

typedef struct {
  GPid pid;
  int in, out, err;  /* pipes; closed by process_end where they still are */
} Process;

typedef struct {
  int status;        /* of waitpid */
  char *out, *err;   /* what was still to be read */
} Ended;

/** Starts argv, NULL-terminated, in the folder. */
void process_start(Process *process, const char *folder, const char *const *argv);
/** Reads a line of standard output, without its end; NULL: there is none any more. Caller frees with g_free. */
char *process_line(Process *process);
/** Waits at most ten seconds for the end, and reads what is left. */
void process_end(Process *process, Ended *ended);
void ended_clear(Ended *ended);
/** The processes that this one started, and those that they did, as gint, without it. Caller frees with g_array_unref. */
GArray *process_descendants(GPid pid);
/** Whether none of them is there any more within ten seconds. */
gboolean processes_are_gone(const GArray *pids);
/** Those of them that started none themselves. Caller frees with g_array_unref. */
GArray *process_leaves(GPid pid);

#endif
