/* SPDX-License-Identifier: Apache-2.0 */
/* Values of weight files as f32. */
#include "message.h"
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

static uint32_t f16_bits(uint16_t h)
{
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3FFu;
  if (exponent == 31)
    return sign | 0x7F800000u | fraction << 13;
  if (exponent > 0)
    return sign | (exponent + 112) << 23 | fraction << 13;
  if (fraction == 0)
    return sign;
  /* Subnormal here, normal in f32: shift the leading one out of the fraction. */
  exponent = 113;
  while (!(fraction & 0x400u)) {
    fraction <<= 1;
    exponent--;
  }
  return sign | exponent << 23 | (fraction & 0x3FFu) << 13;
}

/* The halves of 16 bits: f16, or bf16, which is the upper half of an f32. */
static void from_halves(const unsigned char *from, int is_bf16, uint64_t n, float *to)
{
  for (uint64_t i = 0; i < n; i++) {
    uint16_t half;
    memcpy(&half, from + 2 * i, 2);
    uint32_t bits = is_bf16 ? (uint32_t)half << 16 : f16_bits(half);
    memcpy(&to[i], &bits, 4);
  }
}

static void from_doubles(const unsigned char *from, uint64_t n, float *to)
{
  for (uint64_t i = 0; i < n; i++) {
    double value;
    memcpy(&value, from + 8 * i, 8);
    to[i] = (float)value;
  }
}

weft_status weft_to_f32(const void *from, struct weft_dtype dtype, uint64_t n, float *to)
{
  if (n == 0)
    return WEFT_OK;
  if (weft_dtype_equal(dtype, weft_f32()))
    memcpy(to, from, n * 4);
  else if (weft_dtype_equal(dtype, weft_dtype_of(WEFT_DTYPE_FLOAT, 64)))
    from_doubles(from, n, to);
  else if (dtype.bits == 16 && (dtype.code == WEFT_DTYPE_FLOAT || dtype.code == WEFT_DTYPE_BFLOAT))
    from_halves(from, dtype.code == WEFT_DTYPE_BFLOAT, n, to);
  else
    return WEFT_UNSUPPORTED;
  return WEFT_OK;
}

weft_status weft_safetensors_f32(const struct weft_safetensors_tensor *tensor, struct weft_weights_f32 *out,
                                 char *message)
{
  memset(out, 0, sizeof *out);
  out->n = tensor->n_bytes / (tensor->dtype.bits / 8u);
  if (weft_dtype_equal(tensor->dtype, weft_f32()) && (uintptr_t)tensor->data % sizeof(float) == 0) {
    out->data = tensor->data;
    return WEFT_OK;
  }
  float *values = aligned_alloc(WEFT_ALIGNMENT, (out->n * 4 / WEFT_ALIGNMENT + 1) * WEFT_ALIGNMENT);
  if (!values)
    return weft_message(message, WEFT_NO_MEMORY, "tensor '%s': no memory for %llu values", tensor->name,
                        (unsigned long long)out->n);
  if (weft_to_f32(tensor->data, tensor->dtype, out->n, values) != WEFT_OK) {
    free(values);
    return weft_message(message, WEFT_UNSUPPORTED, "tensor '%s' holds integers, expected F32, F16, BF16 or F64",
                        tensor->name);
  }
  out->owned = values;
  out->data = values;
  return WEFT_OK;
}

void weft_weights_f32_clear(struct weft_weights_f32 *weights)
{
  free(weights->owned);
  memset(weights, 0, sizeof *weights);
}
