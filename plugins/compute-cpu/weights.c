/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program's weights lie: packed for products, converted, or as they are. */
#include "program.h"

#include "quantised.h"

#include <weft/derived.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* How weights stand one behind the other in what is kept; another order or another use is another number. */
#define WEFT_CPU_LAYOUT "compute-cpu/1"
/* Less is packed sooner than its file is opened. */
#define WEFT_CPU_KEPT_LEAST_BYTES ((size_t)256 << 10)

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
  if (w->dtype.bits < 16) {
    weft_nn_dequantise(w, first, n, to);
    return;
  }
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

/* How a weight is multiplied: as the program wants it, or better where it says so. */
static const struct weft_product_kernels *product_of(const struct weft_program *program, const struct weft_plan_weight *w)
{
  uint32_t precision = program->precision;
  if (w->at_least && w->at_least - 1 < precision)
    precision = w->at_least - 1;
  return weft_cpu_product_for(program->isa, precision);
}

/* How the operations read each weight. */
enum { PLAIN = 1, PACKED = 2, GROUPED = 4 };

static uint8_t use_of(const struct weft_plan_op *op, uint32_t input)
{
  if (op->code == WEFT_OP_LINEAR && input == 1)
    return PACKED;
  return op->code == WEFT_OP_GROUPED_LINEAR && input == 2 ? GROUPED : PLAIN;
}

static void weight_uses(const struct weft_plan *plan, uint8_t *uses)
{
  for (uint32_t o = 0; o < plan->n_ops; o++)
    for (uint32_t i = 0; i < plan->ops[o].n_inputs; i++) {
      weft_value v = plan->ops[o].inputs[i];
      if (v != WEFT_NO_VALUE && plan->values[v].kind == WEFT_VALUE_WEIGHT)
        uses[v] |= use_of(&plan->ops[o], i);
    }
}

/* Panels of one use of a weight: rows of each group begin a panel of their own. */
struct panels {
  size_t n_groups, rows, k;
};

static struct panels panels_of(const struct weft_plan_weight *w, size_t n_elements, uint8_t use)
{
  struct panels p = {.n_groups = 1, .rows = (size_t)w->dims[0]};
  if (use == GROUPED) {
    p.n_groups = (size_t)w->dims[0];
    p.rows = (size_t)w->dims[1];
  }
  p.k = n_elements / p.n_groups / p.rows;
  return p;
}

static size_t group_bytes(const struct panels *p, const struct weft_product_kernels *product)
{
  return (p->rows + product->nr - 1) / product->nr * product->panel_bytes(p->k);
}

/* Packs the panels of a weight [n_groups, rows, k], as f32 one panel at a time through `block` [nr][k]. */
static void pack(uint8_t *to, const struct weft_plan_weight *w, const struct panels *p, float *block,
                 const struct weft_product_kernels *product)
{
  for (size_t first = 0; first < p->n_groups * p->rows; to += product->panel_bytes(p->k)) {
    size_t left = p->rows - first % p->rows, n = left < product->nr ? left : product->nr;
    const float *from = block;
    if (readable(w))
      from = (const float *)(const void *)((const uint8_t *)w->data + w->offset) + first * p->k;
    else
      convert(block, w, first * p->k, n * p->k);
    product->pack(to, from, n, p->k);
    first += n;
  }
}

/* What stands in a derived file's key of each weight: all that decides its bytes there. */
struct record {
  uint64_t resource, offset, scales;
  int64_t dims[WEFT_PLAN_RANK];
  struct weft_dtype dtype;
  uint32_t rank, uses;
  char layout[24]; /* of its product; "": none */
};

struct placing {
  struct weft_program *program;
  const struct weft_plan *plan;
  uint8_t *uses;           /* [n_values] */
  float *block;            /* [nr][k] of the widest panel that is converted; NULL: none is */
  struct record *records;  /* [n_weights] */
  uint32_t n_records;
  int kept;                /* all of them are of resources, which have digests */
};

/* The weight is packed or converted at `to`, or found there as it was. NULL: only counts. Returns its bytes. */
static size_t place_weight(struct placing *p, uint32_t v, const uint8_t *to, int make)
{
  const struct weft_plan_weight *w = &p->plan->weights[p->plan->values[v].weight];
  struct weft_cpu_value *value = &p->program->values[v];
  const struct weft_product_kernels *product = product_of(p->program, w);
  size_t at = 0;
  for (uint8_t use = PACKED; use <= GROUPED; use *= 2) {
    if (!(p->uses[v] & use))
      continue;
    struct panels panels = panels_of(w, value->n_elements, use);
    if (make)
      pack((uint8_t *)(uintptr_t)(to + at), w, &panels, p->block, product);
    const uint8_t *packed = to ? to + at : NULL;
    value->product = product;
    if (use == PACKED)
      value->packed = packed;
    else
      value->grouped = packed;
    if (use != PACKED) {
      value->n_groups = panels.n_groups;
      value->group_bytes = group_bytes(&panels, product);
    }
    at += round_up(panels.n_groups * group_bytes(&panels, product), WEFT_ALIGNMENT);
  }
  if (!(p->uses[v] & PLAIN))
    return at;
  if (readable(w)) {
    value->plain = (const float *)(const void *)((const uint8_t *)w->data + w->offset);
    return at;
  }
  if (make)
    convert((float *)(uintptr_t)(to + at), w, 0, value->n_elements);
  value->plain = to ? (const float *)(const void *)(to + at) : NULL;
  return at + round_up(value->n_elements * sizeof(float), WEFT_ALIGNMENT);
}

/* All of them, one behind the other; to == NULL: only counts. */
static size_t place_weights(struct placing *p, const uint8_t *to, int make)
{
  size_t at = 0;
  for (uint32_t v = 0; v < p->plan->n_values; v++)
    if (p->uses[v])
      at += place_weight(p, v, to ? to + at : NULL, make);
  return at;
}

static void take_records(struct placing *p)
{
  p->kept = 1;
  for (uint32_t v = 0; v < p->plan->n_values; v++) {
    if (!p->uses[v])
      continue;
    const struct weft_plan_weight *w = &p->plan->weights[p->plan->values[v].weight];
    struct record *record = &p->records[p->n_records++];
    *record = (struct record){.resource = w->resource, .offset = w->offset, .scales = w->scales, .dtype = w->dtype,
                              .rank = w->rank, .uses = p->uses[v]};
    memcpy(record->dims, w->dims, sizeof record->dims);
    if (p->uses[v] & ~PLAIN)
      strncpy(record->layout, product_of(p->program, w)->name, sizeof record->layout - 1);
    p->kept = p->kept && w->resource != 0;
  }
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
static size_t block_floats(const struct placing *p)
{
  size_t most = 0;
  for (uint32_t v = 0; v < p->plan->n_values; v++) {
    const struct weft_plan_weight *w = &p->plan->weights[p->plan->values[v].weight];
    for (uint8_t use = PACKED; use <= GROUPED; use *= 2) {
      if (!(p->uses[v] & use) || readable(w))
        continue;
      size_t n = panels_of(w, p->program->values[v].n_elements, use).k *
                 product_of(p->program, w)->nr;
      most = n > most ? n : most;
    }
  }
  return most;
}

/* Into memory of the program's own. */
static const uint8_t *pack_all(struct placing *p, size_t n_bytes)
{
  size_t n_block = block_floats(p);
  p->block = n_block ? malloc(n_block * sizeof *p->block) : NULL;
  uint8_t *weights = n_block && !p->block ? NULL : allocate_weights(p->program, n_bytes);
  if (weights)
    place_weights(p, weights, 1);
  free(p->block);
  return weights;
}

/* Maps what an earlier start has packed, or packs, and keeps it where the host can. */
static int find_or_pack(struct placing *p, struct weft_setup *setup)
{
  struct weft_program *program = p->program;
  char layout[WEFT_DERIVED_MAX_LAYOUT];
  size_t n_bytes = place_weights(p, NULL, 0);
  snprintf(layout, sizeof layout, WEFT_CPU_LAYOUT " %s", weft_cpu_product_for(program->isa, program->precision)->name);
  struct weft_derived_key key = {.layout = layout, .content = p->records, .n_content = p->n_records * sizeof *p->records,
                                 .n_bytes = n_bytes};
  const struct weft_derived *derived =
      p->kept && n_bytes >= WEFT_CPU_KEPT_LEAST_BYTES ? program->host->get_extension(WEFT_DERIVED_ID) : NULL;
  struct weft_resource found;
  if (derived && derived->find(setup, &key, &found)) {
    place_weights(p, found.data, 0);
    return 1;
  }
  const uint8_t *weights = pack_all(p, n_bytes);
  if (weights && derived && derived->keep(setup, &key, weights, &found)) {
    place_weights(p, found.data, 0);
    program->host->free(program->weights_memory);
    program->weights_memory = NULL;
  }
  return weights != NULL;
}

int weft_cpu_weights(struct weft_program *program, struct weft_setup *setup, const struct weft_plan *plan)
{
  struct placing p = {.program = program, .plan = plan};
  p.uses = calloc(plan->n_values + (size_t)1, 1);
  p.records = calloc(plan->n_values + (size_t)1, sizeof *p.records);
  int done = p.uses && p.records;
  if (done) {
    weight_uses(plan, p.uses);
    take_records(&p);
    done = find_or_pack(&p, setup);
  }
  free(p.uses);
  free(p.records);
  return done;
}
