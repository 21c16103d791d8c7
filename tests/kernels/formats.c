/* SPDX-License-Identifier: Apache-2.0 */
#include "formats.h"
#include "isa.h"

#include <glib.h>
#include <kernels/quantise.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void same_weights(float *w, size_t n, size_t k)
{
}

static void same_rows(float *a, size_t lda, size_t m, size_t k)
{
}

/* To eight bits of mantissa, nearest, ties to even: by arithmetic, not by bits as the kernels do it. */
static float bf16_of(float x)
{
  if (!isfinite(x) || x == 0)
    return x;
  int exponent;
  double mantissa = frexp(x, &exponent);
  int bits = exponent < -125 ? 8 - (-125 - exponent) : 8; /* fewer where the number is subnormal */
  return (float)ldexp(nearbyint(ldexp(mantissa, bits)), exponent - bits);
}

static void bf16_rows(float *a, size_t lda, size_t m, size_t k)
{
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < k; j++)
      a[i * lda + j] = bf16_of(a[i * lda + j]);
}

static void bf16_weights(float *w, size_t n, size_t k)
{
  bf16_rows(w, k, n, k);
}

/* Every row by its largest value, symmetric, nearest, ties to even; a row with a NaN or an infinity is NaN. */
static void int8_rows(float *a, size_t lda, size_t m, size_t k)
{
  for (size_t i = 0; i < m; i++) {
    float *row = a + i * lda, most = 0;
    for (size_t j = 0; j < k; j++)
      most = isfinite(row[j]) && isfinite(most) ? fmaxf(most, fabsf(row[j])) : NAN;
    volatile float factor = 127.f / most, scale = most / 127.f;
    for (size_t j = 0; j < k; j++) {
      volatile float steps = row[j] * factor; /* rounded to a float before it is rounded to an integer */
      row[j] = most >= 1e-36f ? (float)(nearbyint(steps) * (double)scale) : most == most ? 0.f : NAN;
    }
  }
}

static void int8_weights(float *w, size_t n, size_t k)
{
  int8_rows(w, k, n, k);
}

/* The kernels' own choice of scales: what it loses is measured apart (test-quantised.c). */
static void int4_weights(float *w, size_t n, size_t k)
{
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < k; j += WEFT_INT4_GROUP) {
      float x[WEFT_INT4_GROUP] = {0};
      int8_t q[WEFT_INT4_GROUP];
      size_t n_group = MIN(k - j, (size_t)WEFT_INT4_GROUP);
      memcpy(x, w + i * k + j, n_group * sizeof *x);
      float scale = weft_int4_quantise(q, x);
      for (size_t g = 0; g < n_group; g++)
        w[i * k + j + g] = (float)q[g] * scale;
    }
}

const struct test_format *test_format(uint32_t format)
{
  static const struct test_format formats[WEFT_N_FORMATS] = {
      [WEFT_FORMAT_F32] = {same_weights, same_rows, 1e-12},
      [WEFT_FORMAT_BF16] = {bf16_weights, bf16_rows, 1e-12},
      [WEFT_FORMAT_INT8] = {int8_weights, int8_rows, 1e-12},
      [WEFT_FORMAT_INT4] = {int4_weights, int8_rows, 1e-12},
  };
  g_assert_cmpuint(format, <, WEFT_N_FORMATS);
  g_assert_nonnull(formats[format].rows);
  return &formats[format];
}

/*
 * Products one after the other, NULL behind the last; *runs: whether this processor runs this one. In a test that
 * emulates instruction sets (WEFT_EMULATED): those alone, and they run.
 */
static const struct weft_product_kernels *product_at(size_t index, int *runs)
{
  const struct weft_product_kernels *product = weft_cpu_product_at(index, runs);
#ifdef WEFT_EMULATED
  size_t n = 0;
  /* what is emulated is built for AVX2 */
  for (size_t p = 0; __builtin_cpu_supports("avx2") && (product = weft_cpu_product_at(p, runs)); p++)
    if (strcmp(product->isa, "scalar") && strcmp(product->isa, "avx2") && n++ == index) {
      *runs = 1;
      return product;
    }
  return NULL;
#endif
  return product;
}

void test_products_add(const char *group, uint32_t formats, const struct test_product_case *cases, size_t n_cases)
{
  int runs;
  const struct weft_product_kernels *product;
  for (size_t p = 0; (product = product_at(p, &runs)); p++) {
    if (!(formats >> product->format & 1))
      continue;
    if (!runs) {
      g_print("# %s: skipped, this processor lacks it\n", product->name);
      continue;
    }
    for (size_t i = 0; i < n_cases; i++) {
      char *path = g_strdup_printf("/%s/%s/%s", group, product->name, cases[i].name);
      g_test_add_data_func(path, product, cases[i].test);
      g_free(path);
    }
  }
}

size_t test_row_bytes(const struct weft_product_kernels *kernels, size_t k)
{
  return kernels->row_bytes ? kernels->row_bytes(k) : k * sizeof(float);
}

static void *aligned(size_t n_bytes)
{
  void *memory = aligned_alloc(64, (n_bytes + 64) / 64 * 64);
  g_assert_nonnull(memory);
  return memory;
}

void *test_prepared(const struct weft_product_kernels *kernels, const float *a, size_t lda, size_t m, size_t k)
{
  size_t row_bytes = test_row_bytes(kernels, k);
  char *rows = aligned(m * row_bytes);
  if (kernels->prepare) {
    kernels->prepare(rows, a, lda, m, k);
    return rows;
  }
  for (size_t i = 0; i < m; i++)
    memcpy(rows + i * row_bytes, a + i * lda, k * sizeof *a);
  return rows;
}

void *test_packed(const struct weft_product_kernels *kernels, const float *w, size_t n, size_t k)
{
  size_t nr = kernels->nr, n_bytes = kernels->panel_bytes(k), panels = (n + nr - 1) / nr;
  char *p = aligned(panels * n_bytes);
  for (size_t i = 0; i < panels; i++)
    kernels->pack(p + i * n_bytes, w + i * nr * k, MIN(nr, n - i * nr), k);
  return p;
}
