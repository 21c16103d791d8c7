/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes (little-endian f32) as one row of d numbers an item, or as any number of rows. */
#include <weft/entry.h>

#include <stdlib.h>
#include <string.h>

static const struct weft_host *host;

struct vector {
  int64_t d;
  int ragged;
  struct weft_rows_term rows;
  struct weft_port x;
};

static weft_status create(struct weft_setup *setup, const struct weft_config *config, int ragged, void **instance)
{
  struct vector *self = config->n_inputs == 1 ? calloc(1, sizeof *self) : NULL;
  if (!self)
    return host->fail(setup, WEFT_BAD_CONFIG, "vector: expected one input, found %u, or no memory", config->n_inputs);
  self->d = weft_parameter_find(config, "d")->integer;
  self->ragged = ragged;
  self->rows = (struct weft_rows_term){0, WEFT_COUNT_ROWS, 1};
  self->x = (struct weft_port){.name = "x", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d}};
  if (ragged) {
    self->x.n_split_levels = 1;
    self->x.rows_kind = WEFT_ROWS_BOUNDED;
    self->x.n_terms = 1;
    self->x.terms = &self->rows;
  }
  *instance = self;
  return WEFT_OK;
}

static weft_status create_one(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 0, instance);
}

static weft_status create_many(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 1, instance);
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){&((struct vector *)instance)->x, 1};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct vector *self = instance;
  struct weft_output *x = &call->outputs[0];
  int64_t row_bytes = self->d * (int64_t)sizeof(float), n_rows = 0;
  if (!x->wanted)
    return WEFT_OK;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    int64_t n_bytes = rows.end - rows.begin;
    if (self->ragged ? n_bytes % row_bytes != 0 : n_bytes != row_bytes)
      host->fail_item(call, i, WEFT_BAD_INPUT, "vector: expected %s%lld bytes, found %lld",
                      self->ragged ? "a multiple of " : "", (long long)row_bytes, (long long)n_bytes);
    else if (n_bytes)
      memcpy((char *)x->tensor.data + n_rows * row_bytes, (const char *)call->inputs[0]->data + rows.begin,
             (size_t)n_bytes);
    n_rows += self->ragged ? n_bytes / row_bytes : 1;
    if (self->ragged)
      x->splits[0][i + 1] = n_rows;
  }
  if (self->ragged) {
    x->splits[0][0] = 0;
    x->tensor.dims[0] = n_rows;
  }
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static const struct weft_node one = {sizeof one, 0, create_one, ports, activate, process, deactivate, free};
static const struct weft_node many = {sizeof many, 0, create_many, ports, activate, process, deactivate, free};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "vector") == 0 ? &one : strcmp(id, "vectors") == 0 ? &many : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
