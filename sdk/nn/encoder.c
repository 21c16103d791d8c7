/* SPDX-License-Identifier: Apache-2.0 */
#include "encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Outputs of the plan behind its n_layers + 1 layers. */
static uint32_t n_plan_outputs(const struct weft_nn_encoder *e)
{
  return (uint32_t)e->shape.n_layers + 3;
}

static void describe(struct weft_nn_encoder *e)
{
  const struct weft_nn_encoder_shape *s = &e->shape;
  uint32_t kind = s->ragged ? WEFT_ROWS_BOUNDED : WEFT_ROWS_EXACT, n_spaces = s->digest ? 1 : 0;
  e->terms[0] = (struct weft_rows_term){-1, WEFT_COUNT_ITEMS, s->n_tokens};
  e->terms[1] = (struct weft_rows_term){-1, WEFT_COUNT_ITEMS, s->n_tokens * (s->n_layers + 1)};
  e->outputs[WEFT_NN_TOKENS] =
      (struct weft_port){.name = "tokens", .dtype = weft_f32(), .rank = 2, .dims = {-1, s->d_model},
                         .n_split_levels = 1, .rows_kind = kind, .n_terms = 1, .terms = &e->terms[0],
                         .n_attributes = n_spaces, .attributes = &e->spaces[0]};
  e->outputs[WEFT_NN_POOLED] = (struct weft_port){.name = "pooled", .dtype = weft_f32(), .rank = 2,
                                                  .dims = {-1, s->d_pooled}, .n_attributes = n_spaces,
                                                  .attributes = &e->spaces[1]};
  e->outputs[WEFT_NN_ORIGIN] =
      (struct weft_port){.name = "tokens.origin", .dtype = weft_i32(), .rank = 2, .dims = {-1, s->d_origin},
                         .n_split_levels = 1, .rows_kind = kind, .n_terms = 1, .terms = &e->terms[0]};
  e->outputs[WEFT_NN_LAYERS] =
      (struct weft_port){.name = "layers", .dtype = weft_f32(), .rank = 2, .dims = {-1, s->d_model},
                         .n_split_levels = 2, .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 1, .terms = &e->terms[1]};
}

/* "DIGEST/tokens" and "DIGEST/pooled" in one block. */
static weft_status name_spaces(struct weft_nn_encoder *e, struct weft_nn_model *m, const char *digest)
{
  const char *layers[2] = {"tokens", "pooled"};
  if (!digest)
    return WEFT_OK;
  size_t n = strlen(digest) + sizeof "/tokens";
  e->texts = malloc(2 * n);
  if (!e->texts)
    return weft_nn_model_fail(m, WEFT_NO_MEMORY, "no memory for the outputs' attributes");
  for (size_t i = 0; i < 2; i++) {
    snprintf(e->texts + i * n, n, "%s/%s", digest, layers[i]);
    e->spaces[i] = (struct weft_attribute){"space", e->texts + i * n};
  }
  return WEFT_OK;
}

weft_status weft_nn_encoder_init(struct weft_nn_encoder *e, struct weft_nn_model *m,
                                 const struct weft_compute *compute, const struct weft_nn_encoder_shape *shape,
                                 const weft_value results[2])
{
  e->host = m->host;
  e->compute = compute;
  e->shape = *shape;
  if (m->status == WEFT_OK) {
    weft_nn_output(m->plan, results[0]);
    weft_nn_output(m->plan, results[1]);
    name_spaces(e, m, shape->digest);
  }
  describe(e);
  return weft_nn_model_compile(m, compute, &e->program);
}

void weft_nn_encoder_clear(struct weft_nn_encoder *e)
{
  if (e->compute)
    e->compute->free(e->program);
  free(e->texts);
  memset(e, 0, sizeof *e);
}

weft_status weft_nn_encoder_ports(const struct weft_nn_encoder *e, struct weft_ports *out)
{
  *out = (struct weft_ports){e->outputs, WEFT_NN_ENCODER_OUTPUTS};
  return WEFT_OK;
}

/* What the run needs beside the provider's scratch: its lists of inputs and outputs. */
struct lists {
  struct weft_compute_input inputs[WEFT_PLAN_INPUTS];
  int64_t splits[2];
  struct weft_compute_output outputs[];
};

static uint64_t lists_bytes(const struct weft_nn_encoder *e)
{
  return weft_nn_align(sizeof(struct lists) + n_plan_outputs(e) * sizeof(struct weft_compute_output));
}

weft_status weft_nn_encoder_scratch(const struct weft_nn_encoder *e, struct weft_setup *setup, int64_t n_items,
                                    int64_t n_rows, uint64_t *n_bytes)
{
  int64_t rows[WEFT_PLAN_INPUTS];
  uint64_t inside = 0;
  for (uint32_t i = 0; i < WEFT_PLAN_INPUTS; i++)
    rows[i] = n_rows;
  struct weft_compute_limits limits = {n_items, rows};
  weft_status status = e->compute->scratch(e->program, &limits, &inside);
  if (status != WEFT_OK)
    return e->host->fail(setup, status, "no scratch can be planned for %lld items with %lld tokens", (long long)n_items,
                         (long long)n_rows);
  *n_bytes = lists_bytes(e) + weft_nn_align(inside);
  return WEFT_OK;
}

/* One run of neighbouring items. */
struct part {
  const struct weft_nn_encoder *e;
  struct weft_call *call;
  const struct weft_nn_encoder_input *inputs;
  const int64_t *splits; /* of all items; NULL: not ragged */
  uint32_t first, n;
};

static void item_failed(void *data, uint32_t slot, weft_status status, const char *message)
{
  const struct part *part = data;
  uint32_t item = part->first + slot;
  if (part->call->item_status[item] == WEFT_OK)
    part->e->host->fail_item(part->call, item, status, "%s", message);
}

/* The first token of an item, tokens of all items counted. */
static int64_t token_at(const struct part *part, uint32_t item)
{
  return part->splits ? part->splits[item] : item * part->e->shape.n_tokens;
}

static float *rows_at(const struct weft_output *output, int64_t row, int64_t width)
{
  return output->wanted ? (float *)output->tensor.data + row * width : NULL;
}

static void place_inputs(const struct part *part, struct lists *lists)
{
  const struct weft_nn_encoder_shape *s = &part->e->shape;
  uint32_t at = 0;
  int64_t row = part->splits ? part->splits[part->first] : part->first;
  int64_t n_rows = part->splits ? part->splits[part->first + part->n] - row : part->n;
  if (s->ragged) {
    lists->splits[0] = 0;
    lists->splits[1] = n_rows;
    lists->inputs[at++].data = part->first == 0 ? part->splits : lists->splits;
  }
  for (uint32_t i = 0; at < s->n_inputs; i++)
    lists->inputs[at++] = (struct weft_compute_input){
        (const char *)part->inputs[i].data + row * part->inputs[i].row_bytes, n_rows};
}

static void place_outputs(const struct part *part, struct lists *lists)
{
  const struct weft_nn_encoder_shape *s = &part->e->shape;
  struct weft_output *outputs = part->call->outputs;
  int64_t token = token_at(part, part->first), n = token_at(part, part->first + part->n) - token;
  memset(lists->outputs, 0, n_plan_outputs(part->e) * sizeof(struct weft_compute_output));
  for (int64_t l = 0; l <= s->n_layers; l++) {
    lists->outputs[l].data = rows_at(&outputs[WEFT_NN_LAYERS], token * (s->n_layers + 1) + l * n, s->d_model);
    lists->outputs[l].n_rows_max = n;
  }
  struct weft_compute_output *last = &lists->outputs[s->n_layers + 1];
  last[0] = (struct weft_compute_output){.data = rows_at(&outputs[WEFT_NN_TOKENS], token, s->d_model), .n_rows_max = n};
  last[1] = (struct weft_compute_output){.data = rows_at(&outputs[WEFT_NN_POOLED], part->first, s->d_pooled),
                                         .n_rows_max = part->n};
}

static weft_status run_part(const struct part *part, void *scratch)
{
  const struct weft_nn_encoder *e = part->e;
  struct lists *lists = scratch;
  place_inputs(part, lists);
  place_outputs(part, lists);
  uint64_t head = lists_bytes(e), before = (uint64_t)((char *)scratch - (char *)part->call->scratch);
  struct weft_compute_run run = {.n_items = part->n,
                                 .n_inputs = e->shape.n_inputs,
                                 .n_outputs = n_plan_outputs(e),
                                 .inputs = lists->inputs,
                                 .outputs = lists->outputs,
                                 .scratch = (char *)scratch + head,
                                 .n_scratch_bytes = part->call->n_scratch_bytes - before - head,
                                 .cancel = part->call->cancel,
                                 .fail_item = item_failed,
                                 .fail_data = (void *)part};
  weft_status status = e->compute->run(e->program, &run);
  if (status != WEFT_OK && status != WEFT_CANCELLED)
    e->host->fail_call(part->call, status, "the compute provider refused a run of %u items", part->n);
  return status;
}

static void write_splits(const struct part *all)
{
  const struct weft_nn_encoder_shape *s = &all->e->shape;
  struct weft_output *tokens = &all->call->outputs[WEFT_NN_TOKENS], *layers = &all->call->outputs[WEFT_NN_LAYERS];
  int64_t per_item = s->n_layers + 1;
  if (tokens->wanted && s->ragged) {
    memcpy(tokens->splits[0], all->splits, (all->n + 1) * sizeof(int64_t));
    tokens->tensor.dims[0] = all->splits[all->n];
  }
  if (!layers->wanted)
    return;
  for (uint32_t i = 0; i <= all->n; i++) {
    layers->splits[0][i] = i * per_item;
    int64_t begin = token_at(all, i) * per_item, n = i < all->n ? token_at(all, i + 1) - token_at(all, i) : 0;
    for (int64_t l = 0; l < (i < all->n ? per_item : 1); l++)
      layers->splits[1][i * per_item + l] = begin + l * n;
  }
  layers->tensor.n_groups = all->n * per_item;
  layers->tensor.dims[0] = token_at(all, all->n) * per_item;
}

weft_status weft_nn_encoder_run(const struct weft_nn_encoder *e, struct weft_call *call,
                                const struct weft_nn_encoder_input *inputs, const int64_t *splits, void *scratch)
{
  struct part part = {e, call, inputs, splits, 0, call->n_items};
  const struct weft_output *layers = &call->outputs[WEFT_NN_LAYERS];
  int by_item = layers->wanted != 0;
  if (by_item && layers->n_groups_max < call->n_items * (e->shape.n_layers + 1))
    return e->host->fail_call(call, WEFT_CONTRACT, "room for %lld groups of `layers`, %lld are needed",
                              (long long)layers->n_groups_max, (long long)(call->n_items * (e->shape.n_layers + 1)));
  write_splits(&part);
  if (!by_item)
    return run_part(&part, scratch);
  part.n = 1;
  for (; part.first < call->n_items; part.first++) {
    weft_status status = run_part(&part, scratch);
    if (status != WEFT_OK)
      return status;
  }
  return WEFT_OK;
}
