/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file policy.h
 * Inside core/runtime: what is done for an item beside calling the node. Only
 * nodes with NODE_POLICY come here; the others do not even look.
 *
 * enter (before the gate): the item's turn where the node keeps state,
 * conditions, missing inputs, held values. select: who is in the call. absorb:
 * failures that do not end the item. leave (the node is done): verdicts, the
 * turn is passed on.
 *
 * A node that holds an input, or keeps state, reads a hidden value in its
 * place: values n_values .. n_values_all - 1, which exist in frames only.
 */
#ifndef WEFT_CORE_RUNTIME_POLICY_H
#define WEFT_CORE_RUNTIME_POLICY_H

#include "internal.h"

#include "condition.h"
#include "note.h"

#include <weft/filter.h>

/* What a node does beside its call; index: weft_graph.policy_of. */
struct policy {
  uint32_t node;
  uint32_t turn;         /* its bit in frame->passed; NONE: it keeps no state */
  uint64_t state_inputs; /* bit k */
  uint64_t holds;
};

/* A value that only one node reads. Its index among them is that of its cell in each session. */
struct hidden {
  uint32_t source; /* the value that is held; WEFT_VALUE_STATE: the state of an output */
  uint32_t node, input, output;
};

/* One item at one policy node. */
struct note {
  const char *message; /* of what was absorbed */
  uint64_t held, lacked;
  weft_status status;
  uint8_t passage;     /* RAN until something else is known */
  uint8_t n_retries;
  int8_t verdict;      /* -1: none */
};

/* A node that waits without a gate: for its turn, or until it may be tried again. */
enum { WAIT_NONE, WAIT_TURN, WAIT_PAUSE };
struct wait {
  struct park park;
  uint64_t at;       /* frame's lock; PAUSE: when it ends, 0: it has */
  struct exec *exec; /* PAUSE: goes on with it */
};

struct session;

/* An item's place among those of its session; store's lock. */
struct turn {
  struct turn *previous, *next;
  struct session *session;
  struct weft_frame *frame;
};

/* What is known of the items of a frame. */
struct frame_policy {
  struct note *notes;        /* [n_policies x n_items_max] */
  struct wait *waits;        /* [n_policies] */
  struct turn *turns;        /* [items] */
  struct session **sessions; /* [items]; NULL: none */
  uint64_t *times;           /* [items] event time or arrival */
  uint8_t *degraded;         /* [items] */
  uint8_t *taint;            /* [nodes] scratch of the verdicts */
  uint64_t passed, waiting;  /* bits of nodes with state; store's lock */
  uint32_t n_filters_done, n_absorbed, entered;
};

static inline uint32_t weft_index_of(const struct weft_graph *graph, const struct node *node)
{
  return (uint32_t)(node - graph->nodes);
}

static inline struct note *weft_note_of(const struct weft_frame *frame, uint32_t policy, uint32_t item)
{
  return &frame->policy->notes[(size_t)policy * frame->graph->spec.n_items_max + item];
}

static inline int weft_is_present(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  uint8_t state = frame->value_state[value];
  const int32_t *slots = frame->outputs[value].tensor.slots;
  return state == VALUE_FULL || (state == VALUE_PARTIAL && (!slots || slots[item] >= 0));
}

/* policy.c: hooks of nodes with NODE_POLICY. */
void weft_policy_begin(struct weft_frame *frame);
/* 0: it waits for its turn. */
int weft_policy_enter(struct weft_frame *frame, uint32_t node);
/* Items that the node is called for, in frame->list; the number. */
uint32_t weft_policy_select(struct weft_frame *frame, uint32_t node);
int weft_policy_is_ready(const struct weft_frame *frame, uint32_t node);
void weft_policy_leave(struct weft_frame *frame, uint32_t node);
void weft_policy_withdraw(struct weft_frame *frame, void (*skip)(struct weft_frame *frame, uint32_t node));
/* With the frame's lock: pauses that have ended; 1: the caller must push the frame. And when the next one ends. */
int weft_policy_fire(struct weft_frame *frame, uint64_t now);
uint64_t weft_policy_next(const struct weft_frame *frame);

/* policies.c: when the graph is made. */
weft_status weft_policy_check(const struct weft_graph_spec *spec, uint32_t node, char *message);
/* Order of the nodes: effects, and what follows from them, behind the filters. order: [n_nodes] spec indices. */
weft_status weft_policy_order(const struct weft_graph_spec *spec, uint32_t *order, char *message);
uint32_t weft_policy_n_hidden(const struct weft_graph_spec *spec);
/* Flags, hidden values, notes and the store; after every node and value is set. */
/* Bytes of the policies' part of a frame, and that part, laid out in zeroed memory of as many. */
size_t weft_policy_frame_bytes(const struct weft_graph *graph);
void weft_policy_frame_init(struct weft_frame *frame, void *memory);
weft_status weft_policies_new(struct weft_graph *graph, char *message);
void weft_policies_free(struct weft_graph *graph);

/* absorb.c */
/* With the frame's lock: the item goes on without the node; its message becomes the note's. */
void weft_policy_absorb(struct weft_frame *frame, uint32_t node, uint32_t item, weft_status status);
/* 1: the item, which failed as unavailable, is tried again; alone, after a pause. */
int weft_policy_retries(struct exec *exec, const struct weft_call *call, uint32_t j);
/* 1: the node waits until its next part may run; the gate is to be left. 0: it may run now. */
int weft_policy_pauses(struct exec *exec, const struct part *part);
/* After a batch, for which a part cannot go on by itself: 1: it waits for what is left; 0: nothing is. */
int weft_policy_pauses_again(struct exec *exec);
struct exec *weft_policy_paused(struct weft_frame *frame, uint32_t node);

/* verdict.c */
void weft_verdicts_judge(struct weft_frame *frame, uint32_t node);

/* condition.c */
/* Before the program is run: depth, operands; values below n_values. */
weft_status weft_condition_check(const struct weft_condition *when, const char *node, uint32_t n_values, char *message);
/* 1: true; 0: false; -1: unknown. */
int weft_condition_eval(const struct weft_condition *when, const struct weft_frame *frame, uint32_t item);

/* store.c: last values of sessions. */
struct weft_store;
weft_status weft_store_new(const struct weft_graph *graph, struct weft_store **out);
void weft_store_free(struct weft_store *store);
/* Finds or makes the sessions of the items and lines their turns up; items without one fail. */
void weft_store_enter(struct weft_frame *frame);
void weft_store_leave(struct weft_frame *frame);
uint64_t weft_store_n_forgotten(struct weft_store *store);
void weft_store_lock(struct weft_store *store);
void weft_store_unlock(struct weft_store *store);

/* What is kept of one value of one session. */
struct cell {
  uint64_t time;
  int64_t n_rows, n_groups, n_bytes; /* bytes of the rows */
  int64_t dims[WEFT_MAX_RANK];
  uint32_t first, last, n_blocks;
  uint32_t present;
};
/* With the store's lock: what is kept, if anything, stays readable until it is unpinned. */
void weft_store_pin(struct weft_store *store, const struct session *session, uint32_t cell);
/* With the store's lock. */
void weft_store_unpin(struct weft_store *store, struct cell *pinned);
/* NULL: nothing is kept. Without a lock for states: only who has the session's turn touches them. */
const struct cell *weft_store_cell(const struct session *session, uint32_t cell);
/* Group ends (from the first row on, n_groups of them) and rows are copied out; ends NULL: none. No lock is needed. */
void weft_store_read(const struct weft_store *store, const struct cell *cell, int64_t *ends, void *rows);
struct kept_from {
  const struct weft_tensor *tensor;
  uint64_t time;
  uint32_t item;
  uint32_t unless_newer; /* what is kept is left alone where it is newer */
};
/*
 * Without locks. Keeps the item's rows; absent: forgets. 0: there was no room, nothing is kept. The session is one of
 * a frame of the caller.
 */
int weft_store_keep(struct weft_store *store, struct session *session, uint32_t cell, const struct kept_from *from);

/* turn.c: order of the items of a session at nodes with state. */
/* 1: no earlier frame has an item of one of these sessions before the node. 0: the node's wait is notified. */
int weft_turn_take(struct weft_frame *frame, const struct policy *policy);
void weft_turn_pass(struct weft_frame *frame, const struct policy *policy);
/* 0: it is notified already. */
int weft_turn_withdraw(struct weft_frame *frame, const struct policy *policy);
/* With the store's lock: the frame leaves all lines. */
void weft_turns_end(struct weft_frame *frame);

/* keep.c: hidden values. */
weft_status weft_hold(struct weft_frame *frame, uint32_t policy, uint32_t k);
weft_status weft_state_room(struct weft_frame *frame, uint32_t policy);
/* 1: an item of [first, j) has the session of item j, so that a new call begins with it. */
int weft_state_breaks(const struct exec *exec, const uint32_t *items, uint32_t first, uint32_t j);
void weft_state_give(struct exec *exec, const struct part *part);
void weft_state_keep(struct exec *exec, const struct part *part);

#endif
