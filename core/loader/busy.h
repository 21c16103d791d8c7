/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file busy.h
 * How many threads of this host and its workers compute at the moment: an
 * advisory count, so that together they keep within the cores. Each process
 * has a place in a page that all of them map and writes only there; what
 * stands there is a hint and is never trusted with more.
 */
#ifndef WEFT_CORE_BUSY_H
#define WEFT_CORE_BUSY_H

#include <stdint.h>

/** Processes that are counted, the host included; further workers compute uncounted. */
#define WEFT_BUSY_PLACES 256u
/** No process counts for more threads. */
#define WEFT_BUSY_MOST 256u

/**
 * The host: makes the page at the first call. Answers a place for a worker, to
 * be given back with weft_busy_release; 0: none is left, or there is no page. [any thread]
 */
uint32_t weft_busy_take(void);
/** 0 is allowed. [any thread] */
void weft_busy_release(uint32_t place);
/** A worker that had this place is dead: it computes no more. 0 is allowed. [any thread] */
void weft_busy_clear(uint32_t place);
/** Descriptor of the page for a worker, borrowed; -1: there is none. [any thread] */
int weft_busy_fd(void);
/** A worker: maps the host's page. 0, or -1 where it cannot be. [one thread, before any other starts] */
int weft_busy_join(int fd, uint32_t place);

/** This thread begins, or ends, to compute. Nothing without a page. [any thread] */
void weft_busy_enter(void);
void weft_busy_leave(void);
/** Threads of other processes that compute now. [any thread] */
uint32_t weft_busy_others(void);

#endif
