/* SPDX-License-Identifier: Apache-2.0 */
#include "gated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/manifest.h>

/* Most modalities of a model, and the widest of them. */
#define MAX_INPUTS 64
#define MAX_WIDTH 65536
/* Longest name compared when one is looked for that resembles another. */
#define MAX_COMPARED 63

static const char *const architectures[] = {"WeftGatedFusion", NULL};

static const char *trained_name(struct weft_nn_model *m, int64_t i)
{
  char key[64];
  snprintf(key, sizeof key, "inputs.%lld.name", (long long)i);
  const char *name = weft_json_text(m->config, key);
  return name ? name : "";
}

/* Edits that turn a into b; names longer than MAX_COMPARED resemble nothing. */
static size_t edits_between(const char *a, const char *b)
{
  size_t row[MAX_COMPARED + 1], n_a = strlen(a), n_b = strlen(b);
  if (n_a > MAX_COMPARED || n_b > MAX_COMPARED)
    return SIZE_MAX;
  for (size_t j = 0; j <= n_b; j++)
    row[j] = j;
  for (size_t i = 1; i <= n_a; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n_b; j++) {
      size_t change = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      size_t add = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      row[j] = change < add ? change : add;
    }
  }
  return row[n_b];
}

/* "picture, speech; did you mean 'speech'?" */
static void fail_unknown(struct weft_nn_model *m, uint32_t input, const char *key, int64_t n_trained)
{
  char names[256] = "";
  const char *closest = "";
  size_t used = 0, least = strlen(key) / 2 + 1;
  for (int64_t i = 0; i < n_trained; i++) {
    const char *name = trained_name(m, i);
    size_t edits = edits_between(key, name);
    if (edits < least) {
      least = edits;
      closest = name;
    }
    int n = snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    used = n < 0 || used + (size_t)n >= sizeof names ? sizeof names - 1 : used + (size_t)n;
  }
  m->host->takes(m->setup, input, NULL);
  weft_nn_model_fail(m, WEFT_BAD_CONFIG, "input '%.64s' is none that the model was trained on (%s)%s%s%s", key, names,
                     *closest ? "; did you mean '" : "", closest, *closest ? "'?" : "");
}

/* Width and embedding space of a bound input against what config.json says of it. */
static void check_input(struct weft_nn_model *m, const struct weft_config *config, uint32_t input, int64_t trained)
{
  char key[64];
  snprintf(key, sizeof key, "inputs.%lld.d", (long long)trained);
  int64_t d = weft_json_int(m->config, key, 1, MAX_WIDTH);
  snprintf(key, sizeof key, "inputs.%lld.space", (long long)trained);
  const char *space = weft_json_text_or(m->config, key, NULL);
  if (weft_nn_model_check(m, m->config) == WEFT_OK)
    weft_nn_model_take(m, config, input, d, space);
}

/* act(p) -> gelu -> linear under NAME1, NAME2 */
static weft_value record_perceptron(struct weft_nn_model *m, weft_value p, const char *key, const char *part,
                                    const int64_t widths[3])
{
  char name[WEFT_NN_NAME_BYTES];
  snprintf(name, sizeof name, "inputs.%s.%s1", key, part);
  struct weft_nn_dense first = {widths[0], widths[1], 1, WEFT_ACT_GELU, WEFT_NO_VALUE};
  weft_value hidden = weft_nn_model_dense(m, p, &first, name);
  snprintf(name, sizeof name, "inputs.%s.%s2", key, part);
  struct weft_nn_dense second = {widths[1], widths[2], 1, WEFT_ACT_NONE, WEFT_NO_VALUE};
  return weft_nn_model_dense(m, hidden, &second, name);
}

static weft_status compile_modality(struct gated *gated, const struct weft_host *host, struct weft_setup *setup,
                                    const struct weft_config *config, uint32_t input)
{
  struct weft_nn_model m;
  const struct weft_port *port = &config->inputs[input];
  int64_t n_trained = 0, trained = -1, d = port->dims[1];
  weft_nn_model_open(&m, host, setup, config, "gated", architectures);
  if (m.status == WEFT_OK) {
    n_trained = weft_json_count(m.config, "inputs");
    gated->d = weft_json_int(m.config, "d_model", 1, MAX_WIDTH);
  }
  if (n_trained < 1 || n_trained > MAX_INPUTS)
    weft_nn_model_fail(&m, WEFT_BAD_CONFIG, "config.json: `inputs` must list 1 to %d trained inputs, found %lld",
                       MAX_INPUTS, (long long)(n_trained < 0 ? 0 : n_trained));
  int64_t d_hidden = m.status == WEFT_OK ? weft_json_int(m.config, "d_hidden", 1, MAX_WIDTH) : 0;
  for (int64_t i = 0; i < n_trained && trained < 0 && m.status == WEFT_OK; i++)
    trained = strcmp(trained_name(&m, i), port->key) == 0 ? i : -1;
  if (m.status == WEFT_OK && weft_nn_model_check(&m, m.config) == WEFT_OK) {
    if (trained < 0)
      fail_unknown(&m, input, port->key, n_trained);
    else
      check_input(&m, config, input, trained);
  }
  weft_value score = weft_nn_model_weight(&m, 1, &d, "inputs.%s.score.weight", port->key);
  if (m.status == WEFT_OK) {
    weft_value splits = weft_nn_input_splits(m.plan, port->key);
    weft_value tokens = weft_nn_input(m.plan, "tokens", weft_f32(), splits, d);
    weft_value p = weft_nn_attention_pool(m.plan, tokens, score);
    weft_nn_output(m.plan, record_perceptron(&m, p, port->key, "value", (int64_t[]){d, d_hidden, gated->d}));
    weft_nn_output(m.plan, record_perceptron(&m, p, port->key, "gate", (int64_t[]){d, d_hidden, 1}));
  }
  weft_status status = weft_nn_model_compile(&m, gated->compute, &gated->modalities[input].program);
  weft_nn_model_close(&m);
  return status;
}

weft_status gated_model_read(struct gated *gated, const struct weft_host *host, struct weft_setup *setup,
                             const struct weft_config *config)
{
  gated->compute = weft_nn_compute(host, setup);
  if (!gated->compute)
    return WEFT_UNAVAILABLE;
  gated->modalities = calloc(config->n_inputs, sizeof *gated->modalities);
  if (!gated->modalities)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the inputs");
  gated->n = config->n_inputs;
  for (uint32_t i = 0; i < gated->n; i++) {
    gated->modalities[i].key = strdup(config->inputs[i].key);
    if (!gated->modalities[i].key)
      return host->fail(setup, WEFT_NO_MEMORY, "no memory for the inputs");
    weft_status status = compile_modality(gated, host, setup, config, i);
    if (status != WEFT_OK)
      return status;
  }
  return WEFT_OK;
}
