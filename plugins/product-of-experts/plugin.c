/* SPDX-License-Identifier: Apache-2.0 */
/*
 * product-of-experts: p(class) ~ product over the present inputs of p_m(class),
 * in logarithms (Hinton, "Training products of experts by minimizing
 * contrastive divergence", 2002, section 1, without training).
 */
#include <labels.h>
#include <weft/entry.h>
#include <weft/fusion.h>
#include <weft/head.h>
#include <weft/manifest.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a probability of 0 counts as: no expert alone can make a class impossible for good. */
#define SMALLEST_PROBABILITY 1e-30

enum { WEIGHTS = WEFT_ANSWER_PROBABILITIES + 1, N_OUTPUTS };

struct product {
  struct weft_labels labels;
  double temperature;
  uint32_t n_inputs;
  char **keys; /* [n_inputs] */
  struct weft_rows_term label_rows;
  struct weft_attribute labels_attribute;
  struct weft_port outputs[N_OUTPUTS];
};

static const struct weft_host *host;

static void destroy(void *instance)
{
  struct product *self = instance;
  if (!self)
    return;
  for (uint32_t m = 0; self->keys && m < self->n_inputs; m++)
    free(self->keys[m]);
  free(self->keys);
  weft_labels_clear(&self->labels);
  free(self);
}

/* Says that it takes classes as the first input names them (NULL: none are known). Answers WEFT_BAD_CONFIG. */
static weft_status refuse(struct weft_setup *setup, const struct weft_config *config, uint32_t m,
                          const struct weft_labels *labels)
{
  struct weft_port takes = config->inputs[m];
  struct weft_attribute attribute = {WEFT_ATTRIBUTE_LABELS, labels ? labels->json : NULL};
  takes.dims[1] = labels ? (int64_t)labels->n : -1;
  takes.n_attributes = labels != NULL;
  takes.attributes = &attribute;
  host->takes(setup, m, &takes);
  return WEFT_BAD_CONFIG;
}

/* Class i must be the same class for every expert. */
static weft_status check_input(struct weft_setup *setup, const struct weft_config *config, uint32_t m,
                               struct product *self)
{
  const struct weft_port *port = &config->inputs[m], *first = &config->inputs[0];
  const char *json = weft_attribute_find(port, WEFT_ATTRIBUTE_LABELS);
  char message[WEFT_MESSAGE_BYTES];
  struct weft_labels labels;
  if (!json)
    return host->fail(setup, refuse(setup, config, m, m ? &self->labels : NULL),
                      "input '%s': whoever gives it names no labels, so that its classes cannot be matched with those "
                      "of the others; connect the output 'probabilities' of a head",
                      port->key);
  weft_status status = weft_labels_parse(json, &labels, message);
  if (status != WEFT_OK)
    return host->fail(setup, status, "input '%s': %s", port->key, message);
  if (m == 0) {
    self->labels = labels;
  } else {
    if (strcmp(labels.json, self->labels.json) != 0)
      status = host->fail(setup, refuse(setup, config, m, &self->labels),
                          "inputs '%s' and '%s' answer with different labels: %.180s and %.180s; a product needs the "
                          "same labels in the same order",
                          first->key, port->key, self->labels.json, labels.json);
    weft_labels_clear(&labels);
  }
  if (status == WEFT_OK && port->dims[1] != (int64_t)self->labels.n)
    status = host->fail(setup, refuse(setup, config, m, &self->labels),
                        "input '%s' has %lld probabilities an item but names %u labels", port->key,
                        (long long)port->dims[1], self->labels.n);
  return status;
}

static void describe_outputs(struct product *self)
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
  self->outputs[WEIGHTS] =
      (struct weft_port){.name = "weights", .dtype = weft_f32(), .rank = 2, .dims = {-1, self->n_inputs}};
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  if (config->n_inputs == 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "no input; expected `in: {NAME: HEAD.probabilities, ...}`");
  struct product *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  const struct weft_parameter *temperature = weft_parameter_find(config, "temperature");
  self->temperature = temperature ? temperature->number : 1;
  self->n_inputs = config->n_inputs;
  self->keys = calloc(config->n_inputs, sizeof *self->keys);
  weft_status status = self->keys ? WEFT_OK : host->fail(setup, WEFT_NO_MEMORY, "no memory for the inputs");
  for (uint32_t m = 0; m < config->n_inputs && status == WEFT_OK; m++) {
    self->keys[m] = strdup(config->inputs[m].key);
    if (!self->keys[m])
      status = host->fail(setup, WEFT_NO_MEMORY, "no memory for the inputs");
    else
      status = check_input(setup, config, m, self);
  }
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
  struct product *self = instance;
  *out = (struct weft_ports){self->outputs, N_OUTPUTS};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct product *self = instance;
  *n_scratch_bytes = self->labels.n * sizeof(double);
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

/* Adds log p of one expert; 0 where it is not a probability. */
static int add_expert(const float *p, uint32_t n, double *sum)
{
  for (uint32_t c = 0; c < n; c++) {
    if (!(p[c] >= 0 && p[c] <= 1.001f))
      return 0;
    sum[c] += log(p[c] > SMALLEST_PROBABILITY ? p[c] : SMALLEST_PROBABILITY);
  }
  return 1;
}

/* The summed logarithms of one item, or NULL where an expert answered something else than probabilities. */
static double *add_experts(const struct product *self, const struct weft_call *call, uint32_t item, uint32_t *n_present)
{
  double *sum = memset(call->scratch, 0, self->labels.n * sizeof(double));
  *n_present = 0;
  for (uint32_t m = 0; m < self->n_inputs; m++) {
    struct weft_rows rows = weft_rows_of(call->inputs[m], item);
    if (!rows.present)
      continue;
    const float *p = (const float *)call->inputs[m]->data + rows.begin * self->labels.n;
    if (!add_expert(p, self->labels.n, sum)) {
      host->fail_item(call, item, WEFT_BAD_INPUT, "input '%s' holds a value that is no probability (expected 0..1)",
                      self->keys[m]);
      return NULL;
    }
    ++*n_present;
  }
  for (uint32_t c = 0; c < self->labels.n; c++)
    sum[c] /= self->temperature;
  return *n_present ? sum : NULL;
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct product *self = instance;
  struct weft_output *weights = &call->outputs[WEIGHTS];
  for (uint32_t i = 0; i < call->n_items; i++) {
    uint32_t n_present;
    double *sum = add_experts(self, call, i, &n_present);
    weft_labels_answer(&self->labels, call, i, sum);
    for (uint32_t m = 0; weights->wanted && m < self->n_inputs; m++) {
      int present = sum && weft_rows_of(call->inputs[m], i).present;
      ((float *)weights->tensor.data)[(size_t)i * self->n_inputs + m] = present ? 1.0f / (float)n_present : 0;
    }
  }
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
  return strcmp(id, "product-of-experts") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
