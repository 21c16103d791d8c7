/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hidden values: an input in which what is absent is the last value of the same
 * session, and the state that a node left at the session's item before.
 */
#include "store.h"

#include <string.h>

static uint32_t hidden_of(const struct weft_graph *graph, uint32_t node, uint32_t k)
{
  return graph->inputs[graph->nodes[node].first_input + k];
}

/* Where the value of an item comes from, while a held input is put together. */
struct origin {
  struct cell cell; /* present: the store, where it is pinned; else the tensor */
  int32_t slot;     /* of the tensor; -1 with a cell or with nothing */
};

struct holding {
  struct weft_frame *frame;
  struct weft_store *store;
  const struct weft_tensor *from;
  struct origin *origins; /* [items] */
  int64_t dims[WEFT_MAX_RANK];
  uint32_t source, p, k, cell, n_held, n_pinned;
  uint64_t hold_ns;
};

static int has_dims(const struct holding *holding, const int64_t *dims)
{
  uint32_t rank = holding->frame->graph->values[holding->source].form.rank;
  for (uint32_t d = 1; d < rank; d++)
    if (dims[d] != holding->dims[d])
      return 0;
  return 1;
}

/* The last earlier item of this frame with the same session that has it; -1: none. */
static int64_t earlier_item(const struct holding *holding, uint32_t item)
{
  const struct frame_policy *policy = holding->frame->policy;
  for (int64_t j = (int64_t)item - 1; j >= 0; j--)
    if (policy->sessions[j] == policy->sessions[item] && holding->frame->live[j] &&
        weft_is_present(holding->frame, holding->source, (uint32_t)j))
      return j;
  return -1;
}

static int is_recent(const struct holding *holding, uint64_t time, uint32_t item)
{
  uint64_t now = holding->frame->policy->times[item];
  return time <= now && now - time <= holding->hold_ns;
}

static struct origin from_tensor(const struct holding *holding, uint32_t item)
{
  return (struct origin){.slot = holding->from->slots ? holding->from->slots[item] : (int32_t)item};
}

static struct origin find_origin(const struct holding *holding, uint32_t item)
{
  struct weft_frame *frame = holding->frame;
  const struct session *session = frame->policy->sessions[item];
  struct origin nothing = {.slot = -1};
  if (weft_is_present(frame, holding->source, item))
    return from_tensor(holding, item);
  if (!session || !frame->live[item] || weft_note_of(frame, holding->p, item)->passage != WEFT_PASSAGE_RAN ||
      frame->items[item].chunk_flags & WEFT_CHUNK_FIRST)
    return nothing;
  int64_t earlier = earlier_item(holding, item);
  if (earlier >= 0)
    return is_recent(holding, frame->policy->times[earlier], item) ? from_tensor(holding, (uint32_t)earlier) : nothing;
  const struct cell *cell = weft_store_cell(session, holding->cell);
  if (cell && is_recent(holding, cell->time, item))
    nothing.cell = *cell;
  return nothing;
}

/* With the store's lock. */
static void find_origins(struct holding *holding)
{
  struct weft_frame *frame = holding->frame;
  int has_any = frame->value_state[holding->source] != VALUE_ABSENT;
  memcpy(holding->dims, holding->from->dims, sizeof holding->dims);
  for (uint32_t item = 0; item < frame->n_items; item++) {
    struct origin *origin = &holding->origins[item];
    *origin = find_origin(holding, item);
    /* Values of one tensor share their dims; the first that is there decides. */
    if (origin->cell.present && !has_any) {
      memcpy(holding->dims, origin->cell.dims, sizeof holding->dims);
      has_any = 1;
    }
    if (origin->cell.present && !has_dims(holding, origin->cell.dims))
      origin->cell.present = 0;
    if (!origin->cell.present && (origin->slot < 0 || weft_is_present(frame, holding->source, item)))
      continue;
    if (origin->cell.present) {
      weft_store_pin(holding->store, frame->policy->sessions[item], holding->cell);
      holding->n_pinned++;
    }
    holding->n_held++;
    weft_note_of(frame, holding->p, item)->held |= 1ull << holding->k;
  }
}

static void unpin(const struct holding *holding)
{
  if (!holding->n_pinned)
    return;
  weft_store_lock(holding->store);
  for (uint32_t item = 0; item < holding->frame->n_items; item++)
    if (holding->origins[item].cell.present)
      weft_store_unpin(holding->store, &holding->origins[item].cell);
  weft_store_unlock(holding->store);
}

struct counts {
  int64_t n_rows, n_groups;
  int32_t n_slots;
};

static struct counts size_of(const struct holding *holding, const struct origin *origin)
{
  struct counts counts = {0, 0, 0};
  const struct weft_tensor *from = holding->from;
  if (origin->cell.present)
    return (struct counts){origin->cell.n_rows, origin->cell.n_groups, 1};
  if (origin->slot < 0)
    return counts;
  int64_t begin = origin->slot, end = begin + 1;
  counts.n_slots = 1;
  if (from->splits[0]) {
    begin = from->splits[0][begin];
    end = from->splits[0][end];
  }
  if (from->splits[1]) {
    counts.n_groups = end - begin;
    begin = from->splits[1][begin];
    end = from->splits[1][end];
  }
  counts.n_rows = end - begin;
  return counts;
}

/* Rows of one item, and the ends of its groups, behind those that stand there already. */
static void put(const struct holding *holding, const struct origin *origin, const struct counts *at, int64_t row_bytes,
                struct weft_tensor *to)
{
  const struct weft_tensor *from = holding->from;
  uint8_t *rows = (uint8_t *)to->data + at->n_rows * row_bytes;
  int64_t *ends = to->splits[1] ? (int64_t *)(uintptr_t)to->splits[1] + at->n_groups + 1 : NULL;
  struct counts n = size_of(holding, origin);
  if (origin->cell.present) {
    weft_store_read(holding->store, &origin->cell, ends, rows);
  } else {
    int64_t begin = origin->slot;
    if (from->splits[0])
      begin = from->splits[0][begin];
    int64_t group = begin;
    if (from->splits[1])
      begin = from->splits[1][begin];
    memcpy(rows, (const uint8_t *)from->data + begin * row_bytes, (size_t)(n.n_rows * row_bytes));
    for (int64_t g = 0; ends && g < n.n_groups; g++)
      ends[g] = from->splits[1][group + g + 1] - begin;
  }
  for (int64_t g = 0; ends && g < n.n_groups; g++)
    ends[g] += at->n_rows;
}

static weft_status build(struct holding *holding, uint32_t h)
{
  struct weft_frame *frame = holding->frame;
  const struct value *value = &frame->graph->values[h];
  struct weft_output *output = &frame->outputs[h];
  struct counts sum = {0, 0, 0}, at = {0, 0, 0};
  for (uint32_t item = 0; item < frame->n_items; item++) {
    struct counts n = size_of(holding, &holding->origins[item]);
    sum = (struct counts){sum.n_rows + n.n_rows, sum.n_groups + n.n_groups, sum.n_slots + n.n_slots};
  }
  struct weft_tensor to = *holding->from;
  memcpy(to.dims, holding->dims, sizeof to.dims);
  int64_t row_bytes = weft_row_bytes(&to), *groups = NULL;
  to.dims[0] = sum.n_rows;
  to.n_bytes = sum.n_rows * row_bytes;
  to.n_slots = sum.n_slots;
  to.n_groups = value->levels > 1 ? sum.n_groups : 0;
  to.data = weft_region_alloc(frame->arena, (size_t)to.n_bytes);
  if (value->levels > 1)
    groups = weft_region_alloc(frame->arena, (size_t)(sum.n_groups + 1) * sizeof *groups);
  if (!to.data || (value->levels > 1 && !groups))
    return WEFT_NO_MEMORY;
  if (groups)
    groups[0] = 0;
  to.splits[0] = value->levels ? output->splits[0] : NULL;
  to.splits[1] = groups;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    const struct origin *origin = &holding->origins[item];
    struct counts n = size_of(holding, origin);
    output->slots[item] = n.n_slots ? at.n_slots : -1;
    if (!n.n_slots)
      continue;
    if (value->levels)
      output->splits[0][at.n_slots] = groups ? at.n_groups : at.n_rows;
    put(holding, origin, &at, row_bytes, &to);
    at = (struct counts){at.n_rows + n.n_rows, at.n_groups + n.n_groups, at.n_slots + 1};
  }
  if (value->levels)
    output->splits[0][at.n_slots] = groups ? at.n_groups : at.n_rows;
  to.slots = output->slots;
  output->tensor = to;
  frame->value_state[h] = VALUE_PARTIAL;
  return WEFT_OK;
}

/* What came now is the last value from now on. */
static void keep_new(const struct holding *holding)
{
  struct weft_frame *frame = holding->frame;
  for (uint32_t item = 0; item < frame->n_items; item++) {
    struct session *session = frame->policy->sessions[item];
    struct kept_from from = {holding->from, frame->policy->times[item], item, 1};
    if (session && frame->live[item] && weft_is_present(frame, holding->source, item))
      weft_store_keep(holding->store, session, holding->cell, &from);
  }
}

weft_status weft_hold(struct weft_frame *frame, uint32_t p, uint32_t k)
{
  const struct weft_graph *graph = frame->graph;
  uint32_t node = graph->policies[p].node, h = hidden_of(graph, node, k);
  const struct hidden *hidden = &graph->hidden[h - graph->spec.n_values];
  struct holding holding = {.frame = frame, .store = graph->store, .source = hidden->source, .p = p, .k = k,
                            .cell = h - graph->spec.n_values, .from = &frame->outputs[hidden->source].tensor,
                            .hold_ns = graph->nodes[node].spec->policies[k].hold_ns};
  weft_status status = WEFT_OK;
  holding.origins = weft_region_alloc(frame->arena, frame->n_items * sizeof *holding.origins);
  frame->outputs[h].tensor = *holding.from;
  frame->value_state[h] = frame->value_state[hidden->source];
  if (!holding.origins)
    return WEFT_NO_MEMORY;
  weft_store_lock(graph->store);
  find_origins(&holding);
  weft_store_unlock(graph->store);
  if (holding.n_held)
    status = build(&holding, h);
  unpin(&holding);
  keep_new(&holding);
  return status;
}

/* Rows for all items, none of them filled: what stands in rows of other items would cross into a worker. */
weft_status weft_state_room(struct weft_frame *frame, uint32_t p)
{
  const struct weft_graph *graph = frame->graph;
  for (uint32_t k = 0; k < WEFT_POLICY_INPUTS_MAX; k++) {
    if (!(graph->policies[p].state_inputs >> k & 1))
      continue;
    uint32_t h = hidden_of(graph, graph->policies[p].node, k);
    struct weft_output *output = &frame->outputs[h];
    struct weft_tensor *tensor = &output->tensor;
    tensor->dims[0] = tensor->n_slots = frame->n_items;
    tensor->n_bytes = frame->n_items * graph->values[h].row_bytes;
    tensor->data = weft_region_alloc(frame->arena, (size_t)tensor->n_bytes);
    tensor->slots = output->slots;
    if (!tensor->data)
      return WEFT_NO_MEMORY;
    memset(tensor->data, 0, (size_t)tensor->n_bytes);
    for (uint32_t item = 0; item < frame->n_items; item++)
      output->slots[item] = -1;
    frame->value_state[h] = VALUE_PARTIAL;
  }
  return WEFT_OK;
}

int weft_state_breaks(const struct exec *exec, const uint32_t *items, uint32_t first, uint32_t j)
{
  if (!(exec->node->flags & NODE_STATE))
    return 0; /* and there may be no policy */
  struct session *const *sessions = exec->frame->policy->sessions;
  if (!sessions[items[j]])
    return 0;
  for (uint32_t i = first; i < j; i++)
    if (sessions[items[i]] == sessions[items[j]])
      return 1;
  return 0;
}

/* An item of the frame in a part, and its session. */
static struct session *session_of(const struct exec *exec, const struct part *part, uint32_t j, uint32_t *item)
{
  *item = exec->items ? exec->items[part->first + j] : part->first + j;
  return exec->frame->policy->sessions[*item];
}

/* The frame has the turn of its sessions at this node: nobody else reads or writes their state. */
void weft_state_give(struct exec *exec, const struct part *part)
{
  struct weft_frame *frame = exec->frame;
  const struct weft_graph *graph = frame->graph;
  for (uint32_t s = 0; s < exec->node->spec->n_states; s++) {
    uint32_t h = hidden_of(graph, exec->index, exec->node->spec->states[s].input), item;
    struct weft_output *output = &frame->outputs[h];
    for (uint32_t j = 0; j < part->n; j++) {
      struct session *session = session_of(exec, part, j, &item);
      const struct cell *cell = session ? weft_store_cell(session, h - graph->spec.n_values) : NULL;
      if (frame->items[item].chunk_flags & WEFT_CHUNK_FIRST)
        cell = NULL;
      output->slots[item] = cell ? (int32_t)item : -1;
      if (cell)
        weft_store_read(graph->store, cell, NULL, (uint8_t *)output->tensor.data + item * graph->values[h].row_bytes);
    }
  }
}

void weft_state_keep(struct exec *exec, const struct part *part)
{
  struct weft_frame *frame = exec->frame;
  const struct weft_graph *graph = frame->graph;
  for (uint32_t s = 0; s < exec->node->spec->n_states; s++) {
    const struct weft_state_port *state = &exec->node->spec->states[s];
    uint32_t cell = hidden_of(graph, exec->index, state->input) - graph->spec.n_values, item;
    for (uint32_t j = 0; j < part->n; j++) {
      struct session *session = session_of(exec, part, j, &item);
      struct kept_from from = {&part->call.outputs[state->output].tensor, frame->policy->times[item], j, 0};
      if (session && part->call.item_status[j] == WEFT_OK && weft_item_is_well(frame, exec->index, item))
        weft_store_keep(graph->store, session, cell, &from);
    }
  }
}
