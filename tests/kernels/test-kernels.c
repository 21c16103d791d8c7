/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kernel of every instruction set but products (test-products.c) against double precision, on random
 * sizes. Results lie in guarded memory, so that a write beyond them shows.
 */
#include "host.h"
#include "isa.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NMSE_MAX 1e-12
#define GUARD 64
#define GUARD_VALUE 12345.f

static const struct weft_kernels *kernels;

/* n floats behind and before which nothing may be written. */
static float *guarded(size_t n)
{
  float *p = malloc((n + 2 * GUARD) * sizeof *p);
  for (size_t i = 0; i < n + 2 * GUARD; i++)
    p[i] = GUARD_VALUE;
  return p + GUARD;
}

static void guarded_free(float *p, size_t n)
{
  for (size_t i = 0; i < GUARD; i++) {
    g_assert_true(p[-1 - (ptrdiff_t)i] == GUARD_VALUE);
    g_assert_true(p[n + i] == GUARD_VALUE);
  }
  free(p - GUARD);
}

static double nmse(const float *found, const double *expected, size_t n)
{
  double error = 0, power = 0;
  for (size_t i = 0; i < n; i++) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    power += expected[i] * expected[i];
  }
  return error / (power > 0 ? power : 1);
}

static double act_of(double x, int act)
{
  switch (act) {
  case WEFT_ACT_GELU: return .5 * x * erfc(-x / sqrt(2));
  case WEFT_ACT_GELU_TANH: return .5 * x * (1 + tanh(sqrt(2 / G_PI) * (x + .044715 * x * x * x)));
  case WEFT_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
  case WEFT_ACT_RELU: return x > 0 ? x : 0;
  case WEFT_ACT_SILU: return x / (1 + exp(-x));
  case WEFT_ACT_TANH: return tanh(x);
  case WEFT_ACT_SIGMOID: return 1 / (1 + exp(-x));
  default: return x;
  }
}

static void test_activations_match(void)
{
  for (int act = 0; act < WEFT_N_ACT; act++) {
    double worst = 0;
    for (int i = -120000; i <= 120000; i += 7) {
      float x = (float)i * 1e-4f, y[1];
      kernels->activate(y, &x, 1, act);
      double error = fabs(y[0] - act_of(x, act)) / MAX(1, fabsf(x));
      worst = MAX(worst, error);
    }
    if (!(worst <= 1e-6))
      g_error("activation %d %s: error %g", act, kernels->name, worst);
    for (size_t n = 0; n < 40; n++) {
      float *x = test_normals(n, 3), *y = guarded(n), one;
      kernels->activate(y, x, n, act);
      for (size_t i = 0; i < n; i++) {
        kernels->activate(&one, x + i, 1, act);
        g_assert_cmpmem(&one, sizeof one, y + i, sizeof one);
      }
      guarded_free(y, n);
      free(x);
    }
  }
}

static void test_activations_extreme(void)
{
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

static void test_layer_norm_matches(void)
{
  for (int round = 0; round < 200; round++) {
    size_t d = 1 + test_random(200);
    float *x = test_normals(d, 2), *gamma = test_normals(d, 1), *beta = test_normals(d, 1), *y = guarded(d);
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
    guarded_free(y, d);
    free(x), free(gamma), free(beta);
  }
}

static void softmax_of(double *p, const double *x, size_t n)
{
  double most = -INFINITY, sum = 0;
  for (size_t i = 0; i < n; i++)
    most = MAX(most, x[i]);
  for (size_t i = 0; i < n; i++)
    sum += p[i] = exp(x[i] - most);
  for (size_t i = 0; i < n; i++)
    p[i] /= sum;
}

static void test_softmax_matches(void)
{
  for (size_t n = 1; n < 80; n++) {
    float *x = test_normals(n, 5), *y = guarded(n);
    double *expected = g_new(double, n);
    for (size_t i = 0; i < n; i++)
      expected[i] = x[i] * (double)1.5f;
    softmax_of(expected, expected, n);
    kernels->softmax(y, x, n, 1.5f);
    g_assert_cmpfloat(nmse(y, expected, n), <=, NMSE_MAX);
    guarded_free(y, n);
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

static void check_attention(size_t n, size_t d, size_t ld)
{
  float *q = test_normals(n * ld, 1), *k = test_normals(n * ld, 1), *v = test_normals(n * ld, 1);
  float *out = guarded(n * ld), scale = 1 / sqrtf((float)d);
  size_t n_bytes = kernels->attention_bytes(n, d);
  g_assert_cmpuint(n_bytes % 64, ==, 0);
  uint8_t *work = aligned_alloc(64, n_bytes + 64);
  memset(work, 0xa5, n_bytes + 64);
  kernels->attention(&(struct weft_attention){.q = q, .k = k, .v = v, .out = out, .ld = ld, .ldo = ld, .n = n, .d = d,
                                              .scale = scale, .work = work});
  for (size_t i = 0; i < 64; i++)
    g_assert_cmpuint(work[n_bytes + i], ==, 0xa5);
  double error = 0, power = 1e-30, *p = g_new(double, n);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      p[j] = 0;
      for (size_t c = 0; c < d; c++)
        p[j] += (double)q[i * ld + c] * k[j * ld + c] * scale;
    }
    softmax_of(p, p, n);
    for (size_t c = 0; c < d; c++) {
      double sum = 0;
      for (size_t j = 0; j < n; j++) {
        double term = p[j] * v[j * ld + c];
        sum += term;
        power += term * term;
      }
      error += (out[i * ld + c] - sum) * (out[i * ld + c] - sum);
    }
  }
  if (!(error / power <= NMSE_MAX))
    g_error("attention %s n %zu d %zu: NMSE %g", kernels->name, n, d, error / power);
  for (size_t i = 0; i < n; i++)
    for (size_t c = d; c < ld; c++)
      g_assert_true(out[i * ld + c] == GUARD_VALUE);
  guarded_free(out, n * ld);
  g_free(p);
  free(q), free(k), free(v), free(work);
}

static void test_attention_matches(void)
{
  for (int round = 0; round < 60; round++) {
    size_t d = 1 + test_random(80), n = 1 + test_random(round % 8 ? 70 : 300);
    check_attention(n, d, d + test_random(20));
  }
}

static void test_maps_match(void)
{
  for (size_t n = 0; n < 70; n++) {
    float *a = test_normals(n, 1), *b = test_normals(n, 1), *y = guarded(n);
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
    guarded_free(y, n);
    free(a), free(b);
  }
}

static void choose_set(gconstpointer data)
{
  int runs;
  kernels = weft_cpu_isa_find(data, &runs);
}

struct entry {
  const char *set;
  void (*test)(void);
};

static void run_entry(gconstpointer data)
{
  const struct entry *entry = data;
  choose_set(entry->set);
  entry->test();
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {
      {"activations/match", test_activations_match},
      {"activations/extreme", test_activations_extreme},
      {"layer_norm/matches", test_layer_norm_matches},
      {"softmax/matches", test_softmax_matches},
      {"attention/matches", test_attention_matches},
      {"maps/match", test_maps_match},
  };
  static const char *const sets[] = {"scalar", "avx2", "avx512"};
  static struct entry entries[G_N_ELEMENTS(tests) * G_N_ELEMENTS(sets)];
  g_test_init(&argc, &argv, NULL);
  test_seed();
  for (size_t s = 0; s < G_N_ELEMENTS(sets); s++) {
    int runs;
    if (!weft_cpu_isa_find(sets[s], &runs) || !runs) {
      g_print("# %s: skipped, this processor lacks it\n", sets[s]);
      continue;
    }
    for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
      struct entry *entry = &entries[s * G_N_ELEMENTS(tests) + t];
      *entry = (struct entry){sets[s], tests[t].test};
      char *path = g_strdup_printf("/kernels/%s/%s", sets[s], tests[t].name);
      g_test_add_data_func(path, entry, run_entry);
      g_free(path);
    }
  }
  return g_test_run();
}
