/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kernel of every instruction set but products (test-products.c) against double precision, on random
 * sizes. Results lie in guarded memory, so that a write beyond them shows.
 */
#include "host.h"
#include "isa.h"
#include "reference.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NMSE_MAX 1e-12

static const struct weft_kernels *kernels;

static double nmse(const float *found, const double *expected, size_t n)
{
  double error = 0, power = 0;
  for (size_t i = 0; i < n; i++) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    power += expected[i] * expected[i];
  }
  return error / (power > 0 ? power : 1);
}

static void test_activations_match(gconstpointer set)
{
  kernels = set;
  for (int act = 0; act < WEFT_N_ACT; act++) {
    double worst = 0;
    for (int i = -120000; i <= 120000; i += 7) {
      float x = (float)i * 1e-4f, y[1];
      kernels->activate(y, &x, 1, act);
      double error = fabs(y[0] - reference_activate(x, act)) / MAX(1, fabsf(x));
      worst = MAX(worst, error);
    }
    if (!(worst <= 1e-6))
      g_error("activation %d %s: error %g", act, kernels->name, worst);
    for (size_t n = 0; n < 40; n++) {
      float *x = test_normals(n, 3), *y = test_guarded(n), one;
      kernels->activate(y, x, n, act);
      for (size_t i = 0; i < n; i++) {
        kernels->activate(&one, x + i, 1, act);
        g_assert_cmpmem(&one, sizeof one, y + i, sizeof one);
      }
      test_guarded_free(y, n);
      free(x);
    }
  }
}

static void test_activations_extreme(gconstpointer set)
{
  kernels = set;
  const float x[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-40f, -0.f, 88.8f, -88.8f, 104.f, -104.f};
  float y[G_N_ELEMENTS(x)];
  for (int act = 0; act < WEFT_N_ACT; act++) {
    kernels->activate(y, x, G_N_ELEMENTS(x), act);
    g_assert_true(isnan(y[0]));
    if (act == WEFT_ACT_SIGMOID || act == WEFT_ACT_TANH) {
      g_assert_cmpfloat(y[1], ==, 1);
      g_assert_cmpfloat(fabsf(y[2] - (act == WEFT_ACT_TANH ? -1.f : 0.f)), <, 1e-30f);
    }
    for (size_t i = 3; i < G_N_ELEMENTS(x); i++)
      g_assert_true(isfinite(y[i]));
  }
}

static void test_layer_norm_matches(gconstpointer set)
{
  kernels = set;
  for (int round = 0; round < 200; round++) {
    size_t d = 1 + test_random(200);
    float *x = test_normals(d, 2), *gamma = test_normals(d, 1), *beta = test_normals(d, 1), *y = test_guarded(d);
    double mean = 0, variance = 0, error = 0, power = 0;
    int with_beta = (int)test_random(2);
    for (size_t i = 0; i < d; i++)
      x[i] += 3, mean += x[i] / (double)d;
    for (size_t i = 0; i < d; i++)
      variance += (x[i] - mean) * (x[i] - mean) / (double)d;
    kernels->layer_norm(y, x, gamma, with_beta ? beta : NULL, d, 1e-5f);
    for (size_t i = 0; i < d; i++) {
      double scaled = (x[i] - mean) / sqrt(variance + 1e-5) * gamma[i], shift = with_beta ? beta[i] : 0;
      error += (y[i] - scaled - shift) * (y[i] - scaled - shift);
      power += scaled * scaled + shift * shift;
    }
    /* What is subtracted is lost: values that hardly differ keep fewer digits. */
    if (d > 1)
      g_assert_cmpfloat(error / power, <=, NMSE_MAX * (1 + mean * mean / variance));
    test_guarded_free(y, d);
    free(x), free(gamma), free(beta);
  }
}

static void test_softmax_matches(gconstpointer set)
{
  kernels = set;
  for (size_t n = 1; n < 80; n++) {
    float *x = test_normals(n, 5), *y = test_guarded(n);
    double *expected = g_new(double, n);
    for (size_t i = 0; i < n; i++)
      expected[i] = x[i];
    reference_softmax(expected, expected, (int64_t)n, 1.5);
    kernels->softmax(y, x, n, 1.5f);
    g_assert_cmpfloat(nmse(y, expected, n), <=, NMSE_MAX);
    test_guarded_free(y, n);
    g_free(expected);
    free(x);
  }
  float nothing = 7;
  kernels->softmax(&nothing, &nothing, 0, 1);
  g_assert_cmpfloat(nothing, ==, 7);
  float masked[3] = {-INFINITY, 0, 0}, y[3];
  kernels->softmax(y, masked, 3, 1);
  g_assert_cmpfloat(y[0], ==, 0);
  g_assert_cmpfloat(y[1], ==, .5f);
}

/* One item: ld is more than the heads need, so that neighbours show what is written beyond. */
struct attention_case {
  size_t n_q, n_k, d, d_v, n_heads, ld;
  int causal, window;
  size_t left, right, global_first, global_end;
  int bias;
};

static int case_sees(const struct attention_case *s, size_t i, size_t j)
{
  int global = (i >= s->global_first && i < s->global_end) || (j >= s->global_first && j < s->global_end);
  return (!s->causal || j <= i) && (!s->window || global || (j + s->left >= i && j <= i + s->right));
}

/* Squares of error and size of one row of one head. */
static void attention_row_error(const struct attention_case *s, const struct weft_attention *a, size_t head, size_t i,
                                double *error, double *power)
{
  double *p = g_new0(double, s->n_k + 1);
  int any = 0;
  for (size_t j = 0; j < s->n_k; j++) {
    for (size_t c = 0; c < s->d; c++)
      p[j] += (double)a->q[i * s->ld + head * s->d + c] * a->k[j * s->ld + c];
    p[j] = p[j] * a->scale + (a->bias ? a->bias[head * a->ld_bias + s->n_q - 1 - i + j] * G_LN2 : 0);
    any |= case_sees(s, i, j);
    if (!case_sees(s, i, j))
      p[j] = -INFINITY;
  }
  if (any)
    reference_softmax(p, p, (int64_t)s->n_k, 1);
  for (size_t c = 0; c < s->d_v; c++) {
    double sum = 0;
    for (size_t j = 0; j < s->n_k && any; j++) {
      double term = p[j] * a->v[j * s->ld + c];
      sum += term;
      *power += term * term;
    }
    double found = a->out[i * s->ld + head * s->d_v + c];
    *error += (found - sum) * (found - sum);
  }
  g_free(p);
}

static void check_attention(const struct attention_case *s)
{
  float *q = test_normals(s->n_q * s->ld, 1), *k = test_normals(s->n_k * s->ld, 1), *v = test_normals(s->n_k * s->ld, 1);
  float *out = test_guarded(s->n_q * s->ld);
  size_t ld_bias = s->n_q + s->n_k + WEFT_ATTENTION_BIAS_PAD;
  float *bias = test_normals(s->n_heads * ld_bias, 1);
  struct weft_attention a = {.q = q, .k = k, .v = v, .out = out, .ld_q = s->ld, .ld_k = s->ld, .ld_v = s->ld,
                             .ld_o = s->ld, .n_q = s->n_q, .n_k = s->n_k, .d = s->d, .d_v = s->d_v,
                             .n_heads = s->n_heads, .end = s->n_q, .causal = s->causal, .window = s->window,
                             .left = s->left, .right = s->right, .global_first = s->global_first,
                             .global_end = s->global_end, .bias = s->bias ? bias : NULL, .ld_bias = ld_bias,
                             .scale = 1 / sqrt((double)s->d)};
  size_t n_bytes = kernels->attention_bytes(&a);
  g_assert_cmpuint(n_bytes % 64, ==, 0);
  uint8_t *work = aligned_alloc(64, n_bytes + 64);
  memset(work, 0xff, n_bytes + 64);
  a.work = work;
  kernels->attention(&a);
  for (size_t i = 0; i < 64; i++)
    g_assert_cmpuint(work[n_bytes + i], ==, 0xff);
  double error = 0, power = 1e-30;
  for (size_t i = 0; i < s->n_q; i++)
    for (size_t head = 0; head < s->n_heads; head++)
      attention_row_error(s, &a, head, i, &error, &power);
  if (!(error / power <= NMSE_MAX))
    g_error("attention %s n %zu x %zu d %zu causal %d window %d: NMSE %g", kernels->name, s->n_q, s->n_k, s->d, s->causal,
            s->window, error / power);
  for (size_t i = 0; i < s->n_q; i++)
    for (size_t c = s->n_heads * s->d_v; c < s->ld; c++)
      g_assert_true(out[i * s->ld + c] == TEST_GUARD_VALUE);
  float *parts = test_guarded(s->n_q * s->ld);
  a.out = parts;
  for (a.first = 0; a.first < s->n_q; a.first = a.end) {
    a.end = MIN(s->n_q, a.first + WEFT_ATTENTION_ROWS);
    kernels->attention(&a);
  }
  g_assert_cmpmem(parts, s->n_q * s->ld * sizeof *out, out, s->n_q * s->ld * sizeof *out);
  test_guarded_free(parts, s->n_q * s->ld);
  test_guarded_free(out, s->n_q * s->ld);
  free(q), free(k), free(v), free(work), free(bias);
}

static void test_attention_matches(gconstpointer set)
{
  kernels = set;
  for (int round = 0; round < 80; round++) {
    struct attention_case s = {.d = 1 + test_random(80), .d_v = 1 + test_random(80), .n_heads = 1 + test_random(3),
                               .n_q = 1 + test_random(round % 8 ? 70 : 400), .n_k = test_random(round % 8 ? 70 : 700),
                               .causal = test_random(3) == 0, .window = (int)test_random(2), .bias = (int)test_random(2)};
    s.ld = s.n_heads * MAX(s.d, s.d_v) + test_random(20);
    s.left = test_random(round % 3 ? 20 : 300), s.right = test_random(round % 3 ? 20 : 300);
    if (test_random(2))
      s.global_first = test_random(30), s.global_end = s.global_first + test_random(8);
    if (test_random(2))
      s.n_k = s.n_q;
    check_attention(&s);
  }
  check_attention(&(struct attention_case){.n_q = 300, .n_k = 1030, .d = 32, .d_v = 32, .n_heads = 1, .ld = 32, .window = 1,
                                           .left = SIZE_MAX / 2, .right = SIZE_MAX / 2});
}

/* What a row does not see does not reach it, whatever it is; what it sees does. */
static void test_attention_extreme(gconstpointer set)
{
  kernels = set;
  enum { N = 600, D = 8 };
  float *q = test_normals(N * D, 1), *k = test_normals(N * D, 1), *v = test_normals(N * D, 1), *out = test_guarded(N * D);
  struct weft_attention a = {.q = q, .k = k, .v = v, .out = out, .ld_q = D, .ld_k = D, .ld_v = D, .ld_o = D, .n_q = N,
                             .n_k = N, .d = D, .d_v = D, .n_heads = 1, .end = N, .scale = 1};
  a.work = aligned_alloc(64, kernels->attention_bytes(&a));
  q[5 * D] = NAN;
  q[7 * D] = 1e30f, k[9 * D] = 1e30f;
  kernels->attention(&a);
  for (size_t i = 0; i < N; i++)
    for (size_t c = 0; c < D; c++)
      g_assert_true((i == 5 || i == 7) ? isnan(out[i * D + c]) : isfinite(out[i * D + c]));
  k[9 * D] = NAN;
  a.causal = 1;
  kernels->attention(&a);
  for (size_t i = 0; i < 9; i++)
    g_assert_true(i == 5 || isfinite(out[i * D]));
  for (size_t i = 9; i < N; i++)
    g_assert_true(isnan(out[i * D]));
  uint32_t cancel = 1;
  a.cancel = &cancel;
  out[0] = 4711;
  kernels->attention(&a);
  g_assert_cmpfloat(out[0], ==, 4711);
  test_guarded_free(out, N * D);
  free(q), free(k), free(v), free(a.work);
}

static void test_maps_match(gconstpointer set)
{
  kernels = set;
  for (size_t n = 0; n < 70; n++) {
    float *a = test_normals(n, 1), *b = test_normals(n, 1), *y = test_guarded(n);
    double sum = 0, size = 1e-30;
    kernels->add(y, a, b, n);
    for (size_t i = 0; i < n; i++)
      g_assert_cmpfloat(y[i], ==, a[i] + b[i]);
    kernels->mul(y, a, b, n);
    for (size_t i = 0; i < n; i++)
      g_assert_cmpfloat(y[i], ==, a[i] * b[i]);
    kernels->scale(y, a, n, 2, 3);
    for (size_t i = 0; i < n; i++)
      g_assert_cmpfloat(fabsf(y[i] - (2 * a[i] + 3)), <, 1e-6f);
    kernels->axpy(y, b, n, 2);
    for (size_t i = 0; i < n; i++) {
      g_assert_cmpfloat(fabsf(y[i] - (2 * a[i] + 3 + 2 * b[i])), <, 1e-5f);
      sum += (double)a[i] * b[i];
      size += fabs((double)a[i] * b[i]);
    }
    g_assert_cmpfloat(fabs(kernels->dot(a, b, n) - sum), <=, 1e-6 * size);
    test_guarded_free(y, n);
    free(a), free(b);
  }
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*test)(gconstpointer set); /* struct weft_kernels */
  } tests[] = {
      {"activations/match", test_activations_match},
      {"activations/extreme", test_activations_extreme},
      {"layer_norm/matches", test_layer_norm_matches},
      {"softmax/matches", test_softmax_matches},
      {"attention/matches", test_attention_matches},
      {"attention/extreme", test_attention_extreme},
      {"maps/match", test_maps_match},
  };
  static const char *const sets[] = {"scalar", "avx2", "avx512"};
  g_test_init(&argc, &argv, NULL);
  test_seed();
  for (size_t s = 0; s < G_N_ELEMENTS(sets); s++) {
    int runs;
    const struct weft_kernels *set = weft_cpu_isa_find(sets[s], &runs);
    if (!set || !runs) {
      g_print("# %s: skipped, this processor lacks it\n", sets[s]);
      continue;
    }
    for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
      char *path = g_strdup_printf("/kernels/%s/%s", sets[s], tests[t].name);
      g_test_add_data_func(path, set, tests[t].test);
      g_free(path);
    }
  }
  return g_test_run();
}
