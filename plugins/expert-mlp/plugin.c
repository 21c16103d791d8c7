/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expert-mlp: y = down(act(up x)), or gated y = down(act(gate x) * up x)
 * (Shazeer, "GLU variants improve transformer", 2020, section 2). Rows are
 * independent, so the plan counts rows and knows nothing of items: the same
 * program serves one row an item and ragged tokens.
 */
#include <model.h>
#include <weft/entry.h>
#include <weft/expert.h>
#include <weft/manifest.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The widest layer. */
#define MAX_WIDTH 65536

struct expert {
  const struct weft_compute *compute;
  struct weft_program *program; /* x [rows, d] -> y [rows, d_out] */
  int64_t d, d_out;
  int ragged;
  int64_t n_rows_max; /* since activate */
  char *space;
  struct weft_attribute attribute;
  struct weft_rows_term rows;
  struct weft_port y;
};

static const struct weft_host *host;
static const char *const architectures[] = {"WeftExpertMlp", NULL};

static void destroy(void *instance)
{
  struct expert *self = instance;
  if (!self)
    return;
  if (self->compute)
    self->compute->free(self->program);
  free(self->space);
  free(self);
}

static void check_input(const struct expert *self, struct weft_nn_model *m, const struct weft_config *config)
{
  const char *space = m->status == WEFT_OK ? weft_json_text_or(m->config, "space", NULL) : NULL;
  if (m->status == WEFT_OK && weft_nn_model_check(m, m->config) == WEFT_OK)
    weft_nn_model_take(m, config, 0, self->d, space);
}

/* One layer; its bias is used where the file has one. */
static weft_value layer(struct weft_nn_model *m, weft_value x, const char *name, const int64_t widths[2], int activation)
{
  struct weft_nn_dense dense = {.n_in = widths[0], .n_out = widths[1], .bias = weft_nn_model_has(m, "%s.bias", name),
                                .activation = activation, .residual = WEFT_NO_VALUE};
  return weft_nn_model_dense(m, x, &dense, name);
}

static void record(struct expert *self, struct weft_nn_model *m, int64_t d_hidden, int activation, int gated)
{
  if (m->status != WEFT_OK)
    return;
  const int64_t in[2] = {self->d, d_hidden}, out[2] = {d_hidden, self->d_out};
  weft_value x = weft_nn_input(m->plan, "x", weft_f32(), WEFT_NO_VALUE, self->d);
  weft_value hidden = layer(m, x, "up", in, gated ? WEFT_ACT_NONE : activation);
  if (gated)
    hidden = weft_nn_mul(m->plan, layer(m, x, "gate", in, activation), hidden);
  weft_nn_output(m->plan, layer(m, hidden, "down", out, WEFT_ACT_NONE));
}

static weft_status read_model(struct expert *self, struct weft_setup *setup, const struct weft_config *config)
{
  struct weft_nn_model m;
  self->compute = weft_nn_compute(host, setup);
  if (!self->compute)
    return WEFT_UNAVAILABLE;
  weft_nn_model_open(&m, host, setup, config, "expert-mlp", architectures);
  if (m.status == WEFT_OK) {
    self->d = weft_json_int(m.config, "d_model", 1, MAX_WIDTH);
    self->d_out = weft_json_int_or(m.config, "d_out", self->d, 1, MAX_WIDTH);
    int64_t d_hidden = weft_json_int(m.config, "d_hidden", 1, MAX_WIDTH);
    int gated = weft_json_bool_or(m.config, "gated", 0), activation = weft_nn_model_activation(&m, "activation", "gelu");
    weft_nn_model_check(&m, m.config);
    check_input(self, &m, config);
    record(self, &m, d_hidden, activation, gated);
  }
  weft_status status = weft_nn_model_compile(&m, self->compute, &self->program);
  weft_nn_model_close(&m);
  return status;
}

static weft_status describe_output(struct expert *self, struct weft_setup *setup, const char *digest)
{
  self->y = (struct weft_port){.name = "y", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d_out}};
  if (self->ragged) {
    self->rows = (struct weft_rows_term){0, WEFT_COUNT_ROWS, 1};
    self->y.n_split_levels = 1;
    self->y.rows_kind = WEFT_ROWS_EXACT;
    self->y.n_terms = 1;
    self->y.terms = &self->rows;
  }
  if (!digest)
    return WEFT_OK;
  size_t n = strlen(digest) + sizeof "/y";
  self->space = malloc(n);
  if (!self->space)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the output's attributes");
  snprintf(self->space, n, "%s/y", digest);
  self->attribute = (struct weft_attribute){WEFT_ATTRIBUTE_SPACE, self->space};
  self->y.attributes = &self->attribute;
  self->y.n_attributes = 1;
  return WEFT_OK;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, int ragged, void **instance)
{
  if (config->n_inputs != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "`x` is not connected; expected `in: %s`",
                      ragged ? "ENCODER.tokens" : "FUSION or `in: ENCODER.pooled");
  struct expert *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->ragged = ragged;
  weft_status status = read_model(self, setup, config);
  if (status == WEFT_OK)
    status = describe_output(self, setup, config->model_digest);
  if (status == WEFT_OK)
    *instance = self;
  else
    destroy(self);
  return status;
}

static weft_status create_rows(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 0, instance);
}

static weft_status create_tokens(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create(setup, config, 1, instance);
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct expert *self = instance;
  *out = (struct weft_ports){&self->y, 1};
  return WEFT_OK;
}

/* Scratch: the rows gathered, where they do not stand in the order of the items; then the run. */
static uint64_t gathered_bytes(const struct expert *self)
{
  uint64_t n = (uint64_t)self->n_rows_max * (uint64_t)self->d * sizeof(float);
  return (n + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct expert *self = instance;
  self->n_rows_max = self->ragged ? limits->n_rows[0] : limits->n_items;
  struct weft_compute_limits inside = {self->n_rows_max, &self->n_rows_max};
  uint64_t run = 0;
  weft_status status = self->compute->scratch(self->program, &inside, &run);
  if (status != WEFT_OK)
    return host->fail(setup, status, "no scratch can be planned for %lld rows", (long long)self->n_rows_max);
  *n_scratch_bytes = gathered_bytes(self) + run;
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

/* The rows of the items in their order: where they lie if they lie so, else copied together; NULL: too many. */
static const float *rows_in_order(const struct expert *self, const struct weft_call *call, int64_t *n_rows)
{
  const struct weft_tensor *x = call->inputs[0];
  float *gathered = call->scratch;
  const float *first = NULL;
  int64_t n = 0, begin = 0;
  int in_order = 1;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(x, i);
    if (n == 0)
      begin = rows.begin;
    in_order &= rows.begin == rows.end || rows.begin == begin + n;
    n += rows.end - rows.begin;
  }
  if (n > self->n_rows_max)
    return NULL;
  *n_rows = n;
  first = (const float *)x->data + begin * self->d;
  if (in_order)
    return first;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(x, i);
    int64_t count = (rows.end - rows.begin) * self->d;
    memcpy(gathered, (const float *)x->data + rows.begin * self->d, (size_t)count * sizeof(float));
    gathered += count;
  }
  return call->scratch;
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct expert *self = instance;
  struct weft_output *y = &call->outputs[0];
  int64_t n_rows = 0;
  const float *x = rows_in_order(self, call, &n_rows);
  if (!x)
    return host->fail_call(call, WEFT_CONTRACT, "more rows in a call than the %lld that were announced",
                           (long long)self->n_rows_max);
  if (!y->wanted || n_rows == 0)
    return WEFT_OK;
  struct weft_compute_input input = {x, n_rows};
  struct weft_compute_output output = {.data = y->tensor.data, .n_rows_max = y->n_rows_max};
  uint64_t gathered = gathered_bytes(self);
  struct weft_compute_run run = {.n_items = (uint32_t)n_rows, .n_inputs = 1, .n_outputs = 1, .inputs = &input,
                                 .outputs = &output, .scratch = (char *)call->scratch + gathered,
                                 .n_scratch_bytes = call->n_scratch_bytes - gathered, .cancel = call->cancel};
  weft_status status = self->compute->run(self->program, &run);
  if (status != WEFT_OK && status != WEFT_CANCELLED)
    host->fail_call(call, status, "the compute provider refused a run of %lld rows", (long long)n_rows);
  return status;
}

static const struct weft_node of_rows = {sizeof of_rows, 0, create_rows, ports, activate, process, deactivate, destroy};
static const struct weft_node of_tokens = {sizeof of_tokens, 0,          create_tokens, ports,
                                           activate,         process, deactivate,    destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "expert-mlp") == 0 ? &of_rows : strcmp(id, "expert-mlp-tokens") == 0 ? &of_tokens : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
