/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that keep state take the items of a session in the order in which they
 * came. A frame lines up in each of its sessions at once when it arrives, so of
 * two frames one is before the other everywhere and nobody waits in a circle.
 * A frame is past a node as a whole.
 */
#include "store.h"

/* No earlier frame of this session is still to pass the node. */
static int is_first(const struct turn *turn, uint64_t bit)
{
  for (const struct turn *earlier = turn->previous; earlier; earlier = earlier->previous)
    if (earlier->frame != turn->frame && !(earlier->frame->policy->passed & bit))
      return 0;
  return 1;
}

static int may_go(const struct weft_frame *frame, uint64_t bit)
{
  for (uint32_t item = 0; item < frame->n_items; item++)
    if (frame->policy->sessions[item] && !is_first(&frame->policy->turns[item], bit))
      return 0;
  return 1;
}

static struct park *park_at(struct weft_frame *frame, uint32_t turn)
{
  const struct weft_graph *graph = frame->graph;
  uint32_t p = 0;
  while (graph->policies[p].turn != turn)
    p++;
  return &frame->policy->waits[p].park;
}

int weft_turn_take(struct weft_frame *frame, const struct policy *policy)
{
  struct weft_store *store = frame->graph->store;
  uint64_t bit = 1ull << policy->turn;
  pthread_mutex_lock(&store->lock);
  int mine = may_go(frame, bit);
  if (!mine) {
    frame->policy->waiting |= bit;
    park_at(frame, policy->turn)->waits = WAIT_TURN;
  }
  pthread_mutex_unlock(&store->lock);
  return mine;
}

/* The next frame of each session that has not passed may be first now. */
static void tell_next(struct weft_frame *frame, uint32_t turn)
{
  uint64_t bit = 1ull << turn;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (!frame->policy->sessions[item])
      continue;
    struct turn *next = frame->policy->turns[item].next;
    while (next && (next->frame == frame || next->frame->policy->passed & bit))
      next = next->next;
    if (!next || !(next->frame->policy->waiting & bit) || !may_go(next->frame, bit))
      continue;
    next->frame->policy->waiting &= ~bit;
    weft_frame_notify(next->frame, park_at(next->frame, turn));
  }
}

void weft_turn_pass(struct weft_frame *frame, const struct policy *policy)
{
  struct weft_store *store = frame->graph->store;
  pthread_mutex_lock(&store->lock);
  frame->policy->passed |= 1ull << policy->turn;
  tell_next(frame, policy->turn);
  pthread_mutex_unlock(&store->lock);
}

int weft_turn_withdraw(struct weft_frame *frame, const struct policy *policy)
{
  struct weft_store *store = frame->graph->store;
  uint64_t bit = 1ull << policy->turn;
  pthread_mutex_lock(&store->lock);
  int waits = (frame->policy->waiting & bit) != 0;
  frame->policy->waiting &= ~bit;
  pthread_mutex_unlock(&store->lock);
  return waits;
}

static void step_out(struct turn *turn)
{
  struct session *session = turn->session;
  *(turn->previous ? &turn->previous->next : &session->first) = turn->next;
  *(turn->next ? &turn->next->previous : &session->last) = turn->previous;
}

void weft_turns_end(struct weft_frame *frame)
{
  uint64_t passed = frame->policy->passed;
  frame->policy->passed = UINT64_MAX;
  for (uint32_t t = 0; t < frame->graph->n_turns; t++)
    if (!(passed >> t & 1))
      tell_next(frame, t);
  for (uint32_t item = 0; item < frame->n_items; item++)
    if (frame->policy->sessions[item])
      step_out(&frame->policy->turns[item]);
}
