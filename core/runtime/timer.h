/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file timer.h
 * One thread that watches deadlines; it starts with the first of them.
 */
#ifndef WEFT_CORE_TIMER_H
#define WEFT_CORE_TIMER_H

#include <stdint.h>
#include <weft/errors.h>

struct weft_timer;

/** Embedded in what has a deadline. */
struct weft_timer_entry {
  uint64_t at; /**< CLOCK_MONOTONIC, ns; 0: not armed */
  struct weft_timer_entry *previous, *next;
  /** Answers the next time this entry wants to be called, or 0. Called with the timer's lock held. [timer thread] */
  uint64_t (*fire)(struct weft_timer_entry *entry, uint64_t now);
};

weft_status weft_timer_new(struct weft_timer **out);
void weft_timer_free(struct weft_timer *timer);
/** Arms; where it is armed already the earlier time counts. Errors: WEFT_NO_MEMORY (no thread could be started). [any thread] */
weft_status weft_timer_arm(struct weft_timer *timer, struct weft_timer_entry *entry, uint64_t at);
/** After this returns `fire` is neither running nor called again. [any thread] */
void weft_timer_disarm(struct weft_timer *timer, struct weft_timer_entry *entry);

#endif
