/* SPDX-License-Identifier: Apache-2.0 */
/* From requests to a frame: the pool of frames, the graph's inputs. */
#include "policy.h"

#include <string.h>

weft_status weft_frame_take(struct weft_graph *graph, struct weft_frame **out)
{
  *out = NULL;
  pthread_mutex_lock(&graph->lock);
  struct weft_frame *frame = graph->free_frames;
  if (graph->n_in_flight == graph->n_frames_max) {
    pthread_mutex_unlock(&graph->lock);
    return WEFT_UNAVAILABLE;
  }
  graph->n_in_flight++;
  uint64_t number = ++graph->n_taken;
  weft_trace trace = graph->trace;
  void *trace_data = graph->trace_data;
  if (frame)
    graph->free_frames = frame->next_free;
  pthread_mutex_unlock(&graph->lock);
  if (!frame) {
    frame = weft_frame_new(graph);
    pthread_mutex_lock(&graph->lock);
    if (!frame) {
      graph->n_in_flight--;
      pthread_mutex_unlock(&graph->lock);
      return WEFT_NO_MEMORY;
    }
    frame->next_all = graph->all_frames;
    graph->all_frames = frame;
    pthread_mutex_unlock(&graph->lock);
  }
  frame->number = number;
  frame->trace = trace;
  frame->trace_data = trace_data;
  frame->t_taken = trace ? weft_clock_now() : 0;
  frame->t_begin = 0;
  *out = frame;
  return WEFT_OK;
}

static void set_item(struct weft_frame *frame, const struct weft_request *request, uint32_t i)
{
  frame->items[i] = (struct weft_item){.seed = request->seed, .stream = request->stream, .context = request->context,
                                       .chunk_flags = request->chunk_flags, .slot = -1, .time_ns = request->time_ns};
  frame->absences[i] = request->absences;
  frame->status[i] = request->status;
  frame->live[i] = request->status == WEFT_OK;
  frame->n_live += frame->live[i];
  frame->flags[i] = FLAG_NONE;
  frame->failed_node[i] = -1;
  frame->messages[i][0] = 0;
  frame->deadlines[i] = request->deadline_ns;
  frame->has_deadlines |= request->deadline_ns != 0;
}

static void set_deadlines(struct weft_frame *frame)
{
  uint64_t now = weft_clock_now();
  for (uint32_t i = 0; i < frame->n_items; i++)
    if (frame->deadlines[i] && frame->deadlines[i] <= now)
      weft_frame_fail(frame, i, WEFT_DEADLINE, -1, "the request's deadline had passed when it came");
  if (frame->n_live && weft_frame_arm(frame))
    for (uint32_t i = 0; i < frame->n_items; i++)
      if (frame->deadlines[i])
        weft_frame_fail(frame, i, WEFT_NO_MEMORY, -1, "no thread could be started to watch the deadline");
}

void weft_frame_begin(struct weft_frame *frame, const struct weft_request *requests, uint32_t n)
{
  const struct weft_graph_spec *spec = &frame->graph->spec;
  /* The lock is for the thread sanitizer's and late cancellers' sake: nobody else may look at the frame yet. */
  pthread_mutex_lock(&frame->lock);
  frame->n_items = n;
  frame->n_live = frame->n_flagged = frame->n_flags = frame->has_deadlines = 0;
  frame->cursor = frame->n_pending = 0;
  frame->parked = frame->woken = frame->running = frame->call_expired = 0;
  frame->waits = frame->finished = frame->answered = frame->released = 0;
  frame->pushed = 0;
  frame->late_at = 0;
  frame->call_deadline = 0;
  frame->use++;
  atomic_store_explicit(&frame->attention, 0, memory_order_relaxed);
  atomic_store_explicit(&frame->cancel, 0, memory_order_relaxed);
  atomic_store_explicit(&frame->direct, NULL, memory_order_relaxed);
  memset(frame->value_state, VALUE_PENDING, frame->graph->n_values_all);
  memset(frame->node_state, NODE_TODO, spec->n_nodes);
  for (uint32_t k = 0; k < frame->graph->n_gates; k++)
    frame->parks[k].queued_ticks = frame->parks[k].batched = 0;
  for (uint32_t i = 0; i < n; i++)
    set_item(frame, &requests[i], i);
  frame->owns = frame->mode == MODE_SUBMIT && frame->has_deadlines && !frame->graph->inner_gate;
  pthread_mutex_unlock(&frame->lock);
  if (frame->has_deadlines)
    set_deadlines(frame);
}

static void begin(struct weft_frame *frame, const struct weft_request *requests, uint32_t n)
{
  const struct weft_graph_spec *spec = &frame->graph->spec;
  weft_frame_begin(frame, requests, n);
  weft_late_own(frame);
  for (uint32_t v = 0; v < spec->n_inputs; v++)
    weft_frame_gather(frame, requests, v);
  if (frame->policy)
    weft_policy_begin(frame);
}

static weft_status take(struct weft_graph *graph, const struct weft_request *requests, uint32_t n, int mode,
                        struct weft_frame **out)
{
  if (!n || n > graph->spec.n_items_max)
    return WEFT_BAD_INPUT;
  weft_status status = weft_frame_take(graph, out);
  if (status)
    return status;
  (*out)->mode = (uint32_t)mode;
  begin(*out, requests, n);
  return WEFT_OK;
}

weft_status weft_graph_submit(struct weft_graph *graph, const struct weft_request *requests, uint32_t n,
                              weft_frame_done done, void *data, struct weft_frame **out)
{
  struct weft_frame *frame = NULL;
  if (out)
    *out = NULL;
  weft_status status = take(graph, requests, n, MODE_SUBMIT, &frame);
  if (status)
    return status;
  frame->done = done;
  frame->done_data = data;
  if (out)
    *out = frame;
  status = weft_late_push(frame);
  if (status) {
    if (out)
      *out = NULL;
    weft_frame_release(frame);
  }
  return status;
}

weft_status weft_graph_run(struct weft_graph *graph, const struct weft_request *requests, uint32_t n,
                           struct weft_frame **out)
{
  *out = NULL;
  uint32_t by_helper = 0;
  /* A call in process that does not end holds its thread: so that the caller can go at the deadline, it is not his. */
  for (uint32_t i = 0; i < n && n <= graph->spec.n_items_max && graph->in_process; i++)
    by_helper |= requests[i].deadline_ns != 0;
  weft_status status = take(graph, requests, n, by_helper ? MODE_SUBMIT : MODE_RUN, out);
  if (status)
    return status;
  if (!by_helper) {
    weft_frame_advance(*out);
    return WEFT_OK;
  }
  status = weft_late_run(*out);
  if (status) {
    weft_frame_release(*out);
    *out = NULL;
  }
  return status;
}
