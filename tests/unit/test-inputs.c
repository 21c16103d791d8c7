/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of a graph that are no bytes of media: rows of numbers, one row an item, groups of rows. */
#include "runtime-fixture.h"

#include <string.h>

#define CHANNELS 3

static const struct weft_port samples_port = {.name = "samples", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2,
                                              .dims = {-1, CHANNELS}, .n_split_levels = 1};
static const struct weft_port gain_port = {.name = "gain", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}};
static const struct weft_port lines_port = {.name = "lines", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                            .n_split_levels = 2};

/* Sum of all samples times the gain (1 without one), plus 1000 for every line and 1 for every byte of one. */
static weft_status add_up(void *instance, struct weft_call *call)
{
  const struct weft_tensor *samples = call->inputs[0], *gain = call->inputs[1], *lines = call->inputs[2];
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(samples, i), one = weft_rows_of(gain, i), text = weft_rows_of(lines, i);
    float sum = 0;
    for (int64_t k = rows.begin * CHANNELS; k < rows.end * CHANNELS; k++)
      sum += ((const float *)samples->data)[k];
    if (one.present)
      sum *= (float)((const int32_t *)gain->data)[one.begin];
    int64_t slot = lines->slots ? lines->slots[i] : (int64_t)i;
    if (text.present)
      sum += 1000 * (float)(lines->splits[0][slot + 1] - lines->splits[0][slot]) + (float)(text.end - text.begin);
    ((float *)call->outputs[0].tensor.data)[weft_rows_of(&call->outputs[0].tensor, i).begin] = sum;
  }
  return WEFT_OK;
}

static uint32_t begin(struct fx *fx)
{
  fx_init(fx, 1);
  uint32_t in[] = {fx_input(fx, "samples"), fx_input(fx, "gain"), fx_input(fx, "lines")};
  fx->ports[in[0]] = samples_port;
  fx->ports[in[1]] = gain_port;
  fx->ports[in[2]] = lines_port;
  uint32_t out = fx_node(fx, "sum", FX(add_up, NULL), fx_f32, in, 3);
  fx_seal(fx, 4);
  return out;
}

static struct weft_frame *run(struct fx *fx, const struct weft_blob *blobs, const struct weft_blob_groups *groups,
                              uint32_t n)
{
  struct weft_request requests[4] = {{0}};
  struct weft_frame *frame = NULL;
  for (uint32_t i = 0; i < n; i++)
    requests[i] = (struct weft_request){.inputs = blobs + 3 * i, .groups = groups ? groups + 3 * i : NULL};
  g_assert_cmpint(weft_graph_run(fx->graph, requests, n, &frame), ==, WEFT_OK);
  return frame;
}

static void test_inputs_of_any_rows(void)
{
  static const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {10, 20, 30};
  static const int32_t two = 2;
  static const int64_t groups_a[] = {0, 2, 2, 5}, groups_c[] = {0, 1};
  struct fx fx;
  uint32_t out = begin(&fx);
  struct weft_blob blobs[] = {{a, sizeof a, 1}, {&two, sizeof two, 1}, {"abcde", 5, 1}, /* 42 + 3005 */
                              {b, sizeof b, 1}, {NULL, 0, 0},          {NULL, 0, 0},    /* 60 */
                              {NULL, 0, 1},     {&two, sizeof two, 1}, {"x", 1, 1}};    /* 0 + 1001 */
  const struct weft_blob_groups groups[9] = {[2] = {groups_a, 3}, [8] = {groups_c, 1}};
  for (int round = 0; round < 3; round++) { /* a frame that is used again */
    struct weft_frame *frame = run(&fx, blobs, groups, 3);
    g_assert_cmpfloat(fx_number(frame, out, 0), ==, 3047);
    g_assert_cmpfloat(fx_number(frame, out, 1), ==, 60);
    g_assert_cmpfloat(fx_number(frame, out, 2), ==, 1001);
    weft_frame_release(frame);
    frame = run(&fx, blobs, groups, 1);
    g_assert_cmpfloat(fx_number(frame, out, 0), ==, 3047);
    weft_frame_release(frame);
  }
  fx_clear(&fx);
}

static void test_inputs_of_half_rows(void)
{
  static const float a[] = {1, 2, 3, 4, 5, 6};
  static const int64_t late[] = {0, 3}, backwards[] = {0, 4, 2, 5};
  struct fx fx;
  uint32_t out = begin(&fx);
  const struct weft_blob_groups bad_groups[] = {{0}, {0}, {late, 1}, {backwards, 3}, {NULL, 0}};
  const struct weft_blob none = {NULL, 0, 0}, text = {"abcde", 5, 1};
  const struct weft_blob bad[] = {{a, 20, 1}, {a, 8, 1}, text, text, text};
  static const uint32_t place[] = {0, 1, 2, 2, 2};
  for (guint k = 0; k < G_N_ELEMENTS(bad); k++) {
    struct weft_blob blobs[] = {{a, sizeof a, 1}, none, none, {a, sizeof a, 1}, none, none};
    struct weft_blob_groups groups[6] = {[5] = bad_groups[k]};
    blobs[3 + place[k]] = bad[k];
    struct weft_frame *frame = run(&fx, blobs, k < 4 ? groups : NULL, 2);
    g_assert_cmpint(weft_frame_status(frame, 1), ==, WEFT_BAD_INPUT);
    g_assert_nonnull(strstr(weft_frame_message(frame, 1), "whole rows"));
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
    g_assert_cmpfloat(fx_number(frame, out, 0), ==, 21);
    weft_frame_release(frame);
  }
  fx_clear(&fx);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/inputs/of-any-rows", test_inputs_of_any_rows);
  g_test_add_func("/inputs/of-half-rows", test_inputs_of_half_rows);
  return g_test_run();
}
