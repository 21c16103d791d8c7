/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

void weft_graph_trace(struct weft_graph *graph, weft_trace trace, void *data)
{
  pthread_mutex_lock(&graph->lock);
  graph->trace = trace;
  graph->trace_data = data;
  pthread_mutex_unlock(&graph->lock);
}

void weft_trace_node(struct weft_frame *frame, uint32_t i, uint32_t n_items, uint32_t n_failed, uint64_t ticks)
{
  const struct node *node = &frame->graph->nodes[i];
  const struct park *park = node->park == NONE ? NULL : &frame->parks[node->park];
  struct weft_trace_event event = {.frame = frame->number,
                                   .node = (uint32_t)(node->spec - frame->graph->spec.nodes), .n_items = n_items,
                                   .n_call_items = n_items,
                                   .n_failed = n_failed, .t_end = weft_clock_now()};
  event.t_begin = event.t_end - weft_clock_ns(ticks);
  if (park && park->batched) {
    event.call = park->call;
    event.n_call_items = park->n_call_items;
    event.t_end -= weft_clock_ns(weft_clock_ticks() - park->end_ticks);
    event.t_begin = event.t_end - weft_clock_ns(park->end_ticks - park->begin_ticks);
  }
  event.t_queued = event.t_begin - (park ? weft_clock_ns(park->queued_ticks) : 0);
  frame->trace(&event, frame->trace_data);
}

void weft_trace_frame(struct weft_frame *frame)
{
  struct weft_trace_event event = {.frame = frame->number, .node = WEFT_TRACE_FRAME, .n_items = frame->n_items,
                                   .n_call_items = frame->n_items, .t_queued = frame->t_taken,
                                   .t_begin = frame->t_begin, .t_end = weft_clock_now()};
  for (uint32_t j = 0; j < frame->n_items; j++)
    event.n_failed += frame->status[j] != WEFT_OK;
  frame->trace(&event, frame->trace_data);
}
