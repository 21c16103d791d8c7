/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation by itself: random shapes, odd tails, empty items, no items; see fixture.h for what is compared. */
#include "fixture.h"
#include "host.h"
#include "layers.h"
#include "provider.h"

#include <string.h>

static void test_attention(void)
{
  for (int round = 0; round < 14; round++) {
    struct fixture f;
    fixture_init(&f, "attention");
    int64_t n_kv = 1 + test_random(3), n_heads = n_kv * (1 + test_random(3)), d = 1 + test_random(40), e = 1 + test_random(40);
    weft_value mine = fixture_splits(&f, round % 5 ? 20 : 400), theirs = round % 2 ? mine : fixture_splits(&f, 30);
    struct weft_nn_attention a = {.q = fixture_rows(&f, mine, n_heads * d), .k = fixture_rows(&f, theirs, n_kv * d),
                                  .v = fixture_rows(&f, theirs, n_kv * e), .n_heads = n_heads, .n_kv_heads = n_kv,
                                  .causal = test_random(2) == 0, .window = test_random(2) == 0, .left = test_random(9),
                                  .right = test_random(9), .global_first = test_random(4), .relative = test_random(2) == 0,
                                  .one_sided = test_random(2) == 0, .max_distance = 16 + test_random(8)};
    a.global_end = a.global_first + test_random(4);
    a.bias = a.relative ? FIXTURE_WEIGHT(&f, 1, 4 + test_random(12), n_heads) : WEFT_NO_VALUE;
    fixture_out(&f, weft_nn_attention(f.p, &a));
    fixture_check(&f);
  }
}

static void test_norms(void)
{
  for (int round = 0; round < 12; round++) {
    struct fixture f;
    fixture_init(&f, "norms");
    int64_t parts = 1 + test_random(4), d = 1 + test_random(40);
    weft_value x = fixture_rows(&f, fixture_splits(&f, 20), parts * d);
    weft_value gamma = test_random(2) ? FIXTURE_WEIGHT(&f, 1, d) : WEFT_NO_VALUE;
    fixture_out(&f, weft_nn_rms_norm(f.p, x, gamma, 1e-6, parts));
    fixture_out(&f, weft_nn_l2_norm(f.p, x, test_random(2) ? 1e-12 : 100));
    gamma = test_random(2) ? FIXTURE_WEIGHT(&f, 1, parts * d) : WEFT_NO_VALUE;
    weft_value beta = test_random(2) ? FIXTURE_WEIGHT(&f, 1, parts * d) : WEFT_NO_VALUE;
    if (d > 1)
      fixture_out(&f, weft_nn_group_norm(f.p, x, gamma, beta, 1e-2, parts));
    fixture_check(&f);
  }
}

static void test_group_norm_over_many_columns(void)
{
  struct fixture f;
  fixture_init(&f, "group_norm");
  weft_value x = fixture_rows(&f, fixture_splits_of(&f, 2, 9, 1), 600);
  fixture_out(&f, weft_nn_group_norm(f.p, x, WEFT_NO_VALUE, WEFT_NO_VALUE, 1e-2, 600));
  fixture_out(&f, weft_nn_group_norm(f.p, x, WEFT_NO_VALUE, WEFT_NO_VALUE, 1e-5, 40));
  fixture_out(&f, weft_nn_group_norm(f.p, x, WEFT_NO_VALUE, WEFT_NO_VALUE, 1e-5, 2));
  fixture_check(&f);
}

static void test_rotary(void)
{
  for (int round = 0; round < 10; round++) {
    struct fixture f;
    fixture_init(&f, "rotary");
    int64_t n_heads = 1 + test_random(4), d = 2 + test_random(70);
    struct weft_nn_rotary r = {.n_heads = n_heads, .d_rotated = 2 + 2 * test_random((uint32_t)(d / 2)), .base = 10000,
                               .first = test_random(2) ? 0 : test_random(5000), .pairs = (int)test_random(2)};
    weft_value x = fixture_rows(&f, fixture_splits(&f, round ? 40 : 500), n_heads * d);
    fixture_out(&f, weft_nn_rotary(f.p, x, &r));
    fixture_check(&f);
  }
}

static void test_elements(void)
{
  weft_value (*const binary[])(struct weft_nn_plan *, weft_value, weft_value) = {weft_nn_sub, weft_nn_div, weft_nn_min,
                                                                                 weft_nn_max};
  for (size_t k = 0; k < G_N_ELEMENTS(binary); k++)
    for (int other = 0; other < 3; other++) {
      struct fixture f;
      fixture_init(&f, "elements");
      int64_t d = 1 + test_random(40);
      weft_value splits = fixture_splits(&f, 9), x = fixture_rows(&f, splits, d);
      weft_value y = other == 0 ? fixture_rows(&f, splits, d) : fixture_rows(&f, splits, 1);
      if (other == 2)
        y = FIXTURE_WEIGHT(&f, 1, d);
      /* away from 0: what is divided by it has no digits left */
      weft_value z = binary[k] == weft_nn_div && other < 2 ? weft_nn_scale(f.p, weft_nn_abs(f.p, y), 1, .5) : y;
      f.bar = other == 2 ? 1e-3 : 1e-5;
      fixture_out(&f, binary[k](f.p, x, z));
      fixture_out(&f, weft_nn_abs(f.p, x));
      fixture_out(&f, weft_nn_exp(f.p, x));
      fixture_out(&f, weft_nn_clamp(f.p, x, -.5, .25));
      fixture_check(&f);
    }
}

static void test_columns(void)
{
  for (int round = 0; round < 8; round++) {
    struct fixture f;
    fixture_init(&f, "columns");
    int64_t d = 2 + test_random(40), k = 1 + test_random((uint32_t)d);
    weft_value splits = fixture_splits(&f, 9), x = fixture_rows(&f, splits, d), y = fixture_rows(&f, splits, 3);
    fixture_out(&f, weft_nn_concat_columns(f.p, (const weft_value[]){x, y, x, y}, 4));
    int64_t first = test_random((uint32_t)d);
    fixture_out(&f, weft_nn_slice_columns(f.p, x, first, d - first));
    /* all alike but a few: ties */
    weft_value ids = fixture_out(&f, weft_nn_top_k(f.p, weft_nn_clamp(f.p, x, -.5, .5), k));
    fixture_out(&f, weft_nn_take_columns(f.p, x, ids));
    weft_value p = fixture_out(&f, weft_nn_softmax(f.p, weft_nn_take_columns(f.p, x, ids), 1));
    fixture_out(&f, weft_nn_weighted_sum(f.p, weft_nn_concat_columns(f.p, (const weft_value[]){p, p}, 2), p));
    fixture_check(&f);
  }
}

static void test_rows_by_place(void)
{
  for (int round = 0; round < 8; round++) {
    struct fixture f;
    fixture_init(&f, "places");
    int64_t d = 1 + test_random(40);
    weft_value a = fixture_splits(&f, 9), b = fixture_splits_of(&f, 3, 9, 1), c = fixture_splits(&f, 7);
    weft_value x = fixture_rows(&f, a, d), y = fixture_rows(&f, b, d), each = fixture_rows(&f, WEFT_NO_VALUE, d);
    weft_value xy = fixture_out(&f, weft_nn_concat_rows(f.p, x, y));
    fixture_out(&f, weft_nn_concat_rows(f.p, each, xy));
    fixture_out(&f, weft_nn_concat_rows(f.p, each, each));
    fixture_out(&f, weft_nn_max_rows(f.p, x));
    fixture_out(&f, weft_nn_select_row(f.p, y, -1));
    fixture_out(&f, weft_nn_select_row(f.p, y, -3));
    fixture_out(&f, weft_nn_gather_rows(f.p, y, fixture_ids(&f, c, 0, 3)));
    fixture_out(&f, weft_nn_add(f.p, x, weft_nn_repeat_row(f.p, each, x)));
    fixture_check(&f);
  }
}

static void test_gated(void)
{
  struct fixture f;
  fixture_init(&f, "gated");
  weft_value x = fixture_rows(&f, fixture_splits(&f, 30), 24), wi = FIXTURE_WEIGHT(&f, .2f, 70, 24);
  struct weft_nn_gated g = {.x = x, .gate = weft_nn_weight_rows(f.p, wi, 0, 35), .gate_bias = WEFT_NO_VALUE,
                            .up = weft_nn_weight_rows(f.p, wi, 35, 35), .up_bias = FIXTURE_WEIGHT(&f, 1, 35),
                            .activation = WEFT_ACT_GELU};
  fixture_out(&f, weft_nn_gated_linear(f.p, &g));
  fixture_check(&f);
}

static void test_grouped(void)
{
  for (int round = 0; round < 16; round++) {
    struct fixture f;
    fixture_init(&f, "grouped");
    int64_t e = 1 + test_random(6), n = 1 + test_random(50), k = 1 + test_random(round % 4 ? 60 : 300);
    weft_value splits = fixture_splits(&f, round % 4 ? 20 : 150), x = fixture_rows(&f, splits, k);
    weft_value ids = fixture_ids(&f, round % 2 ? splits : WEFT_NO_VALUE, -1, e + 1);
    struct weft_nn_grouped g = {.x = x, .ids = ids, .weight = FIXTURE_WEIGHT(&f, .2f, e, n, k),
                                .bias = test_random(2) ? FIXTURE_WEIGHT(&f, 1, e, n) : WEFT_NO_VALUE,
                                .multiplier = test_random(2) ? fixture_rows(&f, splits, n) : WEFT_NO_VALUE,
                                .activation = (int)test_random(WEFT_N_ACT)};
    fixture_out(&f, weft_nn_grouped_linear(f.p, &g));
    fixture_check(&f);
  }
}

/* At lower precisions: the groups' panels and prepared rows are where they should be. */
static void test_grouped_precisions(void)
{
  static const double bars[WEFT_N_PRECISIONS] = {1e-5, .05, .1, 1};
  for (uint32_t precision = 0; precision < WEFT_N_PRECISIONS; precision++)
    for (int by_choice = 0; by_choice < 2; by_choice++) {
      struct fixture f;
      fixture_init(&f, "grouped at lower precisions");
      f.precision = precision;
      f.bar = bars[precision];
      weft_value splits = fixture_splits(&f, 200);
      struct weft_nn_grouped g = {.x = fixture_rows(&f, splits, by_choice ? 192 : 96), .ids = fixture_ids(&f, splits, -1, 6),
                                  .weight = FIXTURE_WEIGHT(&f, .1f, 5, 70, by_choice ? 192 : 96),
                                  .bias = FIXTURE_WEIGHT(&f, 1, 5, 70), .multiplier = WEFT_NO_VALUE, .by_choice = by_choice};
      fixture_out(&f, weft_nn_grouped_linear(f.p, &g));
      fixture_check(&f);
    }
}

/* A mixture of experts with gated hidden rows, and an adapter for each item. */
static void test_experts(void)
{
  struct fixture f;
  fixture_init(&f, "experts");
  const int64_t d = 24, hidden = 40, e = 5;
  weft_value splits = fixture_splits(&f, 60), x = fixture_rows(&f, splits, d);
  weft_value router = weft_nn_linear(f.p, x, FIXTURE_WEIGHT(&f, .3f, e, d), WEFT_NO_VALUE, 0, WEFT_NO_VALUE);
  weft_value ids = fixture_out(&f, weft_nn_top_k(f.p, router, 2));
  struct weft_nn_grouped g = {.x = x, .ids = ids, .weight = FIXTURE_WEIGHT(&f, .2f, e, hidden, d), .bias = WEFT_NO_VALUE,
                              .multiplier = WEFT_NO_VALUE};
  g.multiplier = weft_nn_grouped_linear(f.p, &g);
  g.weight = FIXTURE_WEIGHT(&f, .2f, e, hidden, d);
  g.activation = WEFT_ACT_SILU;
  g.x = fixture_out(&f, weft_nn_grouped_linear(f.p, &g));
  g = (struct weft_nn_grouped){.x = g.x, .ids = ids, .weight = FIXTURE_WEIGHT(&f, .2f, e, d, hidden), .bias = WEFT_NO_VALUE,
                               .multiplier = WEFT_NO_VALUE, .by_choice = 1};
  weft_value p = weft_nn_softmax(f.p, weft_nn_take_columns(f.p, router, ids), 1);
  weft_value y = fixture_out(&f, weft_nn_weighted_sum(f.p, weft_nn_grouped_linear(f.p, &g), p));
  weft_value adapter = fixture_ids(&f, WEFT_NO_VALUE, -1, 4);
  g = (struct weft_nn_grouped){.x = y, .ids = adapter, .weight = FIXTURE_WEIGHT(&f, .2f, 3, 4, d), .bias = WEFT_NO_VALUE,
                               .multiplier = WEFT_NO_VALUE};
  g.x = weft_nn_grouped_linear(f.p, &g);
  g.weight = FIXTURE_WEIGHT(&f, .2f, 3, d, 4);
  fixture_out(&f, weft_nn_add(f.p, y, weft_nn_grouped_linear(f.p, &g)));
  fixture_check(&f);
}

static void note(void *data, uint32_t slot, weft_status status, const char *message)
{
  g_string_append_printf(data, "%u: %s\n", slot, message);
}

/* Two items, the first of which has ids that lead outside: it fails alone, once, and the other is right. */
static void test_bad_ids_fail_their_item(void)
{
  static const float w[2 * 3 * 4] = {1};
  struct weft_plan_weight weight = {.data = w, .dtype = weft_f32(), .rank = 3, .dims = {2, 3, 4}};
  struct weft_nn_plan *p = weft_nn_plan_new();
  weft_value splits = weft_nn_input_splits(p, "s"), x = weft_nn_input(p, "x", weft_f32(), splits, 4);
  weft_value ids = weft_nn_input(p, "ids", weft_i32(), splits, 0);
  struct weft_nn_grouped g = {.x = x, .ids = ids, .weight = weft_nn_weight(p, &weight), .bias = WEFT_NO_VALUE,
                              .multiplier = WEFT_NO_VALUE};
  const weft_value values[] = {weft_nn_grouped_linear(p, &g), weft_nn_take_columns(p, x, ids), weft_nn_gather_rows(p, x, ids)};
  for (size_t k = 0; k < G_N_ELEMENTS(values); k++)
    weft_nn_output(p, values[k]);
  struct weft_program *program;
  weft_cpu_init(test_host(1));
  g_assert_cmpint(weft_cpu_table()->compile(NULL, weft_nn_plan_finish(p), NULL, &program), ==, WEFT_OK);
  const int64_t rows[] = {0, 2, 4};
  const float data[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  _Alignas(64) static uint8_t scratch[65536];
  static const int32_t bad[] = {4, -2, INT32_MAX, INT32_MIN};
  for (size_t b = 0; b < G_N_ELEMENTS(bad); b++)
    for (size_t only = 0; only < 3; only++) {
      const int32_t given[] = {0, bad[b], 1, 0};
      float out[16];
      GString *told = g_string_new(NULL);
      struct weft_compute_input inputs[] = {{rows, 0}, {data, 4}, {given, 4}};
      struct weft_compute_output outputs[3] = {{0}};
      outputs[only] = (struct weft_compute_output){.data = out, .n_rows_max = 4};
      struct weft_compute_run run = {.n_items = 2, .n_inputs = 3, .n_outputs = 3, .inputs = inputs, .outputs = outputs,
                                     .scratch = scratch, .n_scratch_bytes = sizeof scratch, .fail_item = note, .fail_data = told};
      g_assert_cmpint(weft_cpu_table()->run(program, &run), ==, WEFT_OK);
      g_assert_true(g_str_has_prefix(told->str, "0: "));
      g_assert_null(strstr(told->str, "\n1: "));
      if (only == 0)
        g_assert_cmpfloat(out[9], ==, 5);
      else if (only == 1)
        g_assert_cmpfloat(out[2], ==, 2);
      else
        g_assert_cmpfloat(out[8], ==, 5);
      g_string_free(told, TRUE);
    }
  weft_cpu_table()->free(program);
  weft_nn_plan_free(p);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  test_seed();
  g_test_add_func("/operations/attention", test_attention);
  g_test_add_func("/operations/norms", test_norms);
  g_test_add_func("/operations/group_norm_over_many_columns", test_group_norm_over_many_columns);
  g_test_add_func("/operations/rotary", test_rotary);
  g_test_add_func("/operations/elements", test_elements);
  g_test_add_func("/operations/columns", test_columns);
  g_test_add_func("/operations/rows_by_place", test_rows_by_place);
  g_test_add_func("/operations/gated", test_gated);
  g_test_add_func("/operations/grouped", test_grouped);
  g_test_add_func("/operations/experts", test_experts);
  g_test_add_func("/operations/grouped_precisions", test_grouped_precisions);
  g_test_add_func("/operations/bad_ids_fail_their_item", test_bad_ids_fail_their_item);
  return g_test_run();
}
