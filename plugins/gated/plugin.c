/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gated: fused = sum over the present inputs of q_m h_m, where h_m and the
 * gate's logit g_m come from the input's tokens alone and q_m = sigmoid(g_m).
 * An absent input adds nothing, so nothing has to be imputed.
 */
#include "gated.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>
#include <weft/fusion.h>
#include <weft/manifest.h>

static const struct weft_host *host;

static void destroy(void *instance)
{
  struct gated *self = instance;
  if (!self)
    return;
  for (uint32_t i = 0; i < self->n; i++) {
    self->compute->free(self->modalities[i].program);
    free(self->modalities[i].key);
  }
  free(self->modalities);
  free(self->space);
  free(self);
}

static weft_status describe_outputs(struct gated *self, struct weft_setup *setup, const char *digest)
{
  if (digest) {
    size_t n = strlen(digest) + sizeof "/fused";
    self->space = malloc(n);
    if (!self->space)
      return host->fail(setup, WEFT_NO_MEMORY, "no memory for the outputs' attributes");
    snprintf(self->space, n, "%s/fused", digest);
    self->attribute = (struct weft_attribute){WEFT_ATTRIBUTE_SPACE, self->space};
  }
  self->outputs[GATED_FUSED] =
      (struct weft_port){.name = "fused", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->d},
                         .n_attributes = digest ? 1 : 0, .attributes = &self->attribute};
  self->outputs[GATED_WEIGHTS] =
      (struct weft_port){.name = "weights", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->n}};
  self->outputs[GATED_QUALITY] =
      (struct weft_port){.name = "quality", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->n}};
  return WEFT_OK;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  if (config->n_inputs == 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "no input; expected `in: {NAME: ENCODER.tokens, ...}` with the names the "
                                              "model was trained on");
  struct gated *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  weft_status status = gated_model_read(self, host, setup, config);
  if (status == WEFT_OK)
    status = describe_outputs(self, setup, config->model_digest);
  if (status == WEFT_OK)
    *instance = self;
  else
    destroy(self);
  return status;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct gated *self = instance;
  *out = (struct weft_ports){self->outputs, GATED_N_OUTPUTS};
  return WEFT_OK;
}

static uint64_t align(uint64_t n_bytes)
{
  return (n_bytes + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

/* Scratch: of each modality h [slots, d] and g [slots]; one item's log q [n]; then the run. */
static uint64_t values_bytes(const struct gated *self, const struct modality *modality)
{
  return align((uint64_t)(modality->n_slots_max * self->d) * sizeof(float));
}

static uint64_t gates_bytes(const struct modality *modality)
{
  return align((uint64_t)modality->n_slots_max * sizeof(float));
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct gated *self = instance;
  uint64_t most = 0, kept = align(self->n * sizeof(double));
  for (uint32_t i = 0; i < self->n; i++) {
    struct modality *modality = &self->modalities[i];
    modality->n_slots_max = limits->n_items;
    modality->n_rows_max = limits->n_rows[i];
    int64_t rows[2] = {modality->n_rows_max, modality->n_rows_max};
    struct weft_compute_limits inside = {modality->n_slots_max, rows};
    uint64_t run = 0;
    weft_status status = self->compute->scratch(modality->program, &inside, &run);
    if (status != WEFT_OK)
      return host->fail(setup, status, "no scratch can be planned for %lld tokens of '%s'", (long long)limits->n_rows[i],
                        modality->key);
    most = run > most ? run : most;
    kept += values_bytes(self, modality) + gates_bytes(modality);
  }
  *n_scratch_bytes = kept + most;
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

struct failing {
  struct weft_call *call;
  uint32_t input;
};

/* The provider counts slots; the item is the one that names it. */
static void slot_failed(void *data, uint32_t slot, weft_status status, const char *message)
{
  struct failing *f = data;
  const int32_t *slots = f->call->inputs[f->input]->slots;
  for (uint32_t i = 0; i < f->call->n_items; i++)
    if ((slots ? slots[i] : (int64_t)i) == (int64_t)slot && f->call->item_status[i] == WEFT_OK)
      host->fail_item(f->call, i, status, "%s", message);
}

static weft_status run_modality(const struct gated *self, struct weft_call *call, uint32_t i, float *values,
                                float *gates, char *rest)
{
  const struct modality *modality = &self->modalities[i];
  const struct weft_tensor *tokens = call->inputs[i];
  struct failing failing = {call, i};
  if (tokens->n_slots > modality->n_slots_max || tokens->dims[0] > modality->n_rows_max)
    return host->fail_call(call, WEFT_CONTRACT, "'%s' has %lld slots with %lld tokens, at most %lld and %lld were "
                                                "announced", modality->key, (long long)tokens->n_slots,
                           (long long)tokens->dims[0], (long long)modality->n_slots_max,
                           (long long)modality->n_rows_max);
  struct weft_compute_input inputs[2] = {{tokens->splits[0], 0}, {tokens->data, tokens->dims[0]}};
  struct weft_compute_output outputs[2] = {{.data = values, .n_rows_max = modality->n_slots_max},
                                           {.data = gates, .n_rows_max = modality->n_slots_max}};
  struct weft_compute_run run = {.n_items = (uint32_t)tokens->n_slots, .n_inputs = 2, .n_outputs = 2,
                                 .inputs = inputs, .outputs = outputs, .scratch = rest,
                                 .n_scratch_bytes = call->n_scratch_bytes - (uint64_t)(rest - (char *)call->scratch),
                                 .cancel = call->cancel, .fail_item = slot_failed, .fail_data = &failing};
  weft_status status = self->compute->run(modality->program, &run);
  if (status != WEFT_OK && status != WEFT_CANCELLED)
    host->fail_call(call, status, "the compute provider refused the tokens of '%s'", modality->key);
  return status;
}

/* Where the results of modality i lie in the scratch. */
static float *values_at(const struct gated *self, const struct weft_call *call, uint32_t i)
{
  char *at = (char *)call->scratch + align(self->n * sizeof(double));
  for (uint32_t k = 0; k < i; k++)
    at += values_bytes(self, &self->modalities[k]) + gates_bytes(&self->modalities[k]);
  return (float *)at;
}

static float *gates_at(const struct gated *self, const struct weft_call *call, uint32_t i)
{
  return (float *)((char *)values_at(self, call, i) + values_bytes(self, &self->modalities[i]));
}

/* log sigmoid(g), exact where sigmoid underflows or is 1 */
static double log_sigmoid(double g)
{
  return g < 0 ? g - log1p(exp(g)) : -log1p(exp(-g));
}

/* Writes one item. log_q: [n] */
static void combine(const struct gated *self, struct weft_call *call, uint32_t item, double *log_q)
{
  struct weft_output *fused = &call->outputs[GATED_FUSED], *weights = &call->outputs[GATED_WEIGHTS];
  struct weft_output *quality = &call->outputs[GATED_QUALITY];
  float *sum = fused->wanted ? (float *)fused->tensor.data + item * self->d : NULL;
  double top = -INFINITY, total = 0;
  for (int64_t k = 0; sum && k < self->d; k++)
    sum[k] = 0;
  for (uint32_t i = 0; i < self->n; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[i], item);
    log_q[i] = -INFINITY;
    if (!rows.present)
      continue;
    const int32_t *slots = call->inputs[i]->slots;
    int64_t slot = slots ? slots[item] : (int64_t)item;
    log_q[i] = log_sigmoid(gates_at(self, call, i)[slot]);
    if (isnan(log_q[i]))
      host->fail_item(call, item, WEFT_BAD_INPUT, "the tokens of '%s' are not finite", self->modalities[i].key);
    top = log_q[i] > top ? log_q[i] : top;
    const float *h = values_at(self, call, i) + slot * self->d;
    float q = (float)exp(log_q[i]);
    for (int64_t k = 0; sum && k < self->d; k++)
      sum[k] += q * h[k];
  }
  for (uint32_t i = 0; i < self->n; i++)
    total += top > -INFINITY ? exp(log_q[i] - top) : 0;
  for (uint32_t i = 0; i < self->n; i++) {
    if (weights->wanted)
      ((float *)weights->tensor.data)[item * self->n + i] = total > 0 ? (float)(exp(log_q[i] - top) / total) : 0;
    if (quality->wanted)
      ((float *)quality->tensor.data)[item * self->n + i] = (float)exp(log_q[i]);
  }
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct gated *self = instance;
  char *rest = (char *)values_at(self, call, self->n);
  for (uint32_t i = 0; i < self->n; i++) {
    weft_status status = run_modality(self, call, i, values_at(self, call, i), gates_at(self, call, i), rest);
    if (status != WEFT_OK)
      return status;
  }
  for (uint32_t item = 0; item < call->n_items; item++)
    combine(self, call, item, call->scratch);
  return WEFT_OK;
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "gated") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
