/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vit, ast and bert against PyTorch, layer by layer, through the plugins as
 * they are installed and the compute provider: see make_models.py for what the
 * golden files hold.
 */
#include "modelgolden.h"

#include <compute.h>
#include <driver.h>
#include <math.h>
#include <string.h>

/* The project's bar of what leaves a model; that of a layer: golden.h. */
#define MIN_COSINE 0.99999
#define MAX_ITEMS 16

typedef struct {
  const char *name, *plugin, *model; /* model: relative to the source root */
} Case;

static const Case cases[] = {
    {"vit-a", "vit", "tests/golden/vit-a/model"},       {"vit-b", "vit", "tests/golden/vit-b/model"},
    {"ast-a", "ast", "tests/golden/ast-a/model"},       {"ast-b", "ast", "tests/golden/ast-b/model"},
    {"bert-a", "bert", "tests/golden/bert-a/model"},    {"bert-b", "bert", "tests/golden/bert-b/model"},
    {"digits-vit", "vit", "examples/digits/models/vit"}, {"digits-ast", "ast", "examples/digits/models/ast"},
    {"digits-bert", "bert", "examples/digits/models/bert"},
};

static WeftDriver *start(const Case *c, uint32_t n_threads)
{
  g_autofree char *model = g_test_build_filename(G_TEST_DIST, c->model, NULL);
  weft_test_threads(n_threads);
  WeftDriver *d = weft_driver_new(c->plugin, c->plugin);
  weft_driver_model(d, model, "0123");
  weft_driver_limits(d, MAX_ITEMS, 1 << 18, 1024);
  weft_status status = weft_driver_start(d);
  if (status != WEFT_OK)
    g_error("%s: %s", c->name, weft_driver_message(d));
  return d;
}

/* The tensors N.PART of some items as one input; ragged where rows vary. */
static const struct weft_tensor *input_of(WeftDriver *d, const WeftGolden *g, const char *part, const int *items,
                                          uint32_t n, gboolean ragged)
{
  g_autoptr(GByteArray) data = g_byte_array_new();
  g_autofree int64_t *splits = g_new0(int64_t, n + 1);
  struct weft_tensor shape = {0};
  for (uint32_t i = 0; i < n; i++) {
    const struct weft_safetensors_tensor *t = weft_golden_tensor(g, items[i], part);
    g_byte_array_append(data, t->data, (guint)t->n_bytes);
    shape.dtype = t->dtype;
    shape.rank = ragged ? t->rank : (t->dims[0] > 1 ? 2 : 1);
    shape.dims[1] = ragged ? t->dims[1] : (t->dims[0] > 1 ? t->dims[0] : 0);
    splits[i + 1] = splits[i] + (ragged ? t->dims[0] : 1);
  }
  shape.dims[0] = splits[n];
  return weft_driver_tensor(d, &shape, data->data, n, ragged ? splits : NULL);
}

static void run(WeftDriver *d, const Case *c, const WeftGolden *g, const int *items, uint32_t n)
{
  const struct weft_tensor *inputs[2];
  if (strcmp(c->plugin, "vit") == 0) {
    inputs[0] = input_of(d, g, "pixels", items, n, TRUE);
    inputs[1] = input_of(d, g, "size", items, n, FALSE);
  } else if (strcmp(c->plugin, "ast") == 0) {
    inputs[0] = input_of(d, g, "samples", items, n, TRUE);
    inputs[1] = input_of(d, g, "rate", items, n, FALSE);
  } else {
    inputs[0] = input_of(d, g, "text", items, n, TRUE);
  }
  weft_status status = weft_driver_run(d, n, inputs);
  if (status != WEFT_OK)
    g_error("%s: %s", c->name, weft_driver_message(d));
  for (uint32_t i = 0; i < n; i++)
    if (weft_driver_item_status(d, i) != WEFT_OK)
      g_error("%s item %u: %s", c->name, i, weft_driver_item_message(d, i));
}

static void check_cosine(const WeftGolden *g, const float *actual, const struct weft_safetensors_tensor *expected)
{
  double dot = 0, a = 0, b = 0;
  for (uint64_t i = 0; i < expected->n_bytes / sizeof(float); i++) {
    float e;
    memcpy(&e, (const char *)expected->data + i * sizeof e, sizeof e);
    dot += (double)actual[i] * e;
    a += (double)actual[i] * actual[i];
    b += (double)e * e;
  }
  double cosine = dot / sqrt(a * b);
  if (!(cosine >= MIN_COSINE))
    g_error("%s %s: cosine %.8f", g->name, expected->name, cosine);
}

static const float *rows_of(const struct weft_tensor *t, uint32_t item, int64_t *n)
{
  struct weft_rows rows = weft_rows_of(t, item);
  g_assert_true(rows.present);
  *n = (rows.end - rows.begin) * t->dims[1];
  return (const float *)t->data + rows.begin * t->dims[1];
}

static void test_encoders_layers(gconstpointer data)
{
  const Case *c = data;
  g_autoptr(WeftGolden) g = weft_golden_open(c->name, c->model);
  if (!g)
    return;
  g_autoptr(WeftDriver) d = start(c, 1);
  int items[MAX_ITEMS] = {0}, n_items = weft_golden_count(g, "tokens");
  g_assert_cmpint(n_items, >=, 3);
  for (int i = 0; i < n_items; i++)
    items[i] = i;
  run(d, c, g, items, (uint32_t)n_items);
  for (int i = 0; i < n_items; i++) {
    static const char *const parts[] = {"layers", "tokens", "pooled"};
    for (int p = 0; p < 3; p++) {
      const struct weft_safetensors_tensor *expected = weft_golden_tensor(g, i, parts[p]);
      int64_t n, total = (int64_t)(expected->n_bytes / sizeof(float));
      const float *actual = rows_of(weft_driver_output(d, parts[p]), (uint32_t)i, &n);
      g_assert_cmpint(n, ==, total);
      weft_golden_check(g, actual, expected, p == 0 ? total / expected->dims[0] : total);
      if (p > 0)
        check_cosine(g, actual, expected);
    }
  }
}

/* The bytes of one output's item, for comparisons. */
static GBytes *bytes_of(WeftDriver *d, const char *output, uint32_t item)
{
  int64_t n;
  const float *data = rows_of(weft_driver_output(d, output), item, &n);
  return g_bytes_new(data, (gsize)n * sizeof *data);
}

/* How a run may differ without changing a byte. */
typedef struct {
  uint32_t n_threads;
  gboolean layers;
} Way;

/* tokens and pooled of the items, one after the other */
static GPtrArray *bytes_of_run(const Case *c, const WeftGolden *g, const int *items, uint32_t n, Way way)
{
  g_autoptr(WeftDriver) d = start(c, way.n_threads);
  GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  if (!way.layers)
    weft_driver_unwanted(d, "layers");
  run(d, c, g, items, n);
  for (uint32_t i = 0; i < n; i++) {
    g_ptr_array_add(all, bytes_of(d, "tokens", i));
    g_ptr_array_add(all, bytes_of(d, "pooled", i));
  }
  return all;
}

static void check_same(const GPtrArray *a, const GPtrArray *b, guint at_a, guint at_b)
{
  for (guint i = 0; i < 2; i++)
    g_assert_true(g_bytes_equal(g_ptr_array_index(a, at_a + i), g_ptr_array_index(b, at_b + i)));
}

static void test_encoders_same_bytes(gconstpointer data)
{
  const Case *c = data;
  g_autoptr(WeftGolden) g = weft_golden_open(c->name, c->model);
  if (!g)
    return;
  const int mixed[] = {2, 0, 1, 1, 0, 2, 0};
  g_autoptr(GPtrArray) many = bytes_of_run(c, g, mixed, G_N_ELEMENTS(mixed), (Way){1, FALSE});
  g_autoptr(GPtrArray) threads = bytes_of_run(c, g, mixed, G_N_ELEMENTS(mixed), (Way){2, FALSE});
  g_autoptr(GPtrArray) layers = bytes_of_run(c, g, mixed, G_N_ELEMENTS(mixed), (Way){2, TRUE});
  for (guint i = 0; i < G_N_ELEMENTS(mixed); i++) {
    g_autoptr(GPtrArray) one = bytes_of_run(c, g, &mixed[i], 1, (Way){1, FALSE});
    check_same(many, one, 2 * i, 0);
    check_same(many, threads, 2 * i, 2 * i);
    check_same(many, layers, 2 * i, 2 * i);
  }
}

/* The bytes that each token stands for, as the tokenizers package says it. */
static void test_encoders_origin(gconstpointer data)
{
  const Case *c = data;
  g_autoptr(WeftGolden) g = weft_golden_open(c->name, c->model);
  if (!g)
    return;
  g_autoptr(WeftDriver) d = start(c, 1);
  for (int i = 0; i < weft_golden_count(g, "origin"); i++) {
    const struct weft_safetensors_tensor *expected = weft_golden_tensor(g, i, "origin");
    run(d, c, g, &i, 1);
    g_autoptr(GBytes) actual = bytes_of(d, "tokens.origin", 0);
    gsize n;
    const void *bytes = g_bytes_get_data(actual, &n);
    g_assert_cmpmem(bytes, n, expected->data, expected->n_bytes);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *layers = g_strdup_printf("/encoders/%s/layers", cases[i].name);
    g_autofree char *bytes = g_strdup_printf("/encoders/%s/same-bytes", cases[i].name);
    g_test_add_data_func(layers, &cases[i], test_encoders_layers);
    g_test_add_data_func(bytes, &cases[i], test_encoders_same_bytes);
    if (strcmp(cases[i].plugin, "bert") == 0) {
      g_autofree char *origin = g_strdup_printf("/encoders/%s/origin", cases[i].name);
      g_test_add_data_func(origin, &cases[i], test_encoders_origin);
    }
  }
  return g_test_run();
}
