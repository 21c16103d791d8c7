/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file slots.h
 * Slots of a node (weft/slots.h): each is a graph of one node, and a call of it
 * a frame of that graph, run by the thread that runs the node's `process`. So
 * workers, deaths, deadlines, limits and checks are those of any node, and
 * nothing of a slot call depends on another thread of the pool: who waits for
 * a worker or for its turn at the slot waits on his own frame.
 */
#ifndef WEFT_CORE_RUNTIME_SLOTS_H
#define WEFT_CORE_RUNTIME_SLOTS_H

#include "runtime.h"

#include <weft/slots.h>

struct weft_call_host;
struct node;

/** Everything borrowed until weft_graph_free of the graph whose node has them. */
struct weft_graph_slots {
  struct weft_graph *const *graphs; /**< [n] of one node, whose inputs are the graph's; NULL: cannot be called */
  const char *const *names;         /**< [n] */
  uint32_t n;
  uint32_t required;                /**< an item for which select_key names none of them is bad input */
  const char *select_key;           /**< of the context; NULL: the node chooses */
};

/* The runtime's own. */

/** Answers weft_slots.call and .message. */
weft_status weft_slot_call(struct weft_call_host *host, const struct weft_call *call, uint32_t slot,
                           struct weft_slot_call *slot_call);
const char *weft_slot_message(struct weft_call_host *host, uint32_t slot, uint32_t item);
/** `process` has returned: what its slots answered is given back. */
void weft_slots_end(struct weft_frame *frame);
/** Tells the slot call in progress, if any, which items are cancelled. Called without locks. */
void weft_slots_tell(struct weft_frame *frame);
/** The slot of an item; -1: none. */
int32_t weft_slots_choose(const struct weft_graph_slots *slots, const struct weft_item *item);
/** Fails those of the n items in frame->list that lack a slot they must have; how many are left. */
uint32_t weft_slots_require(struct weft_frame *frame, const struct node *node, uint32_t n);

#endif
