/* SPDX-License-Identifier: Apache-2.0 */
/* A frame's memory, and what is asked of a frame that is done. */
#include "policy.h"
#include "slots.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Lays out arrays one after the other: first without memory, to learn the size, then with it. */
struct layout {
  uint8_t *base;
  size_t used;
};

static void *place(struct layout *layout, size_t n_bytes)
{
  void *p = layout->base ? layout->base + layout->used : NULL;
  layout->used += weft_align(n_bytes);
  return p;
}

/* Returns the room of the policies. */
static void *lay_out(struct weft_frame *frame, const struct weft_graph *graph, struct layout *layout)
{
  const struct weft_graph_spec *spec = &graph->spec;
  size_t n_items = spec->n_items_max;
  frame->outputs = place(layout, graph->n_values_all * sizeof *frame->outputs);
  frame->inputs = place(layout, graph->n_inputs_total * sizeof *frame->inputs);
  frame->value_state = place(layout, graph->n_values_all);
  frame->node_state = place(layout, spec->n_nodes);
  frame->stats = place(layout, spec->n_nodes * sizeof *frame->stats);
  frame->items = place(layout, n_items * sizeof *frame->items);
  frame->status = place(layout, n_items * sizeof *frame->status);
  frame->call_status = place(layout, n_items * sizeof *frame->call_status);
  frame->late_status = place(layout, n_items * sizeof *frame->late_status);
  frame->late_live = place(layout, n_items);
  frame->failed_node = place(layout, n_items * sizeof *frame->failed_node);
  frame->absences = place(layout, n_items * sizeof *frame->absences);
  frame->list = place(layout, n_items * sizeof *frame->list);
  frame->messages = place(layout, n_items * sizeof *frame->messages);
  frame->flags = place(layout, n_items);
  frame->deadlines = place(layout, n_items * sizeof *frame->deadlines);
  frame->live = place(layout, n_items);
  frame->parks = place(layout, graph->n_gates * sizeof *frame->parks);
  frame->ranges = place(layout, graph->n_ranges * sizeof *frame->ranges);
  return place(layout, weft_policy_frame_bytes(graph));
}

/* Most values of a large graph have a row for every item: they need no splits and never write their slots. */
static int reserve_rooms(struct weft_frame *frame, const struct weft_graph *graph)
{
  size_t n_items = graph->spec.n_items_max, n_ragged = 0;
  for (uint32_t v = 0; v < graph->n_values_all; v++)
    n_ragged += graph->values[v].levels != 0;
  frame->rooms = weft_region_new(weft_align(graph->n_values_all * n_items * sizeof(int32_t)) +
                                 n_ragged * (n_items + 1) * sizeof(int64_t) + 1);
  return frame->rooms != NULL;
}

static void set_outputs(struct weft_frame *frame, const struct weft_graph *graph)
{
  size_t n_items = graph->spec.n_items_max;
  int32_t *slots = (int32_t *)(void *)frame->rooms->base;
  int64_t *splits = (int64_t *)(void *)(frame->rooms->base + weft_align(graph->n_values_all * n_items * sizeof *slots));
  for (uint32_t v = 0; v < graph->n_values_all; v++) {
    const struct value *value = &graph->values[v];
    struct weft_output *output = &frame->outputs[v];
    struct weft_tensor *tensor = &output->tensor;
    tensor->dtype = value->port->dtype;
    tensor->rank = value->port->rank;
    tensor->device = WEFT_DEVICE_CPU;
    for (uint32_t d = 1; d < value->port->rank; d++)
      tensor->dims[d] = value->port->dims[d] < 0 ? 0 : value->port->dims[d];
    output->wanted = value->wanted;
    output->rows_kind = value->kind;
    output->slots = slots + v * n_items;
    output->splits[0] = value->levels ? splits : NULL;
    splits += value->levels ? n_items + 1 : 0;
  }
  for (uint32_t i = 0; i < graph->n_inputs_total; i++)
    frame->inputs[i] = &frame->outputs[graph->inputs[i]].tensor;
  for (uint32_t i = 0; i < graph->spec.n_nodes; i++)
    if (graph->nodes[i].park != NONE) {
      frame->parks[graph->nodes[i].park].frame = frame;
      frame->parks[graph->nodes[i].park].node = i;
    }
}

static int reserve_ranges(struct weft_frame *frame, const struct weft_graph *graph)
{
  for (uint32_t v = 0; v < graph->spec.n_values; v++) {
    const struct value *value = &graph->values[v];
    if (value->range == NONE)
      continue;
    struct range *range = &frame->ranges[value->range];
    range->rows = weft_region_new(value->n_bytes_max);
    if (!range->rows)
      return 0;
    if (value->levels < 2)
      continue;
    range->groups = weft_region_new((WEFT_DYNAMIC_GROUPS_MAX + 1) * sizeof(int64_t));
    if (!range->groups)
      return 0;
  }
  return 1;
}

struct weft_frame *weft_frame_new(struct weft_graph *graph)
{
  struct layout layout = {0};
  struct weft_frame *frame, sizes;
  place(&layout, sizeof *frame);
  lay_out(&sizes, graph, &layout);
  frame = weft_mem_alloc(layout.used);
  if (!frame)
    return NULL;
  memset(frame, 0, layout.used);
  layout = (struct layout){(uint8_t *)frame, 0};
  place(&layout, sizeof *frame);
  void *policy = lay_out(frame, graph, &layout);
  frame->graph = graph;
  frame->job.run = graph->inner_gate ? weft_batch_job : weft_frame_advance_job;
  frame->timer.fire = weft_frame_expire;
  pthread_mutex_init(&frame->lock, NULL);
  pthread_cond_init(&frame->cond, NULL);
  pthread_cond_init(&frame->told, NULL);
  if (!reserve_rooms(frame, graph)) {
    weft_frame_free(frame);
    return NULL;
  }
  set_outputs(frame, graph);
  weft_policy_frame_init(frame, policy);
  frame->arena = weft_region_new(weft_align(graph->n_scratch_bytes) + WEFT_ARENA_BYTES_MAX);
  if (!frame->arena || !reserve_ranges(frame, graph)) {
    weft_frame_free(frame);
    return NULL;
  }
  frame->scratch = weft_region_alloc(frame->arena, graph->n_scratch_bytes);
  frame->arena_start = frame->arena->used;
  frame->fast.host = (struct weft_call_host){weft_call_fail, weft_call_reserve, weft_slot_call, weft_slot_message};
  frame->fast.frame = frame;
  frame->call = (struct weft_call){.items = frame->items,
                                   .item_status = frame->call_status,
                                   .scratch = frame->scratch,
                                   .cancel = (const uint32_t *)&frame->cancel,
                                   .host_data = &frame->fast.host};
  return frame;
}

void weft_frame_free(struct weft_frame *frame)
{
  if (!frame)
    return;
  for (uint32_t i = 0; i < frame->graph->n_ranges; i++) {
    weft_region_free(frame->ranges[i].rows);
    weft_region_free(frame->ranges[i].groups);
  }
  weft_region_free(frame->arena);
  weft_region_free(frame->rooms);
  pthread_cond_destroy(&frame->told);
  pthread_cond_destroy(&frame->cond);
  pthread_mutex_destroy(&frame->lock);
  weft_mem_free(frame);
}

static int absorbs(const struct weft_frame *frame, uint32_t item, int32_t node)
{
  return node >= 0 && frame->graph->nodes[node].flags & NODE_ABSORBS && !frame->flags[item];
}

/* With the lock, of a live item. */
static void end(struct weft_frame *frame, uint32_t item, weft_status status, int32_t node)
{
  frame->live[item] = 0;
  frame->n_live--;
  if (frame->flags[item])
    frame->n_flagged--;
  frame->status[item] = status;
  frame->failed_node[item] = node;
}

void weft_frame_fail(struct weft_frame *frame, uint32_t item, weft_status status, int32_t node, const char *format, ...)
{
  pthread_mutex_lock(&frame->lock);
  if (frame->live[item]) {
    if (format) {
      va_list arguments;
      va_start(arguments, format);
      vsnprintf(frame->messages[item], WEFT_MESSAGE_BYTES, format, arguments);
      va_end(arguments);
    }
    if (absorbs(frame, item, node))
      weft_policy_absorb(frame, (uint32_t)node, item, status);
    else
      end(frame, item, status, node);
  }
  pthread_mutex_unlock(&frame->lock);
}

void weft_frame_end(struct weft_frame *frame, uint32_t item, weft_status status, int32_t node, const char *format, ...)
{
  pthread_mutex_lock(&frame->lock);
  if (frame->live[item]) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(frame->messages[item], WEFT_MESSAGE_BYTES, format, arguments);
    va_end(arguments);
    end(frame, item, status, node);
  }
  pthread_mutex_unlock(&frame->lock);
}

weft_status weft_frame_status(const struct weft_frame *frame, uint32_t item)
{
  return frame->answered ? frame->late_status[item] : frame->status[item];
}

const char *weft_frame_message(const struct weft_frame *frame, uint32_t item)
{
  if (frame->answered && frame->late_live[item])
    return frame->late_status[item] == WEFT_CANCELLED ? "the request was cancelled"
                                                      : "the request's deadline has passed while a call did not end";
  return weft_frame_status(frame, item) == WEFT_OK ? "" : frame->messages[item];
}

int32_t weft_frame_failed_node(const struct weft_frame *frame, uint32_t item)
{
  if (frame->answered && frame->late_live[item])
    return -1;
  int32_t node = frame->failed_node[item];
  return node < 0 ? node : (int32_t)(frame->graph->nodes[node].spec - frame->graph->spec.nodes);
}

const struct weft_tensor *weft_frame_value(const struct weft_frame *frame, uint32_t value)
{
  if (frame->answered)
    return NULL;
  uint8_t state = frame->value_state[value];
  return state == VALUE_FULL || state == VALUE_PARTIAL ? &frame->outputs[value].tensor : NULL;
}

uint64_t weft_frame_node_ns(const struct weft_frame *frame, uint32_t node)
{
  if (frame->answered)
    return 0;
  const struct node_stat *stat = &frame->stats[frame->graph->place[node]];
  return stat->last_use == frame->use ? weft_clock_ns(stat->last_ticks) : 0;
}
