/* SPDX-License-Identifier: Apache-2.0 */
/* gated and classifier against PyTorch in double precision: see make_models.py. */
#include "modelgolden.h"

#include <compute.h>
#include <driver.h>
#include <math.h>
#include <string.h>

#define MAX_ITEMS 8

typedef struct {
  const char *name, *model;
  const char *inputs[4];
} Fusion;

static const Fusion fusions[] = {
    {"gated-a", "tests/golden/gated-a/model", {"picture", "speech", "words"}},
    {"gated-b", "tests/golden/gated-b/model", {"left", "right"}}, /* every gate is below e^-100 */
};

/* d: width of an input, by any item that has it. */
static int64_t width_of(const WeftGolden *g, const char *input)
{
  for (int i = 0; i < MAX_ITEMS; i++)
    if (weft_golden_tensor(g, i, input))
      return weft_golden_tensor(g, i, input)->dims[1];
  g_error("no item has %s", input);
}

static WeftDriver *start(const Fusion *f, const WeftGolden *g, uint32_t n_threads)
{
  weft_test_threads(n_threads);
  WeftDriver *d = weft_driver_new("gated", "gated");
  weft_driver_model(d, g->model, "0123");
  for (int k = 0; f->inputs[k]; k++) {
    g_autofree char *space = g_strdup_printf("%s0/tokens", f->inputs[k]);
    weft_driver_bind(d, "tokens", f->inputs[k], width_of(g, f->inputs[k]));
    weft_driver_bind_attribute(d, "space", space);
  }
  weft_driver_limits(d, MAX_ITEMS, 256, 64);
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  return d;
}

/* One input of some items: those without it have no slot. */
static const struct weft_tensor *input_of(WeftDriver *d, const WeftGolden *g, const char *name, const int *items,
                                          uint32_t n)
{
  g_autoptr(GByteArray) data = g_byte_array_new();
  int64_t splits[MAX_ITEMS + 1] = {0};
  int32_t slots[MAX_ITEMS], n_slots = 0;
  for (uint32_t i = 0; i < n; i++) {
    const struct weft_safetensors_tensor *t = weft_golden_tensor(g, items[i], name);
    slots[i] = t ? n_slots++ : -1;
    if (!t)
      continue;
    g_byte_array_append(data, t->data, (guint)t->n_bytes);
    splits[n_slots] = splits[n_slots - 1] + t->dims[0];
  }
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {splits[n_slots], width_of(g, name)}};
  struct weft_tensor *tensor =
      (struct weft_tensor *)weft_driver_tensor(d, &shape, data->data, (uint32_t)n_slots, splits);
  tensor->slots = g_memdup2(slots, n * sizeof *slots);
  return tensor;
}

static void run(WeftDriver *d, const Fusion *f, const WeftGolden *g, const int *items, uint32_t n)
{
  const struct weft_tensor *inputs[4] = {NULL};
  uint32_t n_inputs = 0;
  while (f->inputs[n_inputs]) {
    inputs[n_inputs] = input_of(d, g, f->inputs[n_inputs], items, n);
    n_inputs++;
  }
  if (weft_driver_run(d, n, inputs) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  for (uint32_t k = 0; k < n_inputs; k++)
    g_free((void *)inputs[k]->slots);
}

static const float *row_of(WeftDriver *d, const char *output, uint32_t item)
{
  const struct weft_tensor *t = weft_driver_output(d, output);
  return (const float *)t->data + (int64_t)item * t->dims[1];
}

static void test_gated_golden(gconstpointer data)
{
  const Fusion *f = data;
  g_autoptr(WeftGolden) g = weft_golden_open(f->name, f->model);
  g_assert_nonnull(g);
  g_autoptr(WeftDriver) d = start(f, g, 1);
  int items[MAX_ITEMS] = {0}, n = weft_golden_count(g, "fused");
  for (int i = 0; i < n; i++)
    items[i] = i;
  run(d, f, g, items, (uint32_t)n);
  for (int i = 0; i < n; i++) {
    static const char *const parts[] = {"fused", "weights", "quality"};
    double sum = 0;
    for (int p = 0; p < 3; p++) {
      const struct weft_safetensors_tensor *expected = weft_golden_tensor(g, i, parts[p]);
      weft_golden_check(g, row_of(d, parts[p], (uint32_t)i), expected, expected->dims[0]);
    }
    for (int k = 0; f->inputs[k]; k++) {
      float weight = row_of(d, "weights", (uint32_t)i)[k];
      g_assert_true(weight >= 0 && weight <= 1);
      if (!weft_golden_tensor(g, i, f->inputs[k]))
        g_assert_true(weight == 0);
      sum += weight;
    }
    g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
  }
}

static void test_gated_same_bytes(gconstpointer data)
{
  const Fusion *f = data;
  g_autoptr(WeftGolden) g = weft_golden_open(f->name, f->model);
  g_assert_nonnull(g);
  g_autoptr(WeftDriver) many = start(f, g, 1), threads = start(f, g, 2), one = start(f, g, 2);
  const int mixed[] = {3, 0, 2, 1, 4, 0, 3};
  run(many, f, g, mixed, G_N_ELEMENTS(mixed));
  run(threads, f, g, mixed, G_N_ELEMENTS(mixed));
  for (uint32_t i = 0; i < G_N_ELEMENTS(mixed); i++) {
    gsize n = (gsize)weft_driver_output(many, "fused")->dims[1] * sizeof(float);
    run(one, f, g, &mixed[i], 1);
    g_assert_cmpmem(row_of(many, "fused", i), n, row_of(one, "fused", 0), n);
    g_assert_cmpmem(row_of(many, "fused", i), n, row_of(threads, "fused", i), n);
    n = (gsize)weft_driver_output(many, "weights")->dims[1] * sizeof(float);
    g_assert_cmpmem(row_of(many, "weights", i), n, row_of(one, "weights", 0), n);
  }
}

static void test_classifier_golden(void)
{
  static const char *const labels[] = {"no", "yes", "müssen", "\"quoted\"", "零", "a longer label than the others", "7"};
  g_autoptr(WeftGolden) g = weft_golden_open("classifier-a", "tests/golden/classifier-a/model");
  g_assert_nonnull(g);
  const struct weft_safetensors_tensor *features = weft_golden_tensor(g, 0, "features");
  const struct weft_safetensors_tensor *expected = weft_golden_tensor(g, 0, "probabilities");
  int64_t n = features->dims[0], n_classes = expected->dims[1];
  g_autoptr(WeftDriver) d = weft_driver_new("classifier", "classifier");
  weft_test_threads(1);
  weft_driver_model(d, g->model, "0123");
  weft_driver_bind(d, "features", NULL, features->dims[1]);
  weft_driver_bind_attribute(d, "space", "f00d/fused");
  if (weft_driver_start(d) != WEFT_OK)
    g_error("%s", weft_driver_message(d));
  struct weft_tensor shape = {.dtype = weft_f32(), .rank = 2, .dims = {n, features->dims[1]}};
  const struct weft_tensor *input = weft_driver_tensor(d, &shape, features->data, (uint32_t)n, NULL);
  g_assert_cmpint(weft_driver_run(d, (uint32_t)n, &input), ==, WEFT_OK);
  weft_golden_check(g, row_of(d, "probabilities", 0), expected, n * n_classes);
  const struct weft_tensor *label = weft_driver_output(d, "label");
  for (uint32_t i = 0; i < n; i++) {
    const float *p = row_of(d, "probabilities", i);
    int64_t best = 0;
    double sum = p[0];
    for (int64_t c = 1; c < n_classes; c++) {
      best = p[c] > p[best] ? c : best;
      sum += p[c];
    }
    struct weft_rows rows = weft_rows_of(label, i);
    g_assert_cmpfloat_with_epsilon(sum, 1, 1e-6);
    g_assert_cmpmem((const char *)label->data + rows.begin, (gsize)(rows.end - rows.begin), labels[best],
                    strlen(labels[best]));
    g_assert_true(((const float *)weft_driver_output(d, "probability")->data)[i] == p[best]);
  }
  g_assert_cmpstr(weft_attribute_find(&weft_driver_ports(d)->outputs[2], "labels"), ==,
                  "[\"no\",\"yes\",\"müssen\",\"\\\"quoted\\\"\",\"零\",\"a longer label than the others\",\"7\"]");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  weft_test_offer_compute();
  for (gsize i = 0; i < G_N_ELEMENTS(fusions); i++) {
    g_autofree char *golden = g_strdup_printf("/%s/golden", fusions[i].name);
    g_autofree char *bytes = g_strdup_printf("/%s/same-bytes", fusions[i].name);
    g_test_add_data_func(golden, &fusions[i], test_gated_golden);
    g_test_add_data_func(bytes, &fusions[i], test_gated_same_bytes);
  }
  g_test_add_func("/classifier-a/golden", test_classifier_golden);
  return g_test_run();
}
