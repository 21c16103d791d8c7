/* SPDX-License-Identifier: Apache-2.0 */
#include "modelmaker.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A safetensors file on its way: tensors by name, then their random values. */
typedef struct {
  GString *header;
  GArray *sizes; /* of Size */
  guint64 n_bytes;
} Weights;

typedef struct {
  guint64 n;
  float scale, offset;
} Size;

static void add(Weights *w, const char *name, guint64 rows, guint64 columns, float scale, float offset)
{
  guint64 n = rows * (columns ? columns : 1);
  Size size = {n, scale, offset};
  g_string_append_printf(w->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%" G_GUINT64_FORMAT, w->header->len > 1 ? "," : "",
                         name, rows);
  if (columns)
    g_string_append_printf(w->header, ",%" G_GUINT64_FORMAT, columns);
  g_string_append_printf(w->header, "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}", w->n_bytes,
                         w->n_bytes + 4 * n);
  w->n_bytes += 4 * n;
  g_array_append_val(w->sizes, size);
}

/* weight and bias of a linear layer whose results keep the size of its inputs */
static void add_dense(Weights *w, const char *name, guint64 n_out, guint64 n_in, gboolean bias)
{
  g_autofree char *weight = g_strconcat(name, ".weight", NULL), *biases = g_strconcat(name, ".bias", NULL);
  add(w, weight, n_out, n_in, (float)sqrt(3.0 / (double)n_in), 0);
  if (bias)
    add(w, biases, n_out, 0, 0.1f, 0);
}

static void add_norm(Weights *w, const char *name, guint64 d)
{
  g_autofree char *weight = g_strconcat(name, ".weight", NULL), *bias = g_strconcat(name, ".bias", NULL);
  add(w, weight, d, 0, 0.1f, 1);
  add(w, bias, d, 0, 0.1f, 0);
}

static gboolean put_values(FILE *file, const Size *size, guint64 *state)
{
  float block[4096];
  for (guint64 done = 0; done < size->n;) {
    guint64 n = MIN(size->n - done, G_N_ELEMENTS(block));
    for (guint64 i = 0; i < n; i++) {
      *state = *state * 6364136223846793005u + 1442695040888963407u;
      block[i] = size->offset + size->scale * ((float)(*state >> 40) * (2.0f / (1 << 24)) - 1);
    }
    if (fwrite(block, sizeof *block, n, file) != n)
      return FALSE;
    done += n;
  }
  return TRUE;
}

static gboolean save(Weights *w, const char *folder, const char *config)
{
  g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
  g_autofree char *config_path = g_build_filename(folder, "config.json", NULL);
  guint64 n_header, state = 1;
  g_string_append_c(w->header, '}');
  while (w->header->len % 8)
    g_string_append_c(w->header, ' ');
  n_header = GUINT64_TO_LE(w->header->len);
  g_mkdir_with_parents(folder, 0700);
  FILE *file = fopen(path, "we");
  gboolean written = file && fwrite(&n_header, sizeof n_header, 1, file) == 1 &&
                     fwrite(w->header->str, w->header->len, 1, file) == 1;
  for (guint i = 0; written && i < w->sizes->len; i++)
    written = put_values(file, &g_array_index(w->sizes, Size, i), &state);
  written = file && fclose(file) == 0 && written && g_file_set_contents(config_path, config, -1, NULL);
  if (!written)
    fprintf(stderr, "batching: %s: cannot be written: %s\n", path, g_strerror(errno));
  g_string_free(w->header, TRUE);
  g_array_unref(w->sizes);
  return written;
}

static Weights begin(void)
{
  return (Weights){g_string_new("{"), g_array_new(FALSE, FALSE, sizeof(Size)), 0};
}

gboolean modelmaker_expert(const char *folder, guint d, guint64 n_bytes)
{
  Weights w = begin();
  guint64 d_hidden = n_bytes / (2 * 4 * (guint64)d);
  g_autofree char *config = g_strdup_printf("{\"architectures\": [\"WeftExpertMlp\"], \"d_model\": %u, \"d_hidden\": %"
                                            G_GUINT64_FORMAT ", \"activation\": \"gelu\"}", d, d_hidden);
  add_dense(&w, "up", d_hidden, d, TRUE);
  add_dense(&w, "down", d, d_hidden, TRUE);
  return save(&w, folder, config);
}

static void add_layer(Weights *w, guint i, const ModelmakerBert *s)
{
  static const char *const square[] = {"attention.self.query", "attention.self.key", "attention.self.value",
                                       "attention.output.dense"};
  for (guint k = 0; k < G_N_ELEMENTS(square); k++) {
    g_autofree char *name = g_strdup_printf("encoder.layer.%u.%s", i, square[k]);
    add_dense(w, name, s->d, s->d, TRUE);
  }
  g_autofree char *first = g_strdup_printf("encoder.layer.%u.attention.output.LayerNorm", i);
  g_autofree char *up = g_strdup_printf("encoder.layer.%u.intermediate.dense", i);
  g_autofree char *down = g_strdup_printf("encoder.layer.%u.output.dense", i);
  g_autofree char *last = g_strdup_printf("encoder.layer.%u.output.LayerNorm", i);
  add_norm(w, first, s->d);
  add_dense(w, up, s->d_hidden, s->d, TRUE);
  add_dense(w, down, s->d, s->d_hidden, TRUE);
  add_norm(w, last, s->d);
}

/* The template's first words keep their ids: its post-processor names them. */
#define N_SPECIAL 5

static json_t *vocabulary_of(const json_t *old, char **texts)
{
  json_t *vocabulary = json_object();
  const char *word;
  json_t *id;
  json_object_foreach((json_t *)old, word, id)
  {
    if (json_integer_value(id) < N_SPECIAL)
      json_object_set(vocabulary, word, id);
  }
  for (guint i = 0; texts[i]; i++) {
    g_autofree char *lower = g_utf8_strdown(texts[i], -1);
    g_auto(GStrv) words = g_regex_split_simple("([^a-z0-9])", lower, 0, 0);
    for (guint k = 0; words[k]; k++)
      if (words[k][0] > ' ' && !json_object_get(vocabulary, words[k]))
        json_object_set_new(vocabulary, words[k], json_integer((json_int_t)json_object_size(vocabulary)));
  }
  return vocabulary;
}

/* Answers the number of words; 0: failed. */
static guint write_tokenizer(const char *folder, const char *template, char **texts)
{
  json_error_t problem;
  g_autofree char *path = g_build_filename(folder, "tokenizer.json", NULL);
  json_t *file = json_load_file(template, 0, &problem);
  json_t *model = json_object_get(file, "model"), *vocabulary = vocabulary_of(json_object_get(model, "vocab"), texts);
  guint n = (guint)json_object_size(vocabulary);
  g_mkdir_with_parents(folder, 0700);
  if (!file || json_object_set_new(model, "vocab", vocabulary) != 0 || json_dump_file(file, path, 0) != 0) {
    fprintf(stderr, "batching: %s or %s: %s\n", template, path, file ? "cannot be written" : problem.text);
    n = 0;
  }
  json_decref(file);
  return n;
}

gboolean modelmaker_bert(const char *folder, const ModelmakerBert *s, const char *tokenizer, char **texts)
{
  Weights w = begin();
  guint n_words = write_tokenizer(folder, tokenizer, texts);
  n_words = n_words ? MAX(n_words, s->n_words) : 0;
  g_autofree char *config = g_strdup_printf(
      "{\"architectures\": [\"BertModel\"], \"hidden_size\": %u, \"num_hidden_layers\": %u, \"num_attention_heads\": %u, "
      "\"intermediate_size\": %u, \"vocab_size\": %u, \"max_position_embeddings\": 512, \"hidden_act\": \"gelu\"}",
      s->d, s->n_layers, s->n_heads, s->d_hidden, n_words);
  add(&w, "embeddings.word_embeddings.weight", n_words, s->d, 1, 0);
  add(&w, "embeddings.position_embeddings.weight", 512, s->d, 0.3f, 0);
  add(&w, "embeddings.token_type_embeddings.weight", 2, s->d, 0.3f, 0);
  add_norm(&w, "embeddings.LayerNorm", s->d);
  for (guint i = 0; i < s->n_layers; i++)
    add_layer(&w, i, s);
  return save(&w, folder, config) && n_words > 0;
}
