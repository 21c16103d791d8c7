/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classifier: probabilities = softmax((W x + b) / T). The temperature T makes
 * the probabilities honest (Guo et al. 2017, "On calibration of modern neural
 * networks", section 4.2); it changes no label.
 */
#include <labels.h>
#include <model.h>
#include <weft/entry.h>
#include <weft/head.h>
#include <weft/manifest.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most classes, so that a broken id2label ends before memory does. */
#define MAX_CLASSES 65536

enum { N_OUTPUTS = WEFT_ANSWER_PROBABILITIES + 1 };

struct classifier {
  const struct weft_compute *compute;
  struct weft_program *program;
  struct weft_labels labels;
  int64_t d;
  double temperature;
  int64_t n_slots_max; /* of the input, since activate */
  struct weft_rows_term label_rows;
  struct weft_attribute labels_attribute;
  struct weft_port outputs[N_OUTPUTS];
};

static const struct weft_host *host;
static const char *const architectures[] = {"WeftClassifier", NULL};

static void destroy(void *instance)
{
  struct classifier *self = instance;
  if (!self)
    return;
  if (self->compute)
    self->compute->free(self->program);
  weft_labels_clear(&self->labels);
  free(self);
}

/* id2label: {"0": "cat", "1": "dog"}, every id from 0 on. */
static void read_labels(struct classifier *self, struct weft_nn_model *m)
{
  char key[64], message[WEFT_MESSAGE_BYTES];
  int64_t n = m->status == WEFT_OK ? weft_json_count(m->config, "id2label") : -1;
  if (m->status == WEFT_OK && (n < 1 || n > MAX_CLASSES))
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "config.json: id2label must name 1 to %d classes, such as {\"0\": \"no\", "
                                           "\"1\": \"yes\"}; found %lld", MAX_CLASSES, (long long)(n < 0 ? 0 : n));
  const char **names = m->status == WEFT_OK ? calloc((size_t)n, sizeof *names) : NULL;
  if (!names) {
    weft_nn_model_fail(m, WEFT_NO_MEMORY, "no memory for the labels");
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    snprintf(key, sizeof key, "id2label.%lld", (long long)i);
    names[i] = weft_json_text(m->config, key);
  }
  if (weft_nn_model_check(m, m->config) == WEFT_OK) {
    weft_status status = weft_labels_copy(names, (uint32_t)n, &self->labels, message);
    if (status != WEFT_OK)
      weft_nn_model_fail(m, status, "config.json: id2label: %s", message);
  }
  free(names);
}

static void check_input(const struct classifier *self, struct weft_nn_model *m, const struct weft_config *config)
{
  const char *space = m->status == WEFT_OK ? weft_json_text_or(m->config, "space", NULL) : NULL;
  if (m->status == WEFT_OK && weft_nn_model_check(m, m->config) == WEFT_OK)
    weft_nn_model_take(m, config, 0, self->d, space);
}

static weft_status read_model(struct classifier *self, struct weft_setup *setup, const struct weft_config *config)
{
  struct weft_nn_model m;
  self->compute = weft_nn_compute(host, setup);
  if (!self->compute)
    return WEFT_UNAVAILABLE;
  weft_nn_model_open(&m, host, setup, config, "classifier", architectures);
  read_labels(self, &m);
  self->d = weft_nn_model_dim(&m, 1, "weight");
  check_input(self, &m, config);
  int64_t n = self->labels.n;
  weft_value w = weft_nn_model_weight(&m, 2, (int64_t[]){n, self->d}, "weight");
  weft_value b = weft_nn_model_weight(&m, 1, &n, "bias");
  if (m.status == WEFT_OK) {
    self->temperature = weft_json_number_or(m.config, "temperature", 1, 1e-3, 1e3);
    weft_value x = weft_nn_input(m.plan, "features", weft_f32(), WEFT_NO_VALUE, self->d);
    weft_nn_output(m.plan, weft_nn_linear(m.plan, x, w, b, WEFT_ACT_NONE, WEFT_NO_VALUE));
  }
  weft_status status = weft_nn_model_compile(&m, self->compute, &self->program);
  weft_nn_model_close(&m);
  return status;
}

static void describe_outputs(struct classifier *self)
{
  self->label_rows = (struct weft_rows_term){-1, WEFT_COUNT_ITEMS, self->labels.n_longest_bytes};
  self->labels_attribute = (struct weft_attribute){WEFT_ATTRIBUTE_LABELS, self->labels.json};
  self->outputs[WEFT_ANSWER_LABEL] =
      (struct weft_port){.name = "label", .dtype = weft_u8(), .rank = 1, .dims = {-1}, .n_split_levels = 1,
                         .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 1, .terms = &self->label_rows};
  self->outputs[WEFT_ANSWER_PROBABILITY] =
      (struct weft_port){.name = "probability", .dtype = weft_f32(), .rank = 1, .dims = {-1}};
  self->outputs[WEFT_ANSWER_PROBABILITIES] =
      (struct weft_port){.name = "probabilities", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->labels.n},
                         .n_attributes = 1, .attributes = &self->labels_attribute};
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  if (config->n_inputs != 1)
    return host->fail(setup, WEFT_BAD_CONFIG, "`features` is not connected; expected `in: FUSION` or `in: ENCODER.pooled`");
  struct classifier *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  weft_status status = read_model(self, setup, config);
  if (status != WEFT_OK) {
    destroy(self);
    return status;
  }
  describe_outputs(self);
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  struct classifier *self = instance;
  *out = (struct weft_ports){self->outputs, N_OUTPUTS};
  return WEFT_OK;
}

/* Scratch: logits [slots, n], one row of them in f64, then the run. */
static uint64_t logits_bytes(const struct classifier *self, int64_t n_slots)
{
  return ((uint64_t)n_slots * self->labels.n * sizeof(float) + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

static uint64_t row_bytes(const struct classifier *self)
{
  return (self->labels.n * sizeof(double) + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct classifier *self = instance;
  self->n_slots_max = limits->n_rows[0] > limits->n_items ? limits->n_rows[0] : limits->n_items;
  struct weft_compute_limits inside = {self->n_slots_max, &self->n_slots_max};
  uint64_t run = 0;
  weft_status status = self->compute->scratch(self->program, &inside, &run);
  if (status != WEFT_OK)
    return host->fail(setup, status, "no scratch can be planned for %lld items", (long long)self->n_slots_max);
  *n_scratch_bytes = logits_bytes(self, self->n_slots_max) + row_bytes(self) + run;
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static weft_status run(const struct classifier *self, struct weft_call *call, float *logits, char *scratch)
{
  const struct weft_tensor *features = call->inputs[0];
  struct weft_compute_input input = {features->data, features->dims[0]};
  struct weft_compute_output output = {.data = logits, .n_rows_max = self->n_slots_max};
  struct weft_compute_run r = {.n_items = (uint32_t)features->dims[0], .n_inputs = 1, .n_outputs = 1,
                               .inputs = &input, .outputs = &output, .scratch = scratch,
                               .n_scratch_bytes = call->n_scratch_bytes - (uint64_t)(scratch - (char *)call->scratch),
                               .cancel = call->cancel};
  if (features->dims[0] > self->n_slots_max)
    return host->fail_call(call, WEFT_CONTRACT, "%lld rows of features in a call, at most %lld were announced",
                           (long long)features->dims[0], (long long)self->n_slots_max);
  weft_status status = self->compute->run(self->program, &r);
  if (status != WEFT_OK && status != WEFT_CANCELLED)
    host->fail_call(call, status, "the compute provider refused a run of %u items", r.n_items);
  return status;
}

/* One item's logits divided by the temperature into row [n]; 0: it has none that mean anything. */
static int scale(const struct classifier *self, const struct weft_call *call, uint32_t item, const float *logits,
                 double *row)
{
  struct weft_rows rows = weft_rows_of(call->inputs[0], item);
  if (!rows.present)
    return 0;
  for (uint32_t c = 0; c < self->labels.n; c++) {
    row[c] = logits[rows.begin * self->labels.n + c] / self->temperature;
    if (!isfinite(row[c])) {
      host->fail_item(call, item, WEFT_BAD_INPUT, "the features lead to a logit of %f for the class '%.64s'; they are "
                                                  "not finite, or beyond what a float holds", row[c],
                      self->labels.names[c]);
      return 0;
    }
  }
  return 1;
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct classifier *self = instance;
  float *logits = call->scratch;
  double *row = (double *)((char *)call->scratch + logits_bytes(self, self->n_slots_max));
  weft_status status = run(self, call, logits, (char *)row + row_bytes(self));
  if (status != WEFT_OK)
    return status;
  for (uint32_t i = 0; i < call->n_items; i++)
    weft_labels_answer(&self->labels, call, i, scale(self, call, i, logits, row) ? row : NULL);
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
  return strcmp(id, "classifier") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
