/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture encoder with a head of its own, in one file: the picture is cut
 * into 7 x 7 zones, the mean ink of each is its embedding, and a softmax
 * regression over them names the digit. Weights: weights.h.
 */
#include "weights.h"
#include <math.h>
#include <string.h>
#include <weft/encoder.h>
#include <weft/entry.h>
#include <weft/manifest.h>

#define ZONES 7
#define N_ZONES (ZONES * ZONES)
#define N_DIGITS 10

enum { IN_PIXELS, IN_SIZE };
enum { OUT_TOKENS, OUT_POOLED, OUT_PROBABILITIES };

static const struct weft_host *host;

struct zones {
  float temperature;
};

static weft_status zones_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct zones *zones = host->alloc(sizeof *zones);
  if (!zones)
    return host->fail(setup, WEFT_NO_MEMORY, "zones: no memory for an instance");
  zones->temperature = (float)weft_parameter_find(config, "temperature")->number;
  *instance = zones;
  return WEFT_OK;
}

static weft_status zones_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_rows_term seven_an_item = {-1, WEFT_COUNT_ITEMS, ZONES};
  static const struct weft_attribute tokens_space = {WEFT_ATTRIBUTE_SPACE, "zones-1/tokens"};
  static const struct weft_attribute pooled_space = {WEFT_ATTRIBUTE_SPACE, "zones-1/pooled"};
  static const struct weft_attribute labels = {WEFT_ATTRIBUTE_LABELS,
                                               "[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]"};
  static struct weft_port ports[3];
  (void)instance, (void)setup;
  for (int i = 0; i < 3; i++) {
    ports[i].dtype = weft_f32();
    ports[i].rank = 2;
    ports[i].dims[0] = -1;
    ports[i].n_attributes = 1;
  }
  ports[OUT_TOKENS].name = "tokens";
  ports[OUT_TOKENS].dims[1] = ZONES;
  ports[OUT_TOKENS].n_split_levels = 1;
  ports[OUT_TOKENS].rows_kind = WEFT_ROWS_EXACT;
  ports[OUT_TOKENS].n_terms = 1;
  ports[OUT_TOKENS].terms = &seven_an_item;
  ports[OUT_TOKENS].attributes = &tokens_space;
  ports[OUT_POOLED].name = "pooled";
  ports[OUT_POOLED].dims[1] = N_ZONES;
  ports[OUT_POOLED].attributes = &pooled_space;
  ports[OUT_PROBABILITIES].name = "probabilities";
  ports[OUT_PROBABILITIES].dims[1] = N_DIGITS;
  ports[OUT_PROBABILITIES].attributes = &labels;
  out->outputs = ports;
  out->n_outputs = 3;
  return WEFT_OK;
}

static weft_status zones_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                  uint64_t *n_scratch_bytes)
{
  (void)instance, (void)setup, (void)limits;
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

/* The mean ink of each zone, 0..1; dark ink on a bright ground is turned over, so that ink is what is rare. */
static void mean_ink(const uint8_t *rgb, int height, int width, float *ink)
{
  double total = 0;
  for (int zone = 0; zone < N_ZONES; zone++) {
    int top = zone / ZONES * height / ZONES, bottom = (zone / ZONES + 1) * height / ZONES;
    int left = zone % ZONES * width / ZONES, right = (zone % ZONES + 1) * width / ZONES;
    double sum = 0;
    for (int y = top; y < bottom; y++)
      for (int x = left; x < right; x++)
        sum += rgb[3 * (y * width + x)] + rgb[3 * (y * width + x) + 1] + rgb[3 * (y * width + x) + 2];
    ink[zone] = (float)(sum / (765.0 * (bottom - top) * (right - left)));
    total += ink[zone];
  }
  for (int zone = 0; zone < N_ZONES && total > N_ZONES / 2.0; zone++)
    ink[zone] = 1 - ink[zone];
}

static void classify(const float *ink, float temperature, float *probabilities)
{
  float most = -INFINITY, sum = 0;
  for (int digit = 0; digit < N_DIGITS; digit++) {
    float logit = digit_weights[digit][N_ZONES] / 10.0f;
    for (int zone = 0; zone < N_ZONES; zone++)
      logit += digit_weights[digit][zone] / 10.0f * ink[zone];
    probabilities[digit] = logit / temperature;
    most = fmaxf(most, probabilities[digit]);
  }
  for (int digit = 0; digit < N_DIGITS; digit++)
    sum += probabilities[digit] = expf(probabilities[digit] - most);
  for (int digit = 0; digit < N_DIGITS; digit++)
    probabilities[digit] /= sum;
}

static weft_status zones_process(void *instance, struct weft_call *call)
{
  const struct zones *zones = instance;
  const struct weft_tensor *pixels = call->inputs[IN_PIXELS], *sizes = call->inputs[IN_SIZE];
  struct weft_tensor *tokens = &call->outputs[OUT_TOKENS].tensor;
  float *pooled = call->outputs[OUT_POOLED].tensor.data, *probabilities = call->outputs[OUT_PROBABILITIES].tensor.data;
  for (uint32_t item = 0; item < call->n_items; item++) {
    struct weft_rows rows = weft_rows_of(pixels, item);
    const int32_t *size = (const int32_t *)sizes->data + 2 * weft_rows_of(sizes, item).begin;
    float ink[N_ZONES] = {0}, shares[N_DIGITS] = {0};
    if (size[0] < ZONES || size[1] < ZONES || (int64_t)size[0] * size[1] != rows.end - rows.begin) {
      host->fail_item(call, item, WEFT_BAD_INPUT, "a picture of %d x %d pixels; zones needs at least %d x %d", size[1],
                      size[0], ZONES, ZONES);
    } else {
      mean_ink((const uint8_t *)pixels->data + 3 * rows.begin, size[0], size[1], ink);
      classify(ink, zones->temperature, shares);
    }
    if (call->outputs[OUT_TOKENS].wanted)
      memcpy((float *)tokens->data + item * N_ZONES, ink, sizeof ink);
    if (call->outputs[OUT_POOLED].wanted)
      memcpy(pooled + item * N_ZONES, ink, sizeof ink);
    if (call->outputs[OUT_PROBABILITIES].wanted)
      memcpy(probabilities + item * N_DIGITS, shares, sizeof shares);
  }
  return WEFT_OK;
}

static void zones_deactivate(void *instance) { (void)instance; }
static void zones_destroy(void *instance) { host->free(instance); }

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  static const struct weft_node node = {sizeof node,    0,             zones_create,     zones_ports,
                                        zones_activate, zones_process, zones_deactivate, zones_destroy};
  return strcmp(id, "zones") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {sizeof weft_entry, WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0,
                                                  init, NULL, get_node, NULL};
