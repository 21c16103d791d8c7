/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rival.h
 * A rival that lives in a process of its own and measures itself on request:
 * a line to its standard input, a line of times from its standard output.
 */
#ifndef WEFT_BENCH_RIVAL_H
#define WEFT_BENCH_RIVAL_H

#include <stddef.h>

struct rival;

/**
 * Starts `tests/bench/rivals/SCRIPT FOLDER serve` in the rivals' virtual environment, FOLDER being `name` in their
 * folder (WEFT_BENCH_RIVALS, else ~/.cache/weft-bench). NULL: there is none; `reason` says why [n_reason].
 * Caller frees with rival_stop.
 */
struct rival *rival_start(const char *script, const char *name, char *reason, size_t n_reason);
/** Sends a request and reads the times, at most n_max. Answers how many; 0: `reason` says why [n_reason]. */
size_t rival_ask(struct rival *rival, const char *request, double *times, size_t n_max, char *reason, size_t n_reason);
/** Ends it; NULL is allowed. */
void rival_stop(struct rival *rival);

#endif
