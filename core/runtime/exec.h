/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file exec.h
 * One node being called for one frame: its parts, their inputs, outputs and
 * statuses. Included by internal.h only.
 */
#ifndef WEFT_CORE_RUNTIME_EXEC_H
#define WEFT_CORE_RUNTIME_EXEC_H

#include "hosttable.h"
#include "runtime.h"

struct node;
struct park;

/* One call of a node: all its items, or those that fit its limits, or one that is tried alone. */
struct part {
  struct part *next;
  uint32_t first, n; /* of exec.items */
  uint32_t gather;   /* its rows are copied together */
  uint64_t not_before; /* 0: at once */
  struct part *after;  /* whose item it tries again alone */
  enum { PART_TODO, PART_DONE, PART_FAILED } state;
  weft_status status;
  struct weft_call call;
  /* At a batching node. */
  struct park *park;
  struct part *queue_next;   /* in the queue (gate's lock), then in the batch */
  struct part *batch_next;   /* frame's lock: of the frame's parts in calls */
  struct weft_frame *inner;  /* the batch; NULL: it was not called */
  uint32_t batch_first;      /* its first item there */
  uint32_t told;             /* frame's lock: of frame->n_flags */
  uint64_t t_arrived;
  int64_t cost, n_bytes, *sums;
};

/* One node being executed for one frame. */
struct exec {
  struct weft_call_host host; /* first: call->host_data points here */
  struct weft_frame *frame;
  struct node *node;
  uint32_t index;
  uint32_t n_items;
  const uint32_t *items; /* call item -> frame item; NULL: the same */
  struct part *parts, *last, *current;
  uint64_t ticks;
};

/* exec.c */
struct exec *weft_exec_new(struct weft_frame *frame, uint32_t index);
struct part *weft_exec_add(struct exec *exec, uint32_t first, uint32_t n);
/* Runs in process and commits. 0: it pauses before its next part. */
int weft_exec_run(struct exec *exec);
int weft_exec_run_parts(struct exec *exec);
enum { EXEC_DONE, EXEC_STARTED, EXEC_PAUSES };
/* Starts the next part in the worker. */
int weft_exec_start(struct exec *exec, struct park *park, int notify);
void weft_exec_answer(struct exec *exec, struct park *park);
/* After a death in the current part: its items alone, where the node is pure. 0: there is nothing to retry. */
int weft_exec_retry(struct exec *exec);
void weft_exec_commit(struct exec *exec);
/* Outputs of a part whose inputs are there; its statuses after the call; it cannot be called. */
weft_status weft_part_outputs(struct exec *exec, struct part *part);
void weft_part_settle(struct exec *exec, struct part *part, int expired);
void weft_part_fail(struct exec *exec, struct part *part, weft_status status);
/* Statuses of the items after a call that answered `status`; the number failed. */
uint32_t weft_call_settle(struct exec *exec, const struct weft_call *call, weft_status status, int expired);
void weft_call_fail(struct weft_call_host *host, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message);
/* The current part's item j alone, right behind it; NULL: no memory. */
struct part *weft_exec_alone(struct exec *exec, uint32_t j);
/* Notes why an item may fail, or WEFT_ALL_ITEMS of the call; its status is set elsewhere. */
void weft_call_note(struct exec *exec, const struct weft_call *call, uint32_t item, const char *format, ...)
    WEFT_PRINTF(4, 5);
static inline uint32_t weft_call_item(const struct exec *exec, uint32_t j)
{
  uint32_t k = exec->current ? exec->current->first + j : j;
  return exec->items ? exec->items[k] : k;
}

/* subset.c */
weft_status weft_part_inputs(struct exec *exec, struct part *part);
/* Parts within the node's limits; items that are beyond them alone fail. */
weft_status weft_exec_split(struct exec *exec);

/* output.c */
weft_status weft_outputs_prepare(struct exec *exec, struct part *part);
/* The same without a consequence. */
int weft_outputs_broken(const struct exec *exec, const struct weft_call *call, char *message);
/* 1: the node broke the contract, as message [WEFT_MESSAGE_BYTES] says. */
int weft_outputs_check(const struct exec *exec, const struct weft_call *call, char *message);
weft_status weft_call_reserve(struct weft_call_host *host, const struct weft_call *call, uint32_t output,
                              int64_t n_rows);

/* merge.c */
/* Makes the values of the frame from the outputs of the parts. */
weft_status weft_outputs_merge(struct exec *exec);

#endif
