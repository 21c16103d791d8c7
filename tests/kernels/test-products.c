/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of every instruction set and format against double precision, on
 * random sizes. Results lie in guarded memory, so that a write beyond them shows.
 */
#include "formats.h"
#include "host.h"
#include "isa.h"
#include "reference.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <weft/compute.h>

static const struct weft_product_kernels *kernels;

struct product {
  size_t m, n, k, lda, ldc;
  int act, bias, multiplier, residual;
};

/* The error is measured against the terms: a sum, or what an activation leaves of it, may be next to nothing. */
static void check_product(const struct product *s)
{
  float *a = test_normals(s->m * s->lda, 1), *w = test_normals(s->n * s->k, 1 / sqrtf((float)s->k));
  float *bias = test_normals(s->n, 1), *residual = test_normals(s->m * s->n, 1);
  float *multiplier = test_normals(s->m * s->n, 1);
  const struct test_format *format = test_format(kernels->format);
  uint8_t *b = test_packed(kernels, w, s->n, s->k);
  /* rows are read as they lie, at any stride, or prepared */
  void *rows = kernels->prepare ? test_prepared(kernels, a, s->lda, s->m, s->k) : NULL;
  float *c = test_guarded(s->m * s->ldc);
  struct weft_product g = {.a = rows ? rows : a, .b = b, .c = c, .bias = s->bias ? bias : NULL,
                           .multiplier = s->multiplier ? multiplier : NULL,
                           .residual = s->residual ? residual : NULL, .lda = s->lda, .ldc = s->ldc,
                           .ld_multiplier = s->n, .ld_residual = s->n, .m = s->m, .n = s->n, .k = s->k, .act = s->act};
  kernels->product(&g);
  format->rows(a, s->lda, s->m, s->k);
  format->weights(w, s->n, s->k);
  double error = 0, power = 1e-30;
  for (size_t i = 0; i < s->m; i++) {
    for (size_t j = 0; j < s->n; j++) {
      double sum = s->bias ? bias[j] : 0, rest = s->residual ? residual[i * s->n + j] : 0;
      power += sum * sum + rest * rest;
      for (size_t k = 0; k < s->k; k++) {
        double term = (double)a[i * s->lda + k] * w[j * s->k + k];
        sum += term;
        power += term * term;
      }
      sum = reference_activate(sum, s->act) * (s->multiplier ? multiplier[i * s->n + j] : 1) + rest;
      error += (c[i * s->ldc + j] - sum) * (c[i * s->ldc + j] - sum);
    }
    for (size_t j = s->n; j < s->ldc; j++)
      g_assert_true(c[i * s->ldc + j] == TEST_GUARD_VALUE);
  }
  if (!(error / power <= format->nmse_max))
    g_error("product %s m %zu n %zu k %zu act %d: NMSE %g", kernels->name, s->m, s->n, s->k, s->act, error / power);
  test_guarded_free(c, s->m * s->ldc);
  free(a), free(w), free(bias), free(multiplier), free(residual), free(b), free(rows);
}

static void test_product_matches(gconstpointer product)
{
  kernels = product;
  for (int round = 0; round < 400; round++) {
    struct product s = {.m = 1 + test_random(round % 10 ? 13 : 40), .n = 1 + test_random(round % 5 ? 70 : 200),
                        .k = 1 + test_random(round % 4 ? 90 : 800)};
    s.lda = s.k + test_random(5);
    s.ldc = s.n + test_random(5);
    s.act = (int)test_random(WEFT_N_ACT);
    s.bias = (int)test_random(2);
    s.multiplier = (int)test_random(2);
    s.residual = (int)test_random(2);
    check_product(&s);
  }
  for (size_t k = 255; k <= 257; k++)
    check_product(&(struct product){.m = 13, .n = 33, .k = k, .lda = k, .ldc = 33});
}

/* A row's bytes are the same whatever stands beside it and however wide the product is cut. */
static void test_product_row_is_independent(gconstpointer product)
{
  kernels = product;
  const size_t m = 41, n = kernels->nr * 3 + 5, k = 300 + test_random(300), row_bytes = test_row_bytes(kernels, k);
  float *a = test_normals(m * k, 1), *w = test_normals(n * k, 1), *c = test_guarded(m * n), *some = test_guarded(m * n);
  uint8_t *b = test_packed(kernels, w, n, k), *rows = test_prepared(kernels, a, k, m, k);
  struct weft_product whole = {.a = rows, .b = b, .c = c, .lda = k, .ldc = n, .m = m, .n = n, .k = k, .act = 1};
  kernels->product(&whole);
  for (size_t i = 0; i < m; i++) {
    struct weft_product g = whole;
    g.a = rows + i * row_bytes;
    g.c = some;
    g.m = 1 + (i % 3 ? 0 : test_random((uint32_t)(m - i)));
    kernels->product(&g);
    g_assert_cmpmem(some, g.m * n * sizeof *some, c + i * n, g.m * n * sizeof *c);
    /* the rows prepared alone, too */
    uint8_t *alone = test_prepared(kernels, a + i * k, k, 1, k);
    g_assert_cmpmem(alone, row_bytes, rows + i * row_bytes, row_bytes);
    free(alone);
  }
  for (size_t panel = 1; panel < 4; panel++) {
    struct weft_product g = whole;
    size_t at = panel * kernels->nr;
    g.b = b + panel * kernels->panel_bytes(k);
    g.c = some;
    g.m = 1 + test_random((uint32_t)m);
    g.n = 1 + test_random((uint32_t)(n - at));
    kernels->product(&g);
    for (size_t i = 0; i < g.m; i++)
      g_assert_cmpmem(some + i * n, g.n * sizeof *some, c + i * n + at, g.n * sizeof *c);
  }
  test_guarded_free(c, m * n);
  test_guarded_free(some, m * n);
  free(a), free(w), free(b), free(rows);
}

static void test_product_no_columns_of_k(gconstpointer product)
{
  kernels = product;
  float bias[3] = {1, 2, 3}, c[6];
  void *b = test_packed(kernels, bias, 3, 0), *rows = test_prepared(kernels, bias, 0, 2, 0);
  kernels->product(&(struct weft_product){.a = rows, .b = b, .c = c, .bias = bias, .ldc = 3, .m = 2, .n = 3, .k = 0});
  for (int i = 0; i < 6; i++)
    g_assert_cmpfloat(c[i], ==, bias[i % 3]);
  free(b), free(rows);
}

/* NaN and infinity go through; nothing crashes, other rows stay clean. */
static void test_product_nan_stays_in_its_row(gconstpointer product)
{
  kernels = product;
  const size_t m = 9, n = 37, k = 20;
  float *a = test_normals(m * k, 1), *w = test_normals(n * k, 1), *c = test_guarded(m * n);
  uint8_t *b = test_packed(kernels, w, n, k);
  a[4 * k + 3] = NAN;
  a[5 * k + 3] = INFINITY;
  void *rows = test_prepared(kernels, a, k, m, k);
  kernels->product(&(struct weft_product){.a = rows, .b = b, .c = c, .lda = k, .ldc = n, .m = m, .n = n, .k = k, .act = 1});
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++)
      g_assert_true(i == 4 ? isnan(c[i * n + j]) : i == 5 ? !isfinite(c[i * n + j]) || c[i * n + j] == 0
                                                          : isfinite(c[i * n + j]));
  test_guarded_free(c, m * n);
  free(a), free(w), free(b), free(rows);
}

static void test_isa_forced(void)
{
  char message[256] = "";
  struct weft_cpu_isa isa;
  g_assert_true(weft_cpu_isa_choose("scalar", &isa, message, sizeof message));
  g_assert_cmpstr(isa.name, ==, "scalar");
  g_assert_cmpstr(isa.products[WEFT_FORMAT_F32]->name, ==, "scalar-f32");
  g_assert_false(weft_cpu_isa_choose("sse9", &isa, message, sizeof message));
  g_assert_nonnull(strstr(message, "WEFT_COMPUTE_ISA=sse9"));
  g_assert_nonnull(strstr(message, "(scalar"));
  g_assert_true(weft_cpu_isa_choose(NULL, &isa, message, sizeof message));
  int runs;
  if (weft_cpu_isa_find("avx512", &runs) && !runs) {
    g_assert_false(weft_cpu_isa_choose("avx512", &isa, message, sizeof message));
    g_assert_nonnull(strstr(message, "this processor lacks"));
  }
}

int main(int argc, char **argv)
{
  static const struct test_product_case cases[] = {
      {"matches", test_product_matches},
      {"row_is_independent", test_product_row_is_independent},
      {"no_columns_of_k", test_product_no_columns_of_k},
      {"nan_stays_in_its_row", test_product_nan_stays_in_its_row},
  };
  g_test_init(&argc, &argv, NULL);
  test_seed();
  g_test_add_func("/products/isa/forced", test_isa_forced);
  test_products_add("products", UINT32_MAX, cases, G_N_ELEMENTS(cases));
  return g_test_run();
}
