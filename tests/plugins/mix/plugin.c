/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples = speech + g * sum of the others. Each other clip is repeated from a random start over the length of the
 * speech and scaled to a power of 1; g gives their sum the power that snr_db asks for.
 */
#include "../random.h"

#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>

#define N_OTHERS 3

enum { SAMPLES, RATE, N_OUTPUTS };

struct clip {
  int samples, rate; /* bound inputs, or -1 */
};

struct mix {
  double snr_db;
  struct clip speech, others[N_OTHERS];
  struct weft_rows_term rows;
  struct weft_attribute attribute;
  struct weft_port outputs[N_OUTPUTS];
};

static const struct weft_host *host;

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static const char *const names[N_OTHERS][2] = {{"n1", "n1.rate"}, {"n2", "n2.rate"}, {"n3", "n3.rate"}};
  int samples = weft_input_find(config, "speech"), rate = weft_input_find(config, "speech.rate");
  if (samples < 0 || rate < 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "mix: expected `in: {speech: AUDIO, n1: AUDIO, ...}` from audio readers");
  struct mix *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->snr_db = weft_parameter_find(config, "snr_db")->number;
  self->speech = (struct clip){samples, rate};
  for (int k = 0; k < N_OTHERS; k++)
    self->others[k] = (struct clip){weft_input_find(config, names[k][0]), weft_input_find(config, names[k][1])};
  self->rows = (struct weft_rows_term){samples, WEFT_COUNT_ROWS, 1};
  self->attribute = (struct weft_attribute){"modality", "audio"};
  self->outputs[SAMPLES] =
      (struct weft_port){.name = "samples", .dtype = weft_f32(), .rank = 2, .dims = {-1, 1}, .n_split_levels = 1,
                         .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1, .terms = &self->rows, .n_attributes = 1,
                         .attributes = &self->attribute};
  self->outputs[RATE] = (struct weft_port){.name = "samples.rate", .dtype = weft_i32(), .rank = 1, .dims = {-1}};
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct mix *)instance)->outputs, N_OUTPUTS};
  return WEFT_OK;
}

/* Scratch: the sum of the others of one item. */
static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  const struct mix *self = instance;
  *n_scratch_bytes = (uint64_t)limits->n_rows[self->speech.samples] * sizeof(double);
  return WEFT_OK;
}

static double power_of(const float *x, int64_t n, int64_t start, int64_t length)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += (double)x[(start + i) % length] * x[(start + i) % length];
  return n ? sum / (double)n : 0;
}

/* What the others of one item add up to. */
struct babble {
  double *sum; /* [n] */
  int64_t n;
  int32_t rate;
  uint64_t state;
};

/* Adds one other clip; answers 0 where its rate is not the speech's. */
static int add_other(const struct weft_call *call, const struct clip *clip, uint32_t item, struct babble *babble)
{
  if (clip->samples < 0 || clip->rate < 0)
    return 1;
  struct weft_rows rows = weft_rows_of(call->inputs[clip->samples], item);
  struct weft_rows at = weft_rows_of(call->inputs[clip->rate], item);
  int64_t length = rows.end - rows.begin;
  if (!rows.present || !at.present || length == 0)
    return 1;
  int32_t other = ((const int32_t *)call->inputs[clip->rate]->data)[at.begin];
  if (other != babble->rate) {
    host->fail_item(call, item, WEFT_BAD_INPUT, "mix: clips of %d and %d samples per second cannot be added",
                    babble->rate, other);
    return 0;
  }
  const float *x = (const float *)call->inputs[clip->samples]->data + rows.begin;
  int64_t start = (int64_t)(random_next(&babble->state) % (uint64_t)length);
  double scale = 1 / (sqrt(power_of(x, babble->n, start, length)) + 1e-9);
  for (int64_t i = 0; i < babble->n; i++)
    babble->sum[i] += x[(start + i) % length] * scale;
  return 1;
}

static void mix_item(const struct mix *self, struct weft_call *call, uint32_t item)
{
  const struct weft_tensor *samples = call->inputs[self->speech.samples];
  struct weft_rows from = weft_rows_of(samples, item), at = weft_rows_of(call->inputs[self->speech.rate], item);
  int64_t n = from.end - from.begin;
  double *sum = call->scratch, power = 0;
  if (!from.present || !at.present) {
    host->fail_item(call, item, WEFT_BAD_INPUT, "mix: no speech to add to");
    return;
  }
  int32_t rate = ((const int32_t *)call->inputs[self->speech.rate]->data)[at.begin];
  if (call->outputs[RATE].wanted)
    ((int32_t *)call->outputs[RATE].tensor.data)[item] = rate;
  if (!call->outputs[SAMPLES].wanted)
    return;
  struct babble babble = {memset(sum, 0, (size_t)n * sizeof *sum), n, rate, call->items[item].seed};
  for (int k = 0; k < N_OTHERS; k++)
    if (!add_other(call, &self->others[k], item, &babble))
      return;
  for (int64_t i = 0; i < n; i++)
    power += sum[i] * sum[i] / (double)n;
  const float *x = (const float *)samples->data + from.begin;
  float *y = (float *)call->outputs[SAMPLES].tensor.data + weft_rows_of(&call->outputs[SAMPLES].tensor, item).begin;
  double gain = power > 0 ? sqrt(power_of(x, n, 0, n) / power / pow(10, self->snr_db / 10)) : 0;
  for (int64_t i = 0; i < n; i++)
    y[i] = (float)(x[i] + gain * sum[i]);
}

static weft_status process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    mix_item(instance, call, i);
  }
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static void destroy(void *instance)
{
  free(instance);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "mix") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
