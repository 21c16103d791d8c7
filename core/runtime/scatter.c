/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between frames and a batch: inputs of several parts become one tensor each,
 * and each part takes its rows of the outputs.
 */
#include "internal.h"

#include <string.h>

/* Rows and groups of one item's slot. */
struct extent {
  int64_t row, row_end, group, group_end;
};

static struct extent extent_of(const struct weft_tensor *t, int64_t slot)
{
  struct extent e = {slot, slot + 1, slot, slot + 1};
  if (t->splits[0]) {
    e.row = e.group = t->splits[0][slot];
    e.row_end = e.group_end = t->splits[0][slot + 1];
  }
  if (t->splits[1]) {
    e.row = t->splits[1][e.group];
    e.row_end = t->splits[1][e.group_end];
  }
  return e;
}

static int64_t slot_of(const struct weft_tensor *t, uint32_t item)
{
  return t->slots ? t->slots[item] : (int64_t)item;
}

/* Copies rows that lie side by side in one go. */
struct copier {
  const uint8_t *from;
  uint8_t *to;
  size_t n;
};

static void flush(struct copier *copier)
{
  if (copier->n)
    memcpy(copier->to, copier->from, copier->n);
  copier->n = 0;
}

static void copy(struct copier *copier, const struct weft_tensor *from, const struct extent *e, uint8_t *to,
                 int64_t row_bytes)
{
  const uint8_t *source = (const uint8_t *)from->data + e->row * row_bytes;
  size_t n = (size_t)((e->row_end - e->row) * row_bytes);
  if (!n)
    return;
  if (copier->n && copier->from + copier->n == source && copier->to + copier->n == to) {
    copier->n += n;
    return;
  }
  flush(copier);
  *copier = (struct copier){source, to, n};
}

/* What all parts have of one input. */
struct total {
  const struct weft_tensor *form; /* of a part that has rows or slots; NULL: no item has it */
  int64_t n_rows, n_groups, n_slots, row_bytes;
};

static struct total add_up(const struct weft_frame *inner, uint32_t k)
{
  struct total sum = {0};
  for (const struct part *part = inner->batch_parts; part; part = part->queue_next) {
    const struct weft_tensor *t = part->call.inputs[k];
    for (uint32_t j = 0; j < part->n; j++) {
      int64_t slot = slot_of(t, j);
      if (slot < 0)
        continue;
      struct extent e = extent_of(t, slot);
      sum.form = t;
      sum.n_rows += e.row_end - e.row;
      sum.n_groups += t->splits[1] ? e.group_end - e.group : 0;
      sum.n_slots++;
    }
  }
  sum.row_bytes = sum.form ? weft_row_bytes(sum.form) : 0;
  return sum;
}

static weft_status gather_one(struct weft_frame *inner, uint32_t k)
{
  struct weft_output *output = &inner->outputs[k];
  struct weft_tensor *to = &output->tensor;
  struct total sum = add_up(inner, k);
  struct copier copier = {0};
  int64_t n_slots = 0, row = 0, group = 0;
  int64_t *groups = NULL;
  inner->value_state[k] = VALUE_ABSENT;
  if (!sum.form)
    return WEFT_OK;
  *to = *sum.form;
  uint8_t *data = weft_region_alloc(inner->arena, (size_t)(sum.n_rows * sum.row_bytes));
  if (to->splits[1])
    groups = weft_region_alloc(inner->arena, (size_t)(sum.n_groups + 1) * sizeof *groups);
  if (!data || (to->splits[1] && !groups))
    return WEFT_NO_MEMORY;
  for (const struct part *part = inner->batch_parts; part; part = part->queue_next)
    for (uint32_t j = 0; j < part->n; j++) {
      const struct weft_tensor *t = part->call.inputs[k];
      int64_t slot = slot_of(t, j);
      output->slots[part->batch_first + j] = slot < 0 ? -1 : (int32_t)n_slots;
      if (slot < 0)
        continue;
      struct extent e = extent_of(t, slot);
      copy(&copier, t, &e, data + row * sum.row_bytes, sum.row_bytes);
      if (output->splits[0])
        output->splits[0][n_slots] = groups ? group : row;
      for (int64_t g = e.group; groups && g < e.group_end; g++)
        groups[group++] = row + t->splits[1][g] - e.row;
      row += e.row_end - e.row;
      n_slots++;
    }
  flush(&copier);
  if (output->splits[0])
    output->splits[0][n_slots] = groups ? group : row;
  if (groups)
    groups[group] = row;
  to->data = data;
  to->dims[0] = row;
  to->n_bytes = row * sum.row_bytes;
  to->n_slots = n_slots;
  to->n_groups = group;
  to->splits[0] = output->splits[0];
  to->splits[1] = groups;
  int full = n_slots == (int64_t)inner->n_items;
  to->slots = full ? NULL : output->slots;
  inner->value_state[k] = full ? VALUE_FULL : VALUE_PARTIAL;
  return WEFT_OK;
}

/* The inputs of a single part are used where they lie: its frame waits for it. */
static void borrow(struct weft_frame *inner, const struct part *part, uint32_t k)
{
  struct weft_tensor *to = &inner->outputs[k].tensor;
  uint32_t n_present = 0;
  *to = *part->call.inputs[k];
  int identity = 1;
  for (uint32_t j = 0; j < part->n; j++) {
    n_present += slot_of(to, j) >= 0;
    identity &= slot_of(to, j) == (int64_t)j;
  }
  if (identity && to->n_slots == (int64_t)part->n)
    to->slots = NULL;
  inner->value_state[k] = !n_present ? VALUE_ABSENT : !to->slots ? VALUE_FULL : VALUE_PARTIAL;
}

weft_status weft_batch_gather(struct weft_frame *inner)
{
  const struct part *first = inner->batch_parts;
  for (const struct part *part = first; part; part = part->queue_next)
    memcpy(inner->items + part->batch_first, part->call.items, part->n * sizeof *inner->items);
  for (uint32_t k = 0; k < inner->graph->spec.n_inputs; k++) {
    if (!first->queue_next) {
      borrow(inner, first, k);
      continue;
    }
    weft_status status = gather_one(inner, k);
    if (status)
      return status;
  }
  return WEFT_OK;
}

/* One output of one part. */
struct scatter {
  struct exec *exec;
  struct part *part;
  const struct weft_tensor *from; /* the batch's; NULL: no item has it */
  struct weft_output *output;
  uint32_t o, levels, kind;
  int64_t row_bytes;
};

static int64_t from_slot(const struct scatter *s, uint32_t j)
{
  if (!s->from || s->part->call.item_status[j])
    return -1;
  return slot_of(s->from, s->part->batch_first + j);
}

static void break_item(const struct scatter *s, uint32_t j)
{
  weft_call_note(s->exec, &s->part->call, j, "node '%s' broke the contract at output '%s': the rows of an item are not "
                 "those that its inputs say", s->exec->node->spec->name,
                 s->exec->frame->graph->values[s->exec->node->first_output + s->o].port->name);
  s->part->call.item_status[j] = WEFT_CONTRACT;
}

/* Exact rows lie where the terms of the port say; an item that has none keeps its room. */
static void scatter_exact(const struct scatter *s)
{
  struct weft_tensor *to = &s->output->tensor;
  struct copier copier = {0};
  int absent = 0;
  for (uint32_t j = 0; j < s->part->n; j++) {
    int64_t slot = from_slot(s, j);
    s->output->slots[j] = slot < 0 ? -1 : (int32_t)j;
    absent |= slot < 0;
    if (slot < 0)
      continue;
    struct weft_tensor room = *to;
    room.slots = NULL;
    struct extent e = extent_of(s->from, slot), at = extent_of(&room, j);
    int same = e.row_end - e.row == at.row_end - at.row && e.group_end - e.group == at.group_end - at.group;
    for (int64_t g = 0; same && s->levels == 2 && g < e.group_end - e.group; g++)
      same = s->from->splits[1][e.group + g] - e.row == to->splits[1][at.group + g] - at.row;
    if (!same)
      break_item(s, j);
    else
      copy(&copier, s->from, &e, (uint8_t *)to->data + at.row * s->row_bytes, s->row_bytes);
  }
  flush(&copier);
  if (absent) {
    to->slots = s->output->slots;
    to->n_slots = s->part->n;
  }
}

/* The most rows and groups that this part has. */
static weft_status make_room(const struct scatter *s)
{
  int64_t n_rows = 0, n_groups = 0;
  for (uint32_t j = 0; j < s->part->n; j++) {
    int64_t slot = from_slot(s, j);
    if (slot < 0)
      continue;
    struct extent e = extent_of(s->from, slot);
    n_rows += e.row_end - e.row;
    n_groups += e.group_end - e.group;
  }
  if (s->kind == WEFT_ROWS_DYNAMIC) {
    weft_status status = weft_call_reserve(&s->exec->host, &s->part->call, s->o, n_rows);
    if (status)
      return status;
  }
  if (n_rows > s->output->n_rows_max || (s->levels == 2 && n_groups > s->output->n_groups_max))
    return WEFT_CONTRACT;
  return WEFT_OK;
}

/* Rows one after the other; items that have none have no slot. */
static weft_status scatter_packed(const struct scatter *s)
{
  struct weft_tensor *to = &s->output->tensor;
  struct copier copier = {0};
  int64_t n_slots = 0, row = 0, group = 0;
  int64_t *splits = s->output->splits[0], *groups = s->output->splits[1];
  weft_status status = make_room(s);
  if (status)
    return status;
  for (uint32_t j = 0; j < s->part->n; j++) {
    int64_t slot = from_slot(s, j);
    s->output->slots[j] = slot < 0 ? -1 : (int32_t)n_slots;
    if (slot < 0)
      continue;
    struct extent e = extent_of(s->from, slot);
    copy(&copier, s->from, &e, (uint8_t *)to->data + row * s->row_bytes, s->row_bytes);
    if (s->levels)
      splits[n_slots] = s->levels == 2 ? group : row;
    for (int64_t g = e.group; s->levels == 2 && g < e.group_end; g++)
      groups[group++] = row + s->from->splits[1][g] - e.row;
    row += e.row_end - e.row;
    n_slots++;
  }
  flush(&copier);
  if (s->levels)
    splits[n_slots] = s->levels == 2 ? group : row;
  if (s->levels == 2)
    groups[group] = row;
  to->dims[0] = row;
  to->n_groups = s->levels == 2 ? group : 0;
  to->n_slots = n_slots;
  to->slots = n_slots == (int64_t)s->part->n ? NULL : s->output->slots;
  return WEFT_OK;
}

static void scatter_one(struct exec *exec, struct part *part, uint32_t o)
{
  const struct weft_frame *inner = part->inner;
  uint32_t v = inner->graph->spec.n_inputs + o;
  const struct value *value = &inner->graph->values[v];
  struct scatter s = {exec, part, NULL, &part->call.outputs[o], o, value->levels, value->kind, value->row_bytes};
  if (!s.output->wanted)
    return;
  if (inner->value_state[v] == VALUE_FULL || inner->value_state[v] == VALUE_PARTIAL)
    s.from = &inner->outputs[v].tensor;
  if (s.from && s.row_bytes < 0) {
    s.row_bytes = weft_row_bytes(s.from);
    memcpy(s.output->tensor.dims + 1, s.from->dims + 1, sizeof s.output->tensor.dims - sizeof *s.output->tensor.dims);
  }
  if (s.kind == WEFT_ROWS_EXACT) {
    scatter_exact(&s);
    return;
  }
  weft_status status = scatter_packed(&s);
  for (uint32_t j = 0; status && j < part->n; j++)
    if (status == WEFT_CONTRACT)
      break_item(&s, j);
    else if (!part->call.item_status[j])
      part->call.item_status[j] = status;
}

void weft_batch_scatter(struct exec *exec, struct part *part)
{
  struct weft_frame *inner = part->inner;
  for (uint32_t j = 0; j < part->n; j++) {
    uint32_t item = part->batch_first + j;
    part->call.item_status[j] = inner->status[item];
    if (inner->status[item] != WEFT_OK)
      weft_call_note(exec, &part->call, j, "%s", inner->messages[item]);
  }
  for (uint32_t o = 0; o < exec->node->n_outputs; o++)
    scatter_one(exec, part, o);
}
