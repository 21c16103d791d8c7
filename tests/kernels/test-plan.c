/* SPDX-License-Identifier: Apache-2.0 */
/* The plan builder: shapes, splits, errors that name what was expected and found. */
#include "layers.h"
#include "plan-check.h"
#include "plan.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static const float zeros[4096];

static weft_value weight(struct weft_nn_plan *p, const char *name, uint32_t rank, int64_t a, int64_t b)
{
  struct weft_plan_weight w = {.name = name, .data = zeros, .dtype = weft_f32(), .rank = rank, .dims = {a, b}};
  return weft_nn_weight(p, &w);
}

/* The plan failed, and its message holds both texts. */
static void assert_error(struct weft_nn_plan *p, const char *one, const char *other)
{
  g_assert_null(weft_nn_plan_finish(p));
  g_assert_cmpint(weft_nn_plan_status(p), ==, WEFT_BAD_CONFIG);
  if (!strstr(weft_nn_plan_error(p), one) || !strstr(weft_nn_plan_error(p), other))
    g_error("expected \"%s\" and \"%s\" in: %s", one, other, weft_nn_plan_error(p));
  weft_nn_plan_free(p);
}

static struct weft_nn_plan *start(weft_value *x)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  *x = weft_nn_input(p, "x", weft_f32(), weft_nn_input_splits(p, "rows"), 8);
  return p;
}

static void test_plan_builds(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_value y = weft_nn_linear(p, x, weight(p, "w", 2, 5, 8), weight(p, "b", 1, 5, 0), WEFT_ACT_GELU, WEFT_NO_VALUE);
  g_assert_cmpint(weft_nn_width(p, y), ==, 5);
  g_assert_cmpint(weft_nn_output(p, y), ==, 0);
  const struct weft_plan *plan = weft_nn_plan_finish(p);
  g_assert_nonnull(plan);
  g_assert_cmpuint(plan->n_ops, ==, 1);
  g_assert_cmpstr(plan->weights[plan->ops[0].site - 1].name, ==, "w");
  g_assert_cmpuint(plan->n_inputs, ==, 2);
  g_assert_cmpuint(plan->values[y].splits, ==, plan->inputs[0]);
  char message[WEFT_MESSAGE_BYTES];
  g_assert_cmpint(weft_nn_plan_check(plan, message), ==, WEFT_OK);
  weft_nn_plan_free(p);
  weft_nn_plan_free(NULL);
}

static void test_plan_splits_are_shared(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  weft_value x = weft_nn_input(p, "x", weft_f32(), weft_nn_splits_uniform(p, 16), 8);
  g_assert_cmpint(weft_nn_rows_per_item(p, x), ==, 16);
  weft_value a = weft_nn_prepend(p, x, weight(p, "a", 1, 8, 0)), b = weft_nn_prepend(p, x, weight(p, "b", 2, 1, 8));
  g_assert_cmpint(weft_nn_rows_per_item(p, a), ==, 17);
  weft_value sum = weft_nn_add(p, a, b);
  g_assert_cmpint(weft_nn_rows_per_item(p, weft_nn_slice_rows(p, sum, 3, 100)), ==, 14);
  weft_value pooled = weft_nn_select_row(p, sum, 0);
  g_assert_cmpint(weft_nn_rows_per_item(p, pooled), ==, 1);
  g_assert_cmpint(weft_nn_rows_per_item(p, weft_nn_prepend(p, pooled, weight(p, "c", 2, 2, 8))), ==, 3);
  weft_nn_output(p, sum);
  g_assert_nonnull(weft_nn_plan_finish(p));
  weft_nn_plan_free(p);
  p = weft_nn_plan_new();
  x = weft_nn_input(p, "x", weft_f32(), weft_nn_input_splits(p, "rows"), 8);
  weft_value c = weight(p, "c", 2, 2, 8);
  weft_nn_output(p, weft_nn_add(p, weft_nn_prepend(p, x, c), weft_nn_prepend(p, x, c)));
  g_assert_cmpint(weft_nn_plan_status(p), ==, WEFT_OK);
  weft_nn_plan_free(p);
}

static void test_plan_first_error_sticks(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  g_assert_cmpuint(weft_nn_layer_norm(p, x, weight(p, "gamma", 1, 7, 0), WEFT_NO_VALUE, 1e-5), ==, WEFT_NO_VALUE);
  weft_nn_linear(p, x, x, x, 99, x);
  g_assert_cmpint(weft_nn_output(p, x), ==, -1);
  assert_error(p, "layer_norm: gamma: expected a weight [8]", "found gamma f32 [7]");
  g_assert_cmpuint(weft_nn_scale(NULL, 0, 1, 0), ==, WEFT_NO_VALUE);
  g_assert_cmpint(weft_nn_plan_status(NULL), ==, WEFT_NO_MEMORY);
}

static void test_plan_linear_errors(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_nn_linear(p, x, weight(p, "query.weight", 2, 5, 9), WEFT_NO_VALUE, 0, WEFT_NO_VALUE);
  assert_error(p, "linear: weight: expected a weight [n, 8]", "found query.weight f32 [5, 9]");
  p = start(&x);
  weft_nn_linear(p, x, weight(p, "w", 2, 5, 8), weight(p, "b", 1, 4, 0), 0, WEFT_NO_VALUE);
  assert_error(p, "bias: expected a weight [5]", "found b f32 [4]");
  p = start(&x);
  weft_nn_linear(p, x, weight(p, "w", 2, 5, 8), WEFT_NO_VALUE, 0, x);
  assert_error(p, "residual", "found x f32 [*, 8]");
  p = start(&x);
  weft_nn_linear(p, x, weight(p, "w", 2, 5, 8), WEFT_NO_VALUE, WEFT_N_ACT, WEFT_NO_VALUE);
  assert_error(p, "WEFT_ACT_*", "found 8");
  p = start(&x);
  weft_nn_linear(p, WEFT_NO_VALUE, weight(p, "w", 2, 5, 8), WEFT_NO_VALUE, 0, WEFT_NO_VALUE);
  assert_error(p, "x: expected rows f32 [*, d]", "found nothing");
}

static void attention_error(struct weft_nn_attention a, const char *one, const char *other)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  weft_value splits = weft_nn_input_splits(p, "rows"), others = weft_nn_input_splits(p, "others");
  const weft_value values[] = {weft_nn_input(p, "x", weft_f32(), splits, 8), weft_nn_input(p, "narrow", weft_f32(), splits, 4),
                               weft_nn_input(p, "other", weft_f32(), others, 8), weight(p, "table", 2, 4, 2),
                               weight(p, "odd", 2, 4, 3)};
  a.q = values[a.q], a.k = values[a.k], a.v = values[a.v], a.bias = values[a.bias];
  weft_nn_attention(p, &a);
  assert_error(p, one, other);
}

enum { X, NARROW, OTHER, TABLE, ODD };

static void test_plan_attention_errors(void)
{
  attention_error((struct weft_nn_attention){.n_heads = 3}, "attention: 8 columns cannot be divided into 3 heads", "");
  attention_error((struct weft_nn_attention){.k = OTHER, .n_heads = 2}, "v: expected rows as many as those of k", "x f32");
  attention_error((struct weft_nn_attention){.k = NARROW, .n_heads = 2}, "k: expected rows of 2 heads of 4, 8 columns",
                  "found narrow f32 [*, 4]");
  attention_error((struct weft_nn_attention){.n_heads = 4, .n_kv_heads = 3}, "4 heads of queries cannot share 3", "");
  attention_error((struct weft_nn_attention){.n_heads = 4, .n_kv_heads = 2, .v = NARROW},
                  "k: expected rows of 2 heads of 2, 4 columns", "found x");
  attention_error((struct weft_nn_attention){.n_heads = 2, .window = 1, .left = -1}, "expected a window of 0 to 2^31",
                  "found -1 and 0");
  attention_error((struct weft_nn_attention){.n_heads = 2, .global_first = 3, .global_end = 2}, "a global range",
                  "found [3, 2)");
  attention_error((struct weft_nn_attention){.n_heads = 2, .relative = 1, .bias = ODD, .max_distance = 8},
                  "bias: expected a weight [n, 2]", "found odd f32 [4, 3]");
  attention_error((struct weft_nn_attention){.n_heads = 2, .relative = 1, .bias = TABLE, .max_distance = 1},
                  "a largest distance beyond the 1", "found 1");
  attention_error((struct weft_nn_attention){.n_heads = 2, .scale = INFINITY}, "expected a finite scale", "inf");
}

static void test_plan_other_errors(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_nn_embedding(p, x, weight(p, "t", 2, 4, 8));
  assert_error(p, "embedding: ids: expected rows i32 [*]", "found x f32 [*, 8]");
  p = start(&x);
  weft_nn_add_position(p, x, weight(p, "t", 2, 4, 8), 4);
  assert_error(p, "first position 4 is outside of a table of 4 rows", "");
  p = start(&x);
  weft_nn_add(p, x, weft_nn_select_row(p, x, 0));
  assert_error(p, "add: y: expected rows as many as those of x", "found value");
  p = start(&x);
  weft_nn_conv2d(p, x, &(struct weft_nn_conv2d){.height = 4, .width = 4, .channels = 3, .kernel_y = 5, .kernel_x = 4,
                                               .stride_y = 1, .stride_x = 1}, x, x);
  assert_error(p, "conv2d: a kernel of 5 x 4", "does not fit into a picture of 4 x 4");
  p = start(&x);
  weft_nn_conv2d(p, x, &(struct weft_nn_conv2d){.height = 4, .width = 4, .channels = 1, .kernel_y = 2, .kernel_x = 2,
                                               .stride_y = 2, .stride_x = 2, .at_y = 8, .at_x = 1, .at_channel = 1},
                 x, x);
  assert_error(p, "patches: distances 8, 1, 1 lead beyond the 16 floats", "");
  p = start(&x);
  weft_nn_input(p, "y", weft_u8(), WEFT_NO_VALUE, 3);
  assert_error(p, "input y: expected element type f32 or i32", "8 bits");
  p = start(&x);
  weft_nn_input(p, "y", weft_f32(), x, 3);
  assert_error(p, "input y: its splits", "are not splits");
  p = start(&x);
  weft_nn_output(p, x);
  assert_error(p, "output 0", "is not the rows that an operation writes");
  p = start(&x);
  assert_error(p, "the plan has no output", "");
}

/* Each of the newer layers says what it expected and what it found. */
static void test_plan_layer_errors(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_nn_rms_norm(p, x, weight(p, "gamma", 1, 4, 0), 1e-6, 1);
  assert_error(p, "rms_norm: gamma: expected a weight [8]", "found gamma f32 [4]");
  p = start(&x);
  weft_nn_group_norm(p, x, WEFT_NO_VALUE, WEFT_NO_VALUE, 1e-5, 3);
  assert_error(p, "group_norm: 8 columns cannot be divided into 3 parts", "");
  p = start(&x);
  weft_nn_rotary(p, x, &(struct weft_nn_rotary){.n_heads = 2, .d_rotated = 6, .base = 10000});
  assert_error(p, "rotary: expected an even number of columns to turn, 2 to 4", "found 6");
  p = start(&x);
  weft_nn_clamp(p, x, 1, 0);
  assert_error(p, "clamp: expected a range", "found [1, 0]");
  p = start(&x);
  weft_nn_slice_columns(p, x, 5, 4);
  assert_error(p, "slice_columns: columns [5, +4) are outside of 8", "");
  p = start(&x);
  weft_nn_top_k(p, x, 9);
  assert_error(p, "top_k: expected 1 to 8 numbers", "found 9");
  p = start(&x);
  weft_nn_concat_columns(p, (const weft_value[]){x, weft_nn_select_row(p, x, 0)}, 2);
  assert_error(p, "concat_columns: input 1: expected rows as many as those of input 0", "found value");
  p = start(&x);
  weft_nn_concat_rows(p, x, weft_nn_slice_columns(p, x, 0, 4));
  assert_error(p, "concat_rows: y: expected rows as wide as those of x", "[*, 4]");
  p = start(&x);
  weft_nn_repeat_row(p, x, x);
  assert_error(p, "repeat_row: x: expected one row an item", "found x f32 [*, 8]");
  p = start(&x);
  weft_nn_weighted_sum(p, x, weft_nn_slice_columns(p, x, 0, 3));
  assert_error(p, "weighted_sum: p: expected rows as many as those of x, whose width they divide", "[*, 3]");
  p = start(&x);
  struct weft_nn_grouped g = {.x = x, .ids = weft_nn_top_k(p, x, 2), .weight = weight(p, "w", 2, 5, 8),
                              .bias = WEFT_NO_VALUE, .multiplier = WEFT_NO_VALUE};
  weft_nn_grouped_linear(p, &g);
  assert_error(p, "grouped_linear: weight: expected a weight [e, n, 8]", "found w f32 [5, 8]");
  p = start(&x);
  g.ids = x;
  weft_nn_grouped_linear(p, &g);
  assert_error(p, "grouped_linear: ids: expected rows i32", "found x f32 [*, 8]");
  p = start(&x);
  weft_nn_weight_rows(p, weight(p, "w", 2, 5, 8), 3, 3);
  assert_error(p, "weight w: rows [3, +3) are outside of its 5", "");
}

static void conv_of_height(struct weft_nn_plan *p, int64_t height)
{
  weft_value x = weft_nn_input(p, "x", weft_f32(), weft_nn_splits_uniform(p, height), 1);
  struct weft_nn_conv2d conv = {.height = height, .width = 1, .channels = 1, .kernel_y = 1, .kernel_x = 1,
                                .stride_y = 1, .stride_x = 1};
  weft_nn_conv2d(p, x, &conv, weight(p, "w", 2, 4, 1), WEFT_NO_VALUE);
}

static void test_plan_sizes_at_and_beyond_the_limit(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  conv_of_height(p, 65536);
  g_assert_cmpint(weft_nn_plan_status(p), ==, WEFT_OK);
  conv_of_height(p, 65537);
  assert_error(p, "patches: expected sizes of 1 to 65536", "found 65537");
  p = weft_nn_plan_new();
  g_assert_cmpuint(weft_nn_splits_uniform(p, INT64_C(1) << 31), ==, 0);
  weft_nn_splits_uniform(p, (INT64_C(1) << 31) + 1);
  assert_error(p, "splits_uniform: expected row counts of 0 to 2^31", "found 2147483649");
}

static void test_plan_weight_errors(void)
{
  struct weft_nn_plan *p = weft_nn_plan_new();
  weft_nn_weight(p, &(struct weft_plan_weight){.name = "w", .dtype = weft_f32(), .rank = 1, .dims = {4}});
  assert_error(p, "weight w: has no data", "");
  p = weft_nn_plan_new();
  weft_nn_weight(p, &(struct weft_plan_weight){.name = "w", .data = zeros, .dtype = weft_i64(), .rank = 1, .dims = {4}});
  assert_error(p, "weight w: expected element type f32, f16 or bf16", "found i64");
  p = weft_nn_plan_new();
  weft_nn_weight(p, &(struct weft_plan_weight){.name = "w", .data = zeros, .dtype = weft_f32(), .rank = 6, .dims = {4}});
  assert_error(p, "expected 1 to 5 dims", "found 6");
  p = weft_nn_plan_new();
  weight(p, "w", 2, 4, 0);
  assert_error(p, "expected 1 to 2^31 elements", "found 0 in dim 1");
  p = weft_nn_plan_new();
  g_assert_cmpuint(weight(p, "w", 2, 1 << 16, 1 << 15), ==, 0);
  weight(p, "w", 2, 1 << 16, (1 << 15) + 1);
  assert_error(p, "expected 1 to 2^31 elements", "found 32769 in dim 1");
}

/* A provider checks a plan it did not build. */
static void test_plan_check_finds_forgeries(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_value y = weft_nn_layer_norm(p, x, weight(p, "gamma", 1, 8, 0), WEFT_NO_VALUE, 1e-5);
  weft_nn_output(p, weft_nn_add(p, x, y));
  struct weft_plan plan = *weft_nn_plan_finish(p);
  char message[WEFT_MESSAGE_BYTES];
  struct weft_plan_op ops[2] = {plan.ops[1], plan.ops[0]};
  plan.ops = ops;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(message, "which is not written before"));
  memcpy(ops, weft_nn_plan_finish(p)->ops, sizeof ops);
  ops[1].outputs[0] = ops[0].outputs[0];
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(message, "nothing wrote before"));
  memcpy(ops, weft_nn_plan_finish(p)->ops, sizeof ops);
  ops[0].code = 1000;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_UNSUPPORTED);
  g_assert_nonnull(strstr(message, "number 1000 is not known"));
  memcpy(ops, weft_nn_plan_finish(p)->ops, sizeof ops);
  ops[0].inputs[1] = 4000;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_BAD_CONFIG);
  ops[0].inputs[1] = weft_nn_plan_finish(p)->ops[0].inputs[1];
  ops[0].n_inputs = WEFT_PLAN_INPUTS + 1;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_BAD_CONFIG);
  memcpy(ops, weft_nn_plan_finish(p)->ops, sizeof ops);
  struct weft_plan_value *values = g_memdup2(plan.values, plan.n_values * sizeof *values);
  plan.values = values;
  values[y].dims[1] = 9;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(message, "not declared as what the operation gives"));
  values[y].dims[1] = 8;
  g_assert_cmpint(weft_nn_plan_check(&plan, message), ==, WEFT_OK);
  g_free(values);
  weft_nn_plan_free(p);
}

static void collect(void *data, const char *line)
{
  g_string_append_printf(data, "%s\n", line);
}

static void test_plan_prints(void)
{
  weft_value x;
  struct weft_nn_plan *p = start(&x);
  weft_value y = weft_nn_linear(p, x, weight(p, "query.weight", 2, 5, 8), WEFT_NO_VALUE, WEFT_ACT_GELU, WEFT_NO_VALUE);
  weft_nn_output(p, weft_nn_softmax(p, y, .5));
  GString *text = g_string_new(NULL);
  weft_nn_plan_print(weft_nn_plan_finish(p), collect, text);
  g_assert_cmpstr(text->str, ==,
                  "%0 = input 0: rows splits\n"
                  "%1 = input 1: x f32 [*, 8]\n"
                  "%3 = linear(%1, query.weight f32 [5, 8], -, -) i0=1 -> value 3 f32 [*, 5] by %0\n"
                  "%4 = softmax(%3) f0=0.5 -> value 4 f32 [*, 5] by %0\n"
                  "output 0 = %4\n");
  g_string_free(text, TRUE);
  weft_nn_plan_free(p);
}

static void test_plan_activation_names(void)
{
  g_assert_cmpint(weft_nn_activation_find("gelu"), ==, WEFT_ACT_GELU);
  g_assert_cmpint(weft_nn_activation_find("gelu_new"), ==, WEFT_ACT_GELU_TANH);
  g_assert_cmpint(weft_nn_activation_find("swish"), ==, WEFT_ACT_SILU);
  g_assert_cmpint(weft_nn_activation_find("mish"), ==, -1);
  g_assert_cmpint(weft_nn_activation_find(NULL), ==, -1);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/plan/builds", test_plan_builds);
  g_test_add_func("/plan/splits_are_shared", test_plan_splits_are_shared);
  g_test_add_func("/plan/first_error_sticks", test_plan_first_error_sticks);
  g_test_add_func("/plan/linear_errors", test_plan_linear_errors);
  g_test_add_func("/plan/attention_errors", test_plan_attention_errors);
  g_test_add_func("/plan/other_errors", test_plan_other_errors);
  g_test_add_func("/plan/sizes_at_and_beyond_the_limit", test_plan_sizes_at_and_beyond_the_limit);
  g_test_add_func("/plan/layer_errors", test_plan_layer_errors);
  g_test_add_func("/plan/weight_errors", test_plan_weight_errors);
  g_test_add_func("/plan/check_finds_forgeries", test_plan_check_finds_forgeries);
  g_test_add_func("/plan/prints", test_plan_prints);
  g_test_add_func("/plan/activation_names", test_plan_activation_names);
  return g_test_run();
}
