/* SPDX-License-Identifier: Apache-2.0 */
/* bert: BertModel as a plan (Devlin et al. 2019, "BERT", section 3), and the node around it. */
#include <encoder.h>
#include <tokenizer.h>
#include <weft/encoder.h>
#include <weft/entry.h>

#include <stdlib.h>
#include <string.h>

struct bert {
  struct weft_nn_encoder encoder;
  struct weft_tokenizer *tokenizer;
  int64_t n_longest; /* tokens of one text: max_position_embeddings */
};

static const struct weft_host *host;

static const char *const architectures[] = {
    "BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification",
    "BertForTokenClassification", "BertForQuestionAnswering", "BertForNextSentencePrediction", NULL};
static const char *const prefixes[] = {"", "bert.", NULL};

static void destroy(void *instance)
{
  struct bert *bert = instance;
  if (!bert)
    return;
  weft_nn_encoder_clear(&bert->encoder);
  weft_tokenizer_close(bert->tokenizer);
  free(bert);
}

/* What BertModel can be told and this plugin does not do is refused, never ignored. */
static void check_variant(struct weft_nn_model *m)
{
  if (m->status != WEFT_OK)
    return;
  const char *positions = weft_json_text_or(m->config, "position_embedding_type", "absolute");
  int decoder = weft_json_bool_or(m->config, "is_decoder", 0);
  int cross = weft_json_bool_or(m->config, "add_cross_attention", 0);
  if (weft_nn_model_check(m, m->config) != WEFT_OK)
    return;
  if (strcmp(positions, "absolute") != 0)
    weft_nn_model_fail(m, WEFT_UNSUPPORTED, "config.json: position_embedding_type is %.64s; bert does `absolute`",
                       positions);
  if (decoder || cross)
    weft_nn_model_fail(m, WEFT_UNSUPPORTED, "config.json: %s is true; bert reads encoders only",
                       decoder ? "is_decoder" : "add_cross_attention");
}

static void read_tokenizer(struct bert *bert, struct weft_nn_model *m, int64_t n_words)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource resource;
  if (m->status != WEFT_OK)
    return;
  m->status = host->resource_open(m->setup, "model/tokenizer.json", 0, &resource);
  if (m->status != WEFT_OK)
    return;
  weft_status status = weft_tokenizer_open(&resource, "tokenizer.json", &bert->tokenizer, message);
  if (status != WEFT_OK) {
    weft_nn_model_fail(m, status, "%s", message);
    return;
  }
  int64_t n_ids = weft_tokenizer_n_ids(bert->tokenizer), n_special = weft_tokenizer_n_special(bert->tokenizer);
  if (n_ids > n_words)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "tokenizer.json has ids up to %lld, but vocab_size of config.json is %lld",
                       (long long)n_ids - 1, (long long)n_words);
  if (n_special >= bert->n_longest)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "tokenizer.json adds %lld tokens to every text, but max_position_embeddings of config.json is "
                       "%lld: nothing of the text would remain",
                       (long long)n_special, (long long)bert->n_longest);
}

/* ids, types [*] -> embeddings [*, d] */
static weft_value record_embeddings(const struct bert *bert, struct weft_nn_model *m, int64_t n_words,
                                    const struct weft_nn_transformer *t)
{
  int64_t d = t->d_model, n_types = weft_json_int_or(m->config, "type_vocab_size", 2, 1, WEFT_NN_MAX_WIDTH);
  weft_value words = weft_nn_model_weight(m, 2, (int64_t[]){n_words, d}, "embeddings.word_embeddings.weight");
  weft_value types = weft_nn_model_weight(m, 2, (int64_t[]){n_types, d}, "embeddings.token_type_embeddings.weight");
  weft_value positions =
      weft_nn_model_weight(m, 2, (int64_t[]){bert->n_longest, d}, "embeddings.position_embeddings.weight");
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  weft_value splits = weft_nn_input_splits(m->plan, "text");
  weft_value ids = weft_nn_input(m->plan, "ids", weft_i32(), splits, 0);
  weft_value type_ids = weft_nn_input(m->plan, "types", weft_i32(), splits, 0);
  weft_value x = weft_nn_embedding(m->plan, ids, words);
  x = weft_nn_add(m->plan, x, weft_nn_embedding(m->plan, type_ids, types));
  x = weft_nn_add_position(m->plan, x, positions, 0);
  return weft_nn_model_norm(m, x, d, t->eps, "embeddings.LayerNorm");
}

/* tanh(dense(first token)), or the first token where the file has no pooler */
static weft_value record_pooler(struct weft_nn_model *m, weft_value tokens, int64_t d)
{
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  weft_value first = weft_nn_select_row(m->plan, tokens, 0);
  struct weft_nn_dense dense = {d, d, 1, WEFT_ACT_TANH, WEFT_NO_VALUE};
  return weft_nn_model_has(m, "pooler.dense.weight") ? weft_nn_model_dense(m, first, &dense, "pooler.dense") : first;
}

static weft_status read_model(struct bert *bert, struct weft_setup *setup, const struct weft_config *config)
{
  struct weft_nn_model m;
  struct weft_nn_transformer t;
  int64_t n_words = 0;
  weft_value x = WEFT_NO_VALUE;
  const struct weft_compute *compute = weft_nn_compute(host, setup);
  if (!compute)
    return WEFT_UNAVAILABLE;
  weft_nn_model_open(&m, host, setup, config, "bert", architectures);
  weft_nn_model_prefix(&m, "embeddings.word_embeddings.weight", prefixes);
  weft_nn_transformer_read(&m, WEFT_NN_NORM_BEHIND, &t);
  check_variant(&m);
  if (m.status == WEFT_OK) {
    n_words = weft_json_int_or(m.config, "vocab_size", 30522, 1, WEFT_TOKENIZER_MAX_VOCABULARY);
    bert->n_longest = weft_json_int_or(m.config, "max_position_embeddings", 512, 1, WEFT_NN_MAX_WIDTH);
    weft_nn_model_check(&m, m.config);
  }
  read_tokenizer(bert, &m, n_words);
  if (m.status == WEFT_OK)
    x = record_embeddings(bert, &m, n_words, &t);
  x = weft_nn_transformer_record(&m, &t, x);
  struct weft_nn_encoder_shape shape = {.d_model = t.d_model, .d_pooled = t.d_model, .n_layers = t.n_layers,
                                        .n_tokens = bert->n_longest, .ragged = 1, .d_origin = 2, .digest = config->model_digest,
                                        .n_inputs = 3};
  weft_value pooled = record_pooler(&m, x, t.d_model);
  weft_status status = weft_nn_encoder_init(&bert->encoder, &m, compute, &shape, (weft_value[]){x, pooled});
  weft_nn_model_close(&m);
  return status;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct bert *bert = calloc(1, sizeof *bert);
  if (!bert)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  weft_status status = config->n_inputs == 1
                           ? read_model(bert, setup, config)
                           : host->fail(setup, WEFT_BAD_CONFIG, "`text` is not connected; expected `in: TEXT`");
  if (status == WEFT_OK)
    *instance = bert;
  else
    destroy(bert);
  return status;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  return weft_nn_encoder_ports(&((struct bert *)instance)->encoder, out);
}

/* Scratch of a call: first what is kept, then room for one text's tokenizing, or the run. */
struct parts {
  int64_t *splits;  /* [n_items + 1] */
  int32_t *ids;     /* [n_items * n_longest] */
  int32_t *types;   /* the same */
  int32_t *origin;  /* [n_longest, 2] of one text */
  void *rest;
};

static uint64_t place(const struct bert *bert, uint64_t n_items, char *scratch, struct parts *out)
{
  uint64_t splits = weft_nn_align((n_items + 1) * sizeof(int64_t));
  uint64_t ids = weft_nn_align(n_items * (uint64_t)bert->n_longest * sizeof(int32_t));
  uint64_t origin = weft_nn_align(2 * (uint64_t)bert->n_longest * sizeof(int32_t));
  if (out)
    *out = (struct parts){(int64_t *)scratch, (int32_t *)(scratch + splits), (int32_t *)(scratch + splits + ids),
                          (int32_t *)(scratch + splits + 2 * ids), scratch + splits + 2 * ids + origin};
  return splits + 2 * ids + origin;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct bert *bert = instance;
  uint64_t run = 0, text = weft_tokenizer_scratch_bytes(bert->tokenizer, (uint64_t)limits->n_rows[0]);
  int64_t n_rows = limits->n_rows[0] + limits->n_items * weft_tokenizer_n_special(bert->tokenizer);
  if (n_rows > limits->n_items * bert->n_longest)
    n_rows = limits->n_items * bert->n_longest;
  weft_status status = weft_nn_encoder_scratch(&bert->encoder, setup, limits->n_items, n_rows, &run);
  if (status == WEFT_OK)
    *n_scratch_bytes = place(bert, (uint64_t)limits->n_items, NULL, NULL) + (run > text ? run : text);
  return status;
}

static void deactivate(void *instance)
{
}

/* Tokens of one text behind those before it; a bad text has none. */
static void tokenize(const struct bert *bert, const struct weft_call *call, uint32_t item, const struct parts *parts)
{
  char message[WEFT_MESSAGE_BYTES];
  int64_t at = parts->splits[item];
  struct weft_rows rows = weft_rows_of(call->inputs[0], item);
  struct weft_tokens tokens = {.ids = parts->ids + at, .type_ids = parts->types + at, .origin = parts->origin,
                               .n_max = bert->n_longest};
  const char *text = (const char *)call->inputs[0]->data + rows.begin;
  weft_status status = weft_tokenizer_encode(bert->tokenizer, text, (uint64_t)(rows.end - rows.begin), &tokens,
                                             parts->rest, message);
  if (status != WEFT_OK) {
    tokens.n = 0;
    host->fail_item(call, item, status, "%s", message);
  }
  parts->splits[item + 1] = at + tokens.n;
  struct weft_output *origin = &call->outputs[WEFT_NN_ORIGIN];
  if (!origin->wanted)
    return;
  memcpy((int32_t *)origin->tensor.data + 2 * at, parts->origin, (size_t)tokens.n * 2 * sizeof(int32_t));
  origin->splits[0][0] = 0;
  origin->splits[0][item + 1] = origin->tensor.dims[0] = at + tokens.n;
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct bert *bert = instance;
  struct parts parts;
  place(bert, call->n_items, call->scratch, &parts);
  parts.splits[0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    tokenize(bert, call, i, &parts);
  }
  struct weft_nn_encoder_input inputs[2] = {{parts.ids, sizeof(int32_t)}, {parts.types, sizeof(int32_t)}};
  return weft_nn_encoder_run(&bert->encoder, call, inputs, parts.splits, parts.rest);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "bert") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
