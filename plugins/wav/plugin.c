/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>
#include <weft/manifest.h>
#include <weft/reader.h>

#define SAMPLES 0
#define RATE 1

static const struct weft_host *host;

struct wav {
  int64_t max_duration_ms;
  struct weft_port outputs[2];
};

static const struct weft_attribute sample_attributes[] = {{WEFT_ATTRIBUTE_MODALITY, "audio"},
                                                          {WEFT_ATTRIBUTE_RANGE, "-1..1"}};

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct wav *wav = calloc(1, sizeof *wav);
  if (!wav)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  wav->max_duration_ms = weft_parameter_find(config, "max_duration")->integer;
  wav->outputs[SAMPLES] = (struct weft_port){.name = "samples", .dtype = weft_f32(), .rank = 2, .dims = {-1, 1},
                                             .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC,
                                             .attributes = sample_attributes,
                                             .n_attributes = sizeof sample_attributes / sizeof *sample_attributes};
  wav->outputs[RATE] = (struct weft_port){.name = "samples.rate", .dtype = weft_i32(), .rank = 1, .dims = {-1}};
  *instance = wav;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct wav *)instance)->outputs, 2};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = sizeof(float) * DECODE_BLOCK_FRAMES * DECODE_MAX_CHANNELS;
  return WEFT_OK;
}

/* Decodes behind the rows that are there already; *n_rows grows by the recording's. */
static weft_status read_samples(struct weft_call *call, struct decode *decode, int64_t *n_rows)
{
  struct weft_output *output = &call->outputs[SAMPLES];
  if (!output->wanted)
    return WEFT_OK;
  weft_status status = host->output_reserve(call, SAMPLES, *n_rows + decode->n_frames);
  if (status != WEFT_OK) {
    snprintf(decode->reason, sizeof decode->reason, "no room for the samples");
    return status;
  }
  status = decode_samples(decode, (float *)output->tensor.data + *n_rows, call->scratch, call->cancel);
  if (status == WEFT_OK)
    *n_rows += decode->n_frames;
  return status;
}

static weft_status read_item(const struct wav *wav, struct weft_call *call, uint32_t item, int64_t *n_rows)
{
  struct weft_rows rows = weft_rows_of(call->inputs[0], item);
  const uint8_t *bytes = rows.begin < rows.end ? (const uint8_t *)call->inputs[0]->data + rows.begin : NULL;
  struct decode decode = {0};
  weft_status status = decode_begin(&decode, bytes, (size_t)(rows.end - rows.begin), wav->max_duration_ms);
  if (status == WEFT_OK)
    status = read_samples(call, &decode, n_rows);
  decode_end(&decode);
  if (status == WEFT_CANCELLED)
    return status;
  if (status != WEFT_OK)
    host->fail_item(call, item, status, "%s", decode.reason);
  if (call->outputs[RATE].wanted)
    ((int32_t *)call->outputs[RATE].tensor.data)[item] = status == WEFT_OK ? decode.rate_hz : 0;
  return WEFT_OK;
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct weft_output *output = &call->outputs[SAMPLES];
  int64_t n_rows = 0;
  if (output->wanted)
    output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (weft_cancelled(call) || read_item(instance, call, i, &n_rows) == WEFT_CANCELLED)
      return WEFT_CANCELLED;
    if (output->wanted)
      output->splits[0][i + 1] = n_rows;
  }
  output->tensor.dims[0] = n_rows;
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
  return strcmp(id, "wav") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
