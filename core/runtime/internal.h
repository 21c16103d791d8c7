/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file internal.h
 * The structures of the runtime, shared by its own files only.
 *
 * Locks, in the order in which they may be taken: timer, gate, frame; store,
 * frame. The graph's lock (frame pool) is taken alone.
 */
#ifndef WEFT_CORE_RUNTIME_INTERNAL_H
#define WEFT_CORE_RUNTIME_INTERNAL_H

#include "batch.h"
#include "clock.h"
#include "exec.h"
#include "hosttable.h"
#include "memory.h"
#include "runtime.h"
#include "timer.h"
#include "trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/* What is known of a value in a frame. */
enum { VALUE_PENDING, VALUE_ABSENT, VALUE_FULL /* every item, slot = item */, VALUE_PARTIAL };
enum { NODE_TODO, NODE_WAITING, NODE_DONE };

#define NODE_SIMPLE 1u    /* outputs: one row an item, dims known, no terms to evaluate */
#define NODE_EXCLUSIVE 2u /* one call at a time, in process */
#define NODE_ISOLATED 4u
#define NODE_DEADLINE 8u
#define NODE_DIRECT 32u  /* isolated, and nothing could run beside it: a caller of `run` waits for it on the spot */
#define NODE_LIMITED 16u /* a frame may go beyond the limits of one call */
#define NODE_POLICY 64u  /* policy.h: something is to be done beside the call */
#define NODE_ABSORBS 128u /* a failure there does not end the item */
#define NODE_FILTER 256u
#define NODE_EFFECTS 512u /* runs after every filter of the graph */
#define NODE_STATE 1024u
#define NODE_SLOTS 4096u /* it calls other plugins itself */
#define NODE_MARKS 2048u /* its first output is filled before the call, so that it can be seen whether it was written */

/* Why an item is to be dropped. */
enum { FLAG_NONE, FLAG_CANCELLED, FLAG_DEADLINE };

struct park;
struct policy;
struct hidden;
struct frame_policy;
struct weft_store;

/* Who may call an instance that takes one call at a time. */
struct gate {
  pthread_mutex_t lock;
  struct park *first, *last; /* waiting, in order of arrival */
  struct park *in_flight;    /* the call that the worker runs; the I/O thread looks here */
  struct weft_worker *worker;
  struct batcher *batcher; /* NULL: one frame a call */
};

/* What the fast path reads of a node: one cache line. */
struct node {
  weft_status (*process)(void *instance, struct weft_call *call);
  void *instance;
  struct gate *gate; /* NULL: parallel */
  const struct weft_graph_node *spec;
  uint32_t flags, required;
  uint32_t n_inputs, first_input; /* in weft_graph.inputs */
  uint32_t n_outputs, first_output;
  uint32_t park;         /* its place in the frame; NONE without a gate */
  _Atomic uint32_t door; /* of the gate: 0 free, 1 taken, 2 taken and somebody waits */
} __attribute__((aligned(64)));

#define NONE UINT32_MAX

/* The part of a tensor that only its port decides: compared in one go. */
struct form {
  struct weft_dtype dtype;
  uint32_t rank, device, flags;
};
_Static_assert(offsetof(struct weft_tensor, flags) - offsetof(struct weft_tensor, dtype) == offsetof(struct form, flags),
               "form mirrors weft_tensor");

struct value {
  const struct weft_port *port;
  struct form form;
  int64_t row_bytes; /* -1: varies per call */
  uint64_t n_bytes_max;
  uint32_t wanted, levels, kind, range; /* range: place in the frame, NONE unless dynamic */
};

struct weft_runtime {
  struct weft_pool_impl *pool;
  struct weft_timer *timer;
  struct weft_io *io;
};

struct weft_graph {
  struct weft_runtime *runtime;
  struct weft_graph_spec spec;
  struct node *nodes;
  struct value *values;
  uint32_t *inputs;
  struct gate *gates;
  struct batcher *batchers;
  uint32_t n_batchers;
  struct gate *inner_gate; /* of a batching node's inner graph: the node's own gate, and that memory */
  void *inner_spec;
  uint32_t n_gates, n_inputs_total, n_ranges, n_frames_max;
  size_t n_scratch_bytes;
  uint32_t *place;      /* spec index -> index in nodes, which stand in the order in which they run */
  uint32_t *producers;  /* [n_values_all] value -> node; NONE: an input of the graph */
  uint32_t *policy_of;  /* node -> policy or NONE; NULL: no node has one, as all below */
  struct policy *policies;
  struct hidden *hidden;
  struct weft_store *store; /* NULL: nothing is kept */
  uint32_t n_policies, n_filters, n_turns, n_values_all; /* n_values_all: hidden values too */
  pthread_mutex_t lock; /* all below */
  struct weft_frame *free_frames, *all_frames;
  uint32_t n_frames, n_in_flight;
  uint32_t n_late; /* answered, but not returned; then `returned` */
  pthread_cond_t returned;
  uint32_t in_process; /* a node whose call nobody can end */
  uint64_t n_taken; /* frames so far */
  weft_trace trace;
  void *trace_data;
};

/* Written by the frame's thread, read by anybody: relaxed. One frame's share of a node's counters. */
struct node_stat {
  _Atomic uint64_t ticks, queued_ticks, n_calls, n_items, n_failed, n_fp_restored;
  uint64_t last_ticks;
  uint64_t last_use;
};

/* The address range of a dynamic output, and of its group splits. */
struct range {
  struct weft_region *rows, *groups;
};

/* A frame's place at a gate and in flight. */
struct park {
  struct weft_frame *frame;
  uint32_t node;
  uint32_t granted;        /* the gate is this frame's */
  uint32_t queued;         /* in the gate's queue, or granted since */
  uint32_t waits;          /* WAIT_*, of a park without a gate (policy.h) */
  struct park *gate_next;  /* gate's lock */
  struct park *ready_next; /* frame's lock */
  struct park *flight_next;
  struct exec *exec;
  uint64_t queued_ticks;   /* since when it waits; once granted: how long it waited */
  uint32_t batched;        /* it waits for batches; how many parts are left: gate's lock */
  uint32_t n_left;
  uint64_t call, begin_ticks, end_ticks; /* of its batch, once it has ended */
  uint32_t n_call_items;
  uint64_t deadline, kill_at; /* frame's lock; 0: none */
  uint32_t started, expired, killed; /* frame's lock; what is not started yet cannot be told to end */
};

enum { MODE_SUBMIT, MODE_RUN };

struct weft_frame {
  struct weft_pool_job job; /* first */
  struct weft_graph *graph;
  struct weft_frame *next_free, *next_all;
  uint32_t n_items, n_live, cursor, n_pending, mode;
  uint64_t use; /* counts the times this frame was taken */
  _Atomic uint32_t attention; /* an item is flagged, or a deadline has passed */
  _Atomic uint32_t cancel;    /* the word of the calls */
  uint64_t ticks;             /* of the last node boundary */
  weft_trace trace;
  void *trace_data;
  uint64_t number, t_taken, t_begin; /* for the trace */
  weft_frame_done done;
  void *done_data;
  struct weft_region *arena;
  size_t arena_start;
  struct weft_region *rooms;           /* slots and splits of all outputs: a page of it is there once it is written */
  void *scratch;
  struct weft_output *outputs;         /* [values]: the graph's tensors */
  const struct weft_tensor **inputs;   /* [n_inputs_total] */
  uint8_t *value_state, *node_state;
  struct node_stat *stats;
  struct weft_item *items;
  weft_status *status, *call_status;
  int32_t *failed_node;
  const uint8_t **absences; /* [items] of the request; NULL */
  uint32_t *list; /* [items] scratch of the selection */
  char (*messages)[WEFT_MESSAGE_BYTES];
  struct range *ranges;
  struct park *parks;
  struct exec fast; /* the call of a node that runs at once for all items */
  struct weft_call call;

  /* A batch (batch.h): an inner frame. */
  struct batcher *batcher;
  struct part *batch_parts;
  struct exec *batch_exec;
  uint32_t batch_is_new, batch_beside, batch_n_items;
  _Atomic uint32_t batch_refs; /* parts that have not taken their outputs yet */
  uint64_t batch_number, batch_begin, batch_end;

  pthread_mutex_t lock;
  pthread_cond_t cond; /* mode run: something is ready */
  uint8_t *flags;        /* [items] FLAG_*, under the lock */
  uint64_t *deadlines;   /* [items] */
  uint8_t *live;         /* [items] */
  uint32_t n_flagged;    /* flagged and live */
  uint32_t has_deadlines, timed;
  uint32_t running, n_running; /* a call of some items runs in process; else one of all, or none */
  const uint32_t *running_items;
  uint32_t parked;
  uint32_t woken;        /* parked, but no item is wanted any more */
  /* The call that a caller of `run` waits for; the park of nobody while somebody tells its worker to end. */
  _Atomic(struct park *) direct;
  uint32_t call_expired; /* the deadline of the node running in process has passed */
  uint64_t call_deadline;
  struct park *ready_first, *ready_last, *flights;
  struct part *batches; /* parts in calls with those of other frames */
  uint32_t n_flags;     /* items flagged, ever */
  struct weft_timer_entry timer;
  /* late.c; under the lock. The caller reads `answered` after it was told. */
  uint32_t owns;     /* nothing of the request is borrowed */
  uint32_t waits;    /* a caller of run waits: told by whoever has news, the timer too */
  uint32_t pushed;   /* `done` is to be called from now on */
  uint32_t finished; /* its last call has returned */
  uint32_t answered, released;
  uint64_t late_at;
  weft_status *late_status; /* [items] what the caller sees once answered */
  uint8_t *late_live;
  struct weft_pool_job late_job;
  struct frame_policy *policy; /* NULL: no node has one */
  /* slots.c: what slots have answered to the node that is running, and the call of one in progress. */
  struct weft_frame *held, *held_next;
  struct weft_frame *nested; /* under the lock, with n_telling */
  uint32_t n_telling;
  pthread_cond_t told;
  char *slot_problem;
  /* Of a frame that is such a call: items of the outer frame, and what is answered. */
  uint32_t *outer_items;
  weft_status *slot_status;
  const struct weft_tensor **slot_outputs;
};

/* frame.c */
void weft_frame_fail(struct weft_frame *frame, uint32_t item, weft_status status, int32_t node, const char *format, ...)
    WEFT_PRINTF(5, 6);
/* The same, and nothing absorbs it. */
void weft_frame_end(struct weft_frame *frame, uint32_t item, weft_status status, int32_t node, const char *format, ...)
    WEFT_PRINTF(5, 6);
/* 0: the item has failed, or failed at the node, which absorbed it. */
int weft_item_is_well(const struct weft_frame *frame, uint32_t node, uint32_t item);
struct weft_frame *weft_frame_new(struct weft_graph *graph);
void weft_frame_free(struct weft_frame *frame);

/* submit.c */
weft_status weft_frame_take(struct weft_graph *graph, struct weft_frame **out);
/* Everything but the graph's inputs. */
void weft_frame_begin(struct weft_frame *frame, const struct weft_request *requests, uint32_t n);

/* graph.c */
/* inner_gate: of a batching node whose inner graph this is; NULL otherwise. */
weft_status weft_graph_make(struct weft_runtime *runtime, const struct weft_graph_spec *spec, struct gate *inner_gate,
                            struct weft_graph **out, char *message);

/* gather.c: fills value v, an input of the graph; items whose blobs make no sense fail. */
void weft_frame_gather(struct weft_frame *frame, const struct weft_request *requests, uint32_t v);

/* deadline.c */
uint64_t weft_frame_expire(struct weft_timer_entry *entry, uint64_t now);
weft_status weft_frame_arm(struct weft_frame *frame);
void weft_frame_drop_flagged(struct weft_frame *frame);
void weft_frame_fail_flagged(struct weft_frame *frame, uint32_t item, uint8_t why, int32_t node);
void weft_frame_call_begins(struct weft_frame *frame, const struct exec *exec, const struct part *part);
/* The worker has the call: from now on it can be told to end, and is if it was to be before. */
void weft_frame_flight_starts(struct weft_frame *frame, struct park *park);
/* The same for a direct call; and its end, after which nobody touches the worker for this frame. */
void weft_frame_direct_starts(struct weft_frame *frame, struct park *park);
void weft_frame_direct_ends(struct weft_frame *frame, struct park *park);
/* 1: the node's deadline has passed. */
int weft_frame_call_ends(struct weft_frame *frame);
/* With the frame's lock: puts the park among those that are ready. 1: the frame was parked and the caller must push it. */
int weft_frame_ready(struct weft_frame *frame, struct park *park);

/* late.c */
/* A call that goes on that long after the deadline of its request is no longer waited for. */
#define WEFT_LATE_GRACE_NS 5000000u
/* Copies what the runner of a frame with deadlines might read after its caller has been answered. */
void weft_late_own(struct weft_frame *frame);
/* With the lock: 1: the caller is to be answered now (weft_late_answer, without the lock). */
int weft_late_is_due(struct weft_frame *frame, uint64_t now);
void weft_late_answer(struct weft_frame *frame);
/* The frame has run: calls `done` unless that has been done. */
void weft_late_finish(struct weft_frame *frame);
/* Gives the frame to a helper. Errors: WEFT_UNAVAILABLE. */
weft_status weft_late_push(struct weft_frame *frame);
/* Waits until no helper has a frame of the graph. */
void weft_late_drain(struct weft_graph *graph);
/* Runs the frame on a helper and waits until it has ended or is late. */
weft_status weft_late_run(struct weft_frame *frame);

/* trace.c */
/* The frame, which is traced, ends its call of the node, which took `ticks`. */
void weft_trace_node(struct weft_frame *frame, uint32_t i, uint32_t n_items, uint32_t n_failed, uint64_t ticks);
void weft_trace_frame(struct weft_frame *frame);

/* advance.c */
void weft_frame_advance_job(struct weft_pool_job *job);
/* 1: done; 0: parked (another thread may have it already). */
int weft_frame_advance(struct weft_frame *frame);
/* Counts a call of the node that ends now; its time began at frame->ticks. */
void weft_frame_count(struct weft_frame *frame, uint32_t node, uint32_t n_items, uint32_t n_failed);
/* How long a park waited. */
void weft_frame_queued(struct weft_frame *frame, const struct park *park);
/* The node changed rounding or masks: sets them right and counts. */
void weft_frame_restore_fp(struct weft_frame *frame, uint32_t node);

/* gate.c */
int weft_gate_take(struct node *node, struct park *park);
void weft_gate_leave(struct node *node);
/* Leaves the queue; 0: too late, the gate has been granted. */
int weft_gate_withdraw(struct gate *gate, struct park *park);
void weft_frame_notify(struct weft_frame *frame, struct park *park);

/* io.c */
weft_status weft_io_add(struct weft_runtime *runtime, struct gate *gate);
void weft_io_remove(struct weft_runtime *runtime, struct gate *gate);
void weft_io_free(struct weft_io *io);

#endif
