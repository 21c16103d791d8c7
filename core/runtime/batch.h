/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.h
 * Calls of several frames put together at one node; the runtime's own files only.
 *
 * A frame that finds a batching node busy leaves its parts (the calls it would
 * make) in the node's queue and parks. Whoever ends a call there takes the
 * first of them, in order of arrival and within the bounds of one call, and
 * hands them to a helper as a batch: a frame of its own ("inner"), of a graph
 * with that one node, into whose arena the inputs are gathered. So deadlines,
 * cancellation, limits, retries after a death and checks are those of any
 * frame. Each frame then copies its own outputs on its own thread, as if it
 * had made the call, and the last one to do so gives the inner frame back.
 *
 * Who finds the node idle calls it directly, on its own memory, unless the
 * node waits for others (wait_ns).
 */
#ifndef WEFT_CORE_RUNTIME_BATCH_H
#define WEFT_CORE_RUNTIME_BATCH_H

#include "runtime.h"
#include "timer.h"

#include <stdatomic.h>

/** Input bytes that are gathered for one batch; one part beyond it makes a call of its own, where it lies. */
#define WEFT_BATCH_BYTES_MAX ((int64_t)1 << 30)
/** A call of a parallel node that takes less than this is never worth waiting for. */
#define WEFT_BATCH_WORTH_NS 20000u

/** A call of a parallel node that takes longer than this, and than four times what is usual, is no longer waited for. */
#define WEFT_BATCH_PATIENCE_NS 20000000u

/**
 * Who was answered by a call and asks again at once would find the node taken by those who had waited, so that clients
 * fall into groups that take turns. So a node that takes one call at a time waits for them: for this share of a call at
 * most, and no longer than as long again as half of them took; calls shorter than LEAST are not worth it.
 */
#define WEFT_BATCH_LINGER_SHARE 8u
#define WEFT_BATCH_LINGER_LEAST_NS 200000u
#define WEFT_BATCH_LINGER_MOST_NS 4000000u
/** Where less than half came back, the wait is left out the next time, then the next 2, 4, ... calls, at most 2^this. */
#define WEFT_BATCH_LINGER_DOUBT_MAX 8u

struct gate;
struct node;
struct exec;
struct park;
struct part;

/** Of a batching node. All but `inner` and `splits` under the gate's lock. */
struct batcher {
  struct weft_graph *graph;
  struct node *node;
  uint32_t n_items_max;      /* of one call */
  uint32_t waiting;          /* the door is shut, but nobody is inside: the queue waits for the timer */
  uint32_t watched;          /* the timer looks whether the queue has lost its patience */
  uint64_t ns_usual;         /* of the last batch */
  uint32_t n_beside;         /* calls of a parallel node beside the one that has the door */
  _Atomic uint32_t splits;   /* its calls use the whole pool, so one at a time is best */
  struct part *first, *last; /* in order of arrival */
  uint32_t n_queued, n_queued_items;
  int64_t queued_cost;
  uint64_t t_idle;           /* with wait_ns: when the last call ended */
  uint32_t n_inside;         /* parts of the batch that has the door; 0: one frame has it by itself */
  uint32_t n_released;       /* waits for these parts of the call that has ended to come back; 0: it does not */
  uint32_t n_before;         /* were queued when that wait began */
  uint32_t doubt, n_skip;    /* times in a row that they did not come; calls after which nobody waits for them */
  uint64_t linger_from, linger_until, n_lingered;
  _Atomic(struct weft_graph *) inner; /* made when first needed */
  struct weft_timer_entry timer;
  uint64_t n_calls, n_parts, n_items, n_items_largest, sizes[WEFT_BATCH_SIZES];
};

enum {
  BATCH_SKIPPED, /* no item goes to the node */
  BATCH_DONE,
  BATCH_DOOR,    /* the node is isolated and idle: the frame has its door */
  BATCH_WAITS    /* its parts wait, and its park will be notified */
};
/** The frame comes to a batching node, whose door it has not got. exec: NULL, or of an earlier visit: what is left of it. */
int weft_batch_enter(struct weft_frame *frame, struct node *node, uint32_t index, struct exec **exec);
/** All parts of the park have been called: takes the outputs. 0: some items are tried again after a pause. */
int weft_batch_collect(struct weft_frame *frame, struct park *park);
/** Parts in the queue leave it; 1: nothing of the park is in a call either. */
int weft_batch_withdraw(struct gate *gate, struct park *park);
/** The door is left: by whoever waits longest, or for good. No lock is held. */
void weft_batch_leave(struct batcher *batcher);
/** A call beside that of the door has ended. */
void weft_batch_leave_beside(struct batcher *batcher);
/** Tells the batches that hold items of this frame which of them are flagged. Called without locks. */
void weft_batch_cancel(struct weft_frame *frame);
/** The timer of a batcher. */
uint64_t weft_batch_expire(struct weft_timer_entry *entry, uint64_t now);
/** Counters of the node, added to out. */
void weft_batch_counters(struct gate *gate, struct weft_counters *out);

/** The frames of a batch that has ended go on. */
void weft_batch_complete(struct weft_frame *inner);

/* inner.c */
/** One part less needs the batch; the last gives it back. */
void weft_batch_drop(struct weft_frame *inner);
/** Runs a batch that was formed, or goes on with it after its worker has answered. */
void weft_batch_job(struct weft_pool_job *job);
/** The graph of that one node, for calls of n_items_max. Errors: WEFT_NO_MEMORY. */
weft_status weft_graph_new_inner(struct weft_graph *outer, const struct node *node, uint32_t n_items_max,
                                 struct weft_graph **out);

/* scatter.c */
/** Inputs of all parts of the inner frame, one after the other. Errors: WEFT_NO_MEMORY. */
weft_status weft_batch_gather(struct weft_frame *inner);
/** Writes the outputs of a part from those of the inner frame, like a node would. */
void weft_batch_scatter(struct exec *exec, struct part *part);

#endif
