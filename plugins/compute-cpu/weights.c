/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program's weights lie: packed for products, converted, or as they are. */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)1 << 21)

static float half_to_float(uint16_t h)
{
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 1023u, bits;
  if (exponent == 31)
    bits = sign | 0x7f800000u | mantissa << 13;
  else if (exponent)
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  else {
    float small = (float)mantissa * 0x1p-24f;
    return sign ? -small : small;
  }
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* Elements [first, first + n) of a weight as f32. */
static void convert(float *to, const struct weft_plan_weight *w, size_t first, size_t n)
{
  const uint8_t *from = (const uint8_t *)w->data + w->offset + first * (w->dtype.bits / 8);
  if (w->dtype.bits == 32) {
    memcpy(to, from, n * sizeof *to);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    uint16_t h;
    memcpy(&h, from + i * 2, sizeof h);
    uint32_t bits = (uint32_t)h << 16;
    if (w->dtype.code == WEFT_DTYPE_FLOAT)
      to[i] = half_to_float(h);
    else
      memcpy(to + i, &bits, sizeof *to);
  }
}

static size_t round_up(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

/* A weight that can be read where it lies. */
static int readable(const struct weft_plan_weight *w)
{
  return w->dtype.bits == 32 && ((uintptr_t)w->data + w->offset) % sizeof(float) == 0;
}

/* How the operations read each weight: bit 0 plain, bit 1 packed. */
static void weight_uses(const struct weft_plan *plan, uint8_t *uses)
{
  for (uint32_t o = 0; o < plan->n_ops; o++)
    for (uint32_t i = 0; i < plan->ops[o].n_inputs; i++) {
      weft_value v = plan->ops[o].inputs[i];
      if (v != WEFT_NO_VALUE && plan->values[v].kind == WEFT_VALUE_WEIGHT)
        uses[v] |= plan->ops[o].code == WEFT_OP_LINEAR && i == 1 ? 2 : 1;
    }
}

/* Packs the panels of a weight [rows, k], as f32 one panel at a time through `block` [nr][k]. */
static void pack(uint8_t *to, const struct weft_plan_weight *w, size_t rows, size_t k, float *block,
                 const struct weft_product_kernels *product)
{
  size_t n_bytes = product->panel_bytes(k), step = product->nr;
  for (size_t first = 0; first < rows; first += step, to += n_bytes) {
    size_t n = rows - first < step ? rows - first : step;
    const float *from = block;
    if (readable(w))
      from = (const float *)(const void *)((const uint8_t *)w->data + w->offset) + first * k;
    else
      convert(block, w, first * k, n * k);
    product->pack(to, from, n, k);
  }
}

/* Packs and converts into `to`; with to == NULL only counts. Returns the bytes. */
static size_t place_weights(struct weft_program *program, const struct weft_plan *plan, const uint8_t *uses, float *block,
                            uint8_t *to)
{
  size_t at = 0;
  const struct weft_product_kernels *product = weft_cpu_product_for(program->isa, program->precision);
  for (uint32_t v = 0; v < plan->n_values; v++) {
    if (!uses[v])
      continue;
    const struct weft_plan_weight *w = &plan->weights[plan->values[v].weight];
    struct weft_cpu_value *value = &program->values[v];
    size_t rows = (size_t)w->dims[0], k = value->n_elements / rows;
    if (uses[v] & 2) {
      if (to) {
        pack(to + at, w, rows, k, block, product);
        value->packed = to + at;
        value->product = product;
      }
      at += round_up((rows + product->nr - 1) / product->nr * product->panel_bytes(k), WEFT_ALIGNMENT);
    }
    if ((uses[v] & 1) && readable(w)) {
      value->plain = (const float *)(const void *)((const uint8_t *)w->data + w->offset);
    } else if (uses[v] & 1) {
      if (to) {
        convert((float *)(void *)(to + at), w, 0, value->n_elements);
        value->plain = (const float *)(const void *)(to + at);
      }
      at += round_up(value->n_elements * sizeof(float), WEFT_ALIGNMENT);
    }
  }
  return at;
}

/*
 * Room for the packed weights, in huge pages where it fills at least half of
 * one: a fault costs most of what filling 4 KB takes (1.8 MB: 1.4 ms without,
 * 0.1 with), and products miss fewer addresses.
 */
static uint8_t *allocate_weights(struct weft_program *program, size_t n_bytes)
{
  size_t huge = (n_bytes + HUGE_PAGE / 2) / HUGE_PAGE * HUGE_PAGE;
  n_bytes += WEFT_ALIGNMENT;
  size_t room = huge ? (n_bytes > huge ? n_bytes : huge) + HUGE_PAGE : n_bytes;
  program->weights_memory = program->host->alloc(room);
  if (!program->weights_memory || !huge)
    return program->weights_memory;
  uint8_t *memory = program->weights_memory;
  memory += (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
  /* advice: what follows is right without it */
  (void)madvise(memory, huge, MADV_HUGEPAGE);
  return memory;
}

/* Floats of the widest panel that is converted before it is packed. */
static size_t block_floats(const struct weft_program *program, const struct weft_plan *plan, const uint8_t *uses)
{
  size_t most = 0;
  for (uint32_t v = 0; v < plan->n_values; v++) {
    if (!(uses[v] & 2) || readable(&plan->weights[plan->values[v].weight]))
      continue;
    size_t k = program->values[v].n_elements / (size_t)plan->values[v].dims[0];
    size_t n = k * weft_cpu_product_for(program->isa, program->precision)->nr;
    most = n > most ? n : most;
  }
  return most;
}

int weft_cpu_weights(struct weft_program *program, const struct weft_plan *plan)
{
  uint8_t *uses = calloc(plan->n_values + (size_t)1, 1);
  if (!uses)
    return 0;
  weight_uses(plan, uses);
  size_t n_block = block_floats(program, plan, uses);
  float *block = n_block ? malloc(n_block * sizeof *block) : NULL;
  uint8_t *weights = n_block && !block ? NULL : allocate_weights(program, place_weights(program, plan, uses, NULL, NULL));
  if (weights)
    place_weights(program, plan, uses, block, weights);
  free(block);
  free(uses);
  return weights != NULL;
}
