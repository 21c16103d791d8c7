/* SPDX-License-Identifier: Apache-2.0 */
/* What follows the sums of a product, of any format: bias, activation, multiplier, residual. */
#include "vec.h"

/* Pointers: of the first row and column. */
struct epilogue {
  float *c;
  const float *bias, *multiplier, *residual;
  size_t ldc, ld_multiplier, ld_residual, rows, columns;
};

V_INLINE void epilogue_row(float *c, const float *bias, const float *multiplier, const float *residual, size_t columns,
                           const int act)
{
  size_t n = 0;
  for (; n + V_LANES <= columns; n += V_LANES) {
    vf x = v_load(c + n);
    if (bias)
      x = v_add(x, v_load(bias + n));
    x = v_activate(x, act);
    if (multiplier)
      x = v_mul(x, v_load(multiplier + n));
    if (residual)
      x = v_add(x, v_load(residual + n));
    v_store(c + n, x);
  }
  if (n < columns) {
    vmask m = v_mask(columns - n);
    vf x = v_load_mask(c + n, m);
    if (bias)
      x = v_add(x, v_load_mask(bias + n, m));
    x = v_activate(x, act);
    if (multiplier)
      x = v_mul(x, v_load_mask(multiplier + n, m));
    if (residual)
      x = v_add(x, v_load_mask(residual + n, m));
    v_store_mask(c + n, x, m);
  }
}

/* Out of line, one for each activation: inlined into the tile they cost it its registers. */
#define EPILOGUE(act)                                                                                                  \
  static __attribute__((noinline)) void epilogue_##act(const struct epilogue *e)                                      \
  {                                                                                                                    \
    for (size_t r = 0; r < e->rows; r++)                                                                               \
      epilogue_row(e->c + r * e->ldc, e->bias, e->multiplier ? e->multiplier + r * e->ld_multiplier : NULL,            \
                   e->residual ? e->residual + r * e->ld_residual : NULL, e->columns, act);                            \
  }

EPILOGUE(0) EPILOGUE(1) EPILOGUE(2) EPILOGUE(3) EPILOGUE(4) EPILOGUE(5) EPILOGUE(6) EPILOGUE(7)
static void (*const epilogues[WEFT_N_ACT])(const struct epilogue *e) = {
    epilogue_0, epilogue_1, epilogue_2, epilogue_3, epilogue_4, epilogue_5, epilogue_6, epilogue_7};

void WEFT_KERNEL(epilogue)(const struct weft_product *g, size_t row, size_t rows, size_t column, size_t columns)
{
  struct epilogue e = {
      .c = g->c + row * g->ldc + column, .bias = g->bias ? g->bias + column : NULL,
      .multiplier = g->multiplier ? g->multiplier + row * g->ld_multiplier + column : NULL,
      .residual = g->residual ? g->residual + row * g->ld_residual + column : NULL, .ldc = g->ldc,
      .ld_multiplier = g->ld_multiplier, .ld_residual = g->ld_residual, .rows = rows, .columns = columns};
  epilogues[g->act](&e);
}
