/* SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>
#include <weft/writer.h>

/* Room that a call asks for at first, and at least each time it needs more. */
#define ROOM_BYTES 4096

static const struct weft_host *host;

struct jsonl {
  struct weft_port output;
  int time;
  uint32_t n;
  uint32_t *levels; /* [n] split levels of the inputs */
  char *keys[];     /* [n] */
};

static void destroy(void *instance)
{
  struct jsonl *self = instance;
  if (!self)
    return;
  for (uint32_t i = 0; i < self->n; i++)
    free(self->keys[i]);
  free(self->levels);
  free(self);
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct jsonl *self = calloc(1, sizeof *self + (config->n_inputs + 1) * sizeof *self->keys);
  if (self)
    self->levels = calloc(config->n_inputs + 1, sizeof *self->levels);
  for (uint32_t i = 0; self && self->levels && i < config->n_inputs; i++) {
    self->keys[i] = strdup(config->inputs[i].key);
    self->levels[i] = config->inputs[i].n_split_levels;
    if (!self->keys[i])
      break;
    self->n++;
  }
  if (!self || !self->levels || self->n < config->n_inputs) {
    destroy(self);
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  }
  self->time = (int)weft_parameter_find(config, "time")->integer;
  self->output = (struct weft_port){.name = WEFT_WRITER_BYTES, .dtype = weft_u8(), .rank = 1, .dims = {-1},
                                    .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC};
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){&((struct jsonl *)instance)->output, 1};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static int grow(struct line *line, int64_t n)
{
  struct weft_call *call = line->data;
  int64_t room = n > 2 * line->n_room ? n : 2 * line->n_room;
  room = room > ROOM_BYTES ? room : ROOM_BYTES;
  if (host->output_reserve(call, 0, room) != WEFT_OK) {
    room = n; /* the last that still fits */
    if (host->output_reserve(call, 0, room) != WEFT_OK)
      return 1;
  }
  line->n_room = room;
  line->at = call->outputs[0].tensor.data;
  return 0;
}

static void add_line(const struct jsonl *self, const struct weft_call *call, uint32_t item, struct line *line)
{
  uint64_t time_ns = call->items[item].time_ns;
  int first = 1;
  line_add(line, "{", 1);
  if (self->time && time_ns) {
    line_add(line, "\"time_ns\":", 10);
    line_add_integer(line, (int64_t)time_ns);
    first = 0;
  }
  for (uint32_t i = 0; i < self->n; i++) {
    if (!first)
      line_add(line, ",", 1);
    first = 0;
    line_add_string(line, (const uint8_t *)self->keys[i], (int64_t)strlen(self->keys[i]));
    line_add(line, ":", 1);
    line_add_value(line, call->inputs[i], self->levels[i], item);
  }
  line_add(line, "}\n", 2);
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct weft_output *output = &call->outputs[0];
  struct line line = {.at = output->tensor.data, .grow = grow, .data = call};
  if (!output->wanted)
    return WEFT_OK;
  output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    int64_t before = line.n;
    add_line(instance, call, i, &line);
    if (line.failed) {
      host->fail_item(call, i, WEFT_NO_MEMORY, "jsonl: no room for the line");
      line.n = before;
      line.failed = 0;
    }
    output->splits[0][i + 1] = line.n;
  }
  output->tensor.dims[0] = line.n;
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "jsonl") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
