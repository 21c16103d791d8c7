/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of integers: sums are exact whatever the operands, K may be longer
 * than a block of sums, what quantising loses stays within its bar, and
 * numbers that no integer stands for harm their own row or column only.
 */
#include "formats.h"
#include "host.h"
#include "isa.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

static const struct weft_product_kernels *kernels;

struct product {
  size_t m, n, k;
  float *a, *w, *c;
};

static void product_new(struct product *p, size_t m, size_t n, size_t k)
{
  *p = (struct product){m, n, k, test_normals(m * k, 1), test_normals(n * k, 1), test_normals(m * n, 1)};
}

static void product_free(struct product *p)
{
  free(p->a), free(p->w), free(p->c);
}

static void product_run(const struct product *p)
{
  void *rows = test_prepared(kernels, p->a, p->k, p->m, p->k), *panels = test_packed(kernels, p->w, p->n, p->k);
  kernels->product(&(struct weft_product){.a = rows, .b = panels, .c = p->c, .ldc = p->n, .m = p->m, .n = p->n, .k = p->k});
  free(rows), free(panels);
}

static double reference(const struct product *p, size_t i, size_t j)
{
  double sum = 0;
  for (size_t k = 0; k < p->k; k++)
    sum += (double)p->a[i * p->k + k] * p->w[j * p->k + k];
  return sum;
}

/* Integers that scales of 1 stand for: [-most, most], or only the two ends. */
static void integers(float *x, size_t rows, size_t k, int most, int ends_only)
{
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < k; j++)
      x[i * k + j] = ends_only ? (test_random(2) ? most : -most) : (float)((int)test_random(2 * (uint32_t)most + 1) - most);
    x[i * k] = (float)most;
  }
}

/* c is the integer itself, to the last bit. */
static void test_quantised_sums_are_exact(gconstpointer product)
{
  kernels = product;
  int weight_most = kernels->format == WEFT_FORMAT_INT4 ? 7 : 127;
  for (int round = 0; round < 40; round++) {
    struct product p;
    /* below 2^24, where every integer is a float */
    product_new(&p, 1 + test_random(13), 1 + test_random(60), 1 + test_random(round % 2 ? 1000 : 100));
    integers(p.a, p.m, p.k, 127, round % 3 == 0);
    integers(p.w, p.n, p.k, weight_most, round % 3 == 0);
    if (kernels->format == WEFT_FORMAT_INT4)
      for (size_t i = 0; i < p.n * p.k; i += 1)
        if (i % p.k % 32 == 0)
          p.w[i] = -8; /* of every group, so that its scale is 1 */
    if (round % 6 == 0)
      for (size_t k = 0; k < p.k; k++)
        p.w[k] = p.a[k] > 0 ? (float)weight_most : kernels->format == WEFT_FORMAT_INT4 ? -8.f : -127.f; /* all of one sign */
    product_run(&p);
    for (size_t i = 0; i < p.m; i++)
      for (size_t j = 0; j < p.n; j++)
        g_assert_cmpfloat(p.c[i * p.n + j], ==, (float)reference(&p, i, j));
    product_free(&p);
  }
}

static void test_quantised_k_beyond_a_block(gconstpointer product)
{
  kernels = product;
  struct product p;
  product_new(&p, 5, 3, 65536 + 37);
  for (size_t k = 0; k < p.k; k++)
    p.a[k] = p.w[k] = 1; /* the largest sum there is */
  product_run(&p);
  g_assert_cmpfloat(fabsf(p.c[0] - (float)p.k), <, .01f);
  const struct test_format *format = test_format(kernels->format);
  format->rows(p.a, p.k, p.m, p.k);
  format->weights(p.w, p.n, p.k);
  for (size_t i = 0; i < p.m; i++)
    for (size_t j = 0; j < p.n; j++)
      g_assert_cmpfloat(fabs(p.c[i * p.n + j] - reference(&p, i, j)), <, .01);
  product_free(&p);
}

static void test_quantised_loss_of_normal_data(gconstpointer product)
{
  kernels = product;
  struct product p;
  double error = 0, power = 0;
  product_new(&p, 32, 96, 768);
  product_run(&p);
  for (size_t i = 0; i < p.m; i++)
    for (size_t j = 0; j < p.n; j++) {
      double exact = reference(&p, i, j);
      error += (p.c[i * p.n + j] - exact) * (p.c[i * p.n + j] - exact);
      power += exact * exact;
    }
  g_test_message("%s: NMSE %.3g", kernels->name, error / power);
  g_assert_cmpfloat(error / power, <=, kernels->format == WEFT_FORMAT_INT4 ? 9e-3 : 2e-4);
  product_free(&p);
}

static void test_quantised_not_a_number(gconstpointer product)
{
  kernels = product;
  struct product p;
  product_new(&p, 7, 39, 75);
  p.a[2 * 75 + 74] = NAN;
  p.a[4 * 75] = -INFINITY;
  p.w[5 * 75 + 70] = NAN;
  p.w[38 * 75 + 33] = INFINITY;
  for (size_t k = 0; k < p.k; k++) {
    p.a[75 + k] = 0;
    p.a[3 * 75 + k] = k % 2 ? 1e-40f : -1e-44f;
    p.w[9 * 75 + k] = 0;
    p.w[11 * 75 + k] = 1e-42f;
  }
  p.a[6 * 75 + 3] = 3e38f;
  product_run(&p);
  for (size_t i = 0; i < p.m; i++)
    for (size_t j = 0; j < p.n; j++) {
      float c = p.c[i * p.n + j];
      if (i == 2 || i == 4 || j == 5 || j == 38)
        g_assert_true(isnan(c));
      else if (i == 1 || i == 3 || j == 9 || j == 11)
        g_assert_cmpfloat(c, ==, 0);
      else
        g_assert_true(isfinite(c) || i == 6);
    }
  product_free(&p);
}

int main(int argc, char **argv)
{
  static const struct test_product_case cases[] = {
      {"sums_are_exact", test_quantised_sums_are_exact},
      {"k_beyond_a_block", test_quantised_k_beyond_a_block},
      {"loss_of_normal_data", test_quantised_loss_of_normal_data},
      {"not_a_number", test_quantised_not_a_number},
  };
  g_test_init(&argc, &argv, NULL);
  test_seed();
  test_products_add("quantised", 1u << WEFT_FORMAT_INT8 | 1u << WEFT_FORMAT_INT4, cases, G_N_ELEMENTS(cases));
  return g_test_run();
}
