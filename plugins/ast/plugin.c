/* SPDX-License-Identifier: Apache-2.0 */
#include "ast.h"

#include <stdlib.h>
#include <string.h>
#include <weft/encoder.h>
#include <weft/entry.h>

static const struct weft_host *host;

static void destroy(void *instance)
{
  struct ast *ast = instance;
  if (!ast)
    return;
  weft_nn_encoder_clear(&ast->encoder);
  weft_logmel_free(ast->mel);
  free(ast);
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  int samples = weft_input_find(config, "samples"), rate = weft_input_find(config, "samples.rate");
  if (samples < 0 || rate < 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "whoever gives the samples does not give their rate; expected the "
                                              "companion `samples.rate`, as audio readers have it");
  struct ast *ast = calloc(1, sizeof *ast);
  if (!ast)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  ast->samples = samples;
  ast->rate = rate;
  weft_status status = ast_model_read(ast, host, setup, config);
  if (status == WEFT_OK)
    *instance = ast;
  else
    destroy(ast);
  return status;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  return weft_nn_encoder_ports(&((struct ast *)instance)->encoder, out);
}

static uint64_t features_bytes(const struct ast *ast)
{
  return (uint64_t)(ast->n_bins * ast->n_frames) * sizeof(float);
}

/* Scratch: the features of all items; then either what one spectrogram takes, or the run. */
static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct ast *ast = instance;
  uint64_t run = 0, mel = weft_logmel_scratch_bytes(ast->mel);
  weft_status status = weft_nn_encoder_scratch(&ast->encoder, setup, limits->n_items,
                                               limits->n_items * ast->encoder.shape.n_tokens, &run);
  if (status != WEFT_OK)
    return status;
  *n_scratch_bytes = weft_nn_align((uint64_t)limits->n_items * features_bytes(ast)) + (run > mel ? run : mel);
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static weft_status features_of(const struct ast *ast, const struct weft_call *call, uint32_t item, float *features,
                               void *scratch)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_rows rows = weft_rows_of(call->inputs[ast->samples], item);
  struct weft_rows at = weft_rows_of(call->inputs[ast->rate], item);
  if (!rows.present || !at.present)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "samples and their rate must come together");
  int32_t rate = ((const int32_t *)call->inputs[ast->rate]->data)[at.begin];
  if (rate != ast->rate_hz)
    return host->fail_item(call, item, WEFT_BAD_INPUT,
                           "the recording has %d samples per second, this model hears %lld; resample it first, such as "
                           "with `sox IN.wav -r %lld OUT.wav`",
                           rate, (long long)ast->rate_hz, (long long)ast->rate_hz);
  const float *samples = (const float *)call->inputs[ast->samples]->data + rows.begin;
  weft_status status = weft_logmel_run(ast->mel, samples, rows.end - rows.begin, features, scratch, message);
  return status == WEFT_OK ? WEFT_OK : host->fail_item(call, item, status, "%s", message);
}

static int32_t at_most(int64_t a, int64_t b)
{
  return (int32_t)(a < b ? a : b);
}

/* [tokens, 2] begin and end sample; the first two tokens have heard all of the clip, padding is empty. */
static void write_origin(const struct ast *ast, int64_t n_samples, int32_t *span)
{
  for (int i = 0; i < AST_N_SPECIAL; i++, span += 2) {
    span[0] = 0;
    span[1] = at_most(n_samples, INT32_MAX);
  }
  for (int64_t i = 0; i < ast->n_bands * ast->n_times; i++, span += 2) {
    int64_t begin = i % ast->n_times * ast->stride_frames * WEFT_LOGMEL_HOP;
    int64_t end = begin + (ast->patch - 1) * WEFT_LOGMEL_HOP + WEFT_LOGMEL_FRAME;
    span[0] = at_most(begin, n_samples);
    span[1] = at_most(end, n_samples);
  }
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct ast *ast = instance;
  const struct weft_output *origin = &call->outputs[WEFT_NN_ORIGIN];
  char *rest = (char *)call->scratch + weft_nn_align(call->n_items * features_bytes(ast));
  for (uint32_t i = 0; i < call->n_items; i++) {
    float *features = (float *)((char *)call->scratch + i * features_bytes(ast));
    struct weft_rows rows = weft_rows_of(call->inputs[ast->samples], i);
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    if (features_of(ast, call, i, features, rest) != WEFT_OK)
      memset(features, 0, features_bytes(ast));
    if (origin->wanted)
      write_origin(ast, rows.end - rows.begin,
                   (int32_t *)origin->tensor.data + i * 2 * ast->encoder.shape.n_tokens);
  }
  struct weft_nn_encoder_input input = {call->scratch, (int64_t)features_bytes(ast)};
  return weft_nn_encoder_run(&ast->encoder, call, &input, NULL, rest);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "ast") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
