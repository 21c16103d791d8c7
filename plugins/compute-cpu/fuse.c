/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the chains of a program: runs of operations on rows of equal splits.
 * What stands behind a product and belongs to its columns (activation, gate,
 * residual) becomes part of it; the rest is put into phases as early as its
 * operands allow, so that products of one value stand together and share its
 * prepared rows.
 */
#include "chain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NONE UINT32_MAX
#define NO_DRAFT -1

/* A step on its way into a phase. Levels: even ones are divided by rows, odd ones by columns. */
struct draft {
  struct weft_cpu_step step;
  int level, last; /* last: of those who read what it writes */
};

struct fusing {
  struct weft_program *program;
  struct draft *drafts; /* of the group; those taken in by another have op == NONE */
  uint32_t n_drafts;
  uint32_t n_steps, n_phases, n_groups;
  int *draft_of;        /* [n_values] of the group: who writes the value, or NO_DRAFT */
  uint32_t *n_readers;  /* [n_values] */
  uint32_t *n_inside;   /* [n_values] of them in the group */
  uint8_t *is_output;   /* [n_values] */
};

static int is_splits(uint32_t code)
{
  return code < WEFT_OP_SPLITS_END;
}

static weft_value operand(const struct weft_plan_op *op, uint32_t input)
{
  return input < op->n_inputs ? op->inputs[input] : WEFT_NO_VALUE;
}

static struct draft *writer_of(struct fusing *f, weft_value v)
{
  return v != WEFT_NO_VALUE && f->draft_of[v] != NO_DRAFT ? &f->drafts[f->draft_of[v]] : NULL;
}

/* The product that may take in an operation on its result v: v is read by that operation only, and asked for by nobody. */
static struct draft *product_behind(struct fusing *f, weft_value v)
{
  struct draft *d = writer_of(f, v);
  int alone = d && d->step.kind == WEFT_CPU_PRODUCT && f->n_readers[v] == 1 && !f->is_output[v];
  return alone && d->step.residual == WEFT_NO_VALUE ? d : NULL;
}

static int is_like(const struct weft_program *program, weft_value a, weft_value b)
{
  return program->values[a].kind == WEFT_VALUE_ROWS && program->values[b].kind == WEFT_VALUE_ROWS &&
         program->values[a].width == program->values[b].width;
}

/* Takes op into the product of its operand `input`; 0: it cannot be. */
static int take_in(struct fusing *f, uint32_t o, uint32_t input)
{
  const struct weft_plan_op *op = &f->program->ops[o];
  struct draft *d = product_behind(f, op->inputs[input]);
  weft_value other = op->code == WEFT_OP_ACTIVATION ? WEFT_NO_VALUE : op->inputs[1 - input];
  if (!d || (other != WEFT_NO_VALUE && !is_like(f->program, op->inputs[input], other)))
    return 0;
  if (op->code == WEFT_OP_ACTIVATION) {
    if (d->step.act != WEFT_ACT_NONE || d->step.multiplier != WEFT_NO_VALUE)
      return 0;
    d->step.act = (int)op->ints[0];
  } else if (op->code == WEFT_OP_MUL) {
    if (d->step.multiplier != WEFT_NO_VALUE)
      return 0;
    d->step.multiplier = other;
  } else {
    d->step.residual = other;
  }
  /* it moves to where op stands: the other operand may have been written in between */
  struct draft *moved = &f->drafts[f->n_drafts++];
  *moved = *d;
  d->step.op = NONE;
  moved->step.op = o;
  moved->step.out = op->outputs[0];
  f->draft_of[op->inputs[input]] = NO_DRAFT;
  f->program->values[op->inputs[input]].local_at = 0; /* nobody writes or reads it any more */
  f->draft_of[op->outputs[0]] = (int)(moved - f->drafts);
  return 1;
}

static void draft_op(struct fusing *f, uint32_t o)
{
  const struct weft_plan_op *op = &f->program->ops[o];
  int foldable = op->code == WEFT_OP_ADD || op->code == WEFT_OP_MUL || op->code == WEFT_OP_ACTIVATION;
  /* the operand written last first: its product can take the other one in */
  if (foldable && ((op->code != WEFT_OP_ACTIVATION && take_in(f, o, 1)) || take_in(f, o, 0)))
    return;
  struct draft *d = &f->drafts[f->n_drafts];
  *d = (struct draft){.step = {.kind = WEFT_CPU_ROWS, .op = o, .in = op->inputs[0], .out = op->outputs[0],
                               .weight = WEFT_NO_VALUE, .bias = WEFT_NO_VALUE, .multiplier = WEFT_NO_VALUE,
                               .residual = WEFT_NO_VALUE, .prepared = WEFT_CPU_NOT_PREPARED}};
  if (op->code == WEFT_OP_LINEAR) {
    d->step.kind = WEFT_CPU_PRODUCT;
    d->step.weight = op->inputs[1];
    d->step.bias = operand(op, 2);
    d->step.residual = operand(op, 3);
    d->step.act = (int)op->ints[0];
  }
  f->draft_of[op->outputs[0]] = (int)f->n_drafts++;
}

/* The first level at which v can be read by rows (0) or by columns (1), and who writes it is told. */
static int level_behind(struct fusing *f, weft_value v, int by_columns, int level)
{
  const struct draft *d = writer_of(f, v);
  int least = by_columns;
  if (d && by_columns)
    least = d->level % 2 ? d->level + 2 : d->level + 1;
  else if (d)
    least = d->level % 2 ? d->level + 1 : d->level;
  return level > least ? level : least;
}

static void read_at(struct fusing *f, weft_value v, int level)
{
  struct draft *d = writer_of(f, v);
  if (d && d->last < level)
    d->last = level;
}

/* The draft that prepares the rows of a product, found or added at the end; NULL: they are read as they are. */
static struct draft *prepare_for(struct fusing *f, struct draft *d, uint32_t *n_prepared)
{
  const struct weft_product_kernels *product = f->program->values[d->step.weight].product;
  if (!product->prepare)
    return NULL;
  for (uint32_t i = 0; i < f->n_drafts; i++) {
    const struct weft_cpu_step *s = &f->drafts[i].step;
    if (s->kind == WEFT_CPU_PREPARE && s->in == d->step.in && f->program->values[s->weight].product == product)
      return &f->drafts[i];
  }
  struct draft *added = &f->drafts[f->n_drafts++];
  *added = (struct draft){.step = {.kind = WEFT_CPU_PREPARE, .op = d->step.op, .in = d->step.in, .out = WEFT_NO_VALUE,
                                   .weight = d->step.weight, .prepared = (*n_prepared)++}};
  added->level = added->last = level_behind(f, d->step.in, 0, 0);
  read_at(f, d->step.in, added->level);
  return added;
}

/* Gives every draft its level, in the order of operations. */
static void level_drafts(struct fusing *f)
{
  uint32_t n_prepared = 0, n = f->n_drafts;
  for (uint32_t i = 0; i < n; i++) {
    struct draft *d = &f->drafts[i];
    if (d->step.op == NONE)
      continue;
    if (d->step.kind == WEFT_CPU_PRODUCT) {
      struct draft *prepared = prepare_for(f, d, &n_prepared);
      int level = prepared ? prepared->level + 1 : level_behind(f, d->step.in, 1, 1);
      level = level_behind(f, d->step.multiplier, 1, level);
      d->level = level_behind(f, d->step.residual, 1, level);
      read_at(f, d->step.multiplier, d->level);
      read_at(f, d->step.residual, d->level);
      if (!prepared) {
        read_at(f, d->step.in, d->level);
      } else {
        d->step.prepared = prepared->step.prepared;
        prepared->last = d->level > prepared->last ? d->level : prepared->last;
      }
    } else {
      const struct weft_plan_op *op = &f->program->ops[d->step.op];
      for (uint32_t k = 0; k < op->n_inputs; k++)
        d->level = level_behind(f, op->inputs[k], 0, d->level);
      for (uint32_t k = 0; k < op->n_inputs; k++)
        read_at(f, op->inputs[k], d->level);
    }
    d->last = d->last > d->level ? d->last : d->level;
  }
}

static size_t round_64(size_t n)
{
  return (n + 63) / 64 * 64;
}

/* What a draft keeps in the block's memory, bytes a row; 0: nothing. */
static size_t place_bytes(const struct fusing *f, const struct draft *d)
{
  const struct weft_program *program = f->program;
  if (d->step.op == NONE)
    return 0;
  if (d->step.kind == WEFT_CPU_PREPARE)
    return program->values[d->step.weight].product->row_bytes(program->values[d->step.in].width);
  if (f->n_inside[d->step.out] != f->n_readers[d->step.out])
    return 0;
  return round_64(program->values[d->step.out].width * sizeof(float));
}

static size_t *place_of(const struct fusing *f, struct draft *d)
{
  return d->step.kind == WEFT_CPU_PREPARE ? &d->step.prepared_at : &f->program->values[d->step.out].local_at;
}

/* The lowest place that is free from the draft's level to its last; those before it have theirs. */
static size_t free_place(const struct fusing *f, uint32_t i, size_t n_bytes)
{
  const struct draft *d = &f->drafts[i];
  size_t at = 0;
  for (uint32_t k = 0; k < i; k++) {
    struct draft *other = &f->drafts[k];
    size_t n = place_bytes(f, other);
    if (!n || other->last < d->level || d->last < other->level || *place_of(f, other) >= at + n_bytes ||
        *place_of(f, other) + n <= at)
      continue;
    at = *place_of(f, other) + n;
    k = UINT32_MAX; /* once more from the first */
  }
  return at;
}

static void place_drafts(struct fusing *f, struct weft_cpu_group *group)
{
  for (uint32_t i = 0; i < f->n_drafts; i++) {
    size_t n = place_bytes(f, &f->drafts[i]);
    if (!n)
      continue;
    size_t at = free_place(f, i, n);
    *place_of(f, &f->drafts[i]) = at;
    group->row_bytes = at + n > group->row_bytes ? at + n : group->row_bytes;
  }
  for (uint32_t i = 0; i < f->n_drafts; i++)
    for (uint32_t k = 0; k < f->n_drafts; k++)
      if (f->drafts[i].step.kind == WEFT_CPU_PRODUCT && f->drafts[k].step.kind == WEFT_CPU_PREPARE &&
          f->drafts[i].step.prepared == f->drafts[k].step.prepared)
        f->drafts[i].step.prepared_at = f->drafts[k].step.prepared_at;
}

static void measure(const struct fusing *f, struct weft_cpu_group *group)
{
  const struct weft_program *program = f->program;
  group->rows_unit = 1;
  for (uint32_t i = 0; i < f->n_drafts; i++) {
    const struct weft_cpu_step *s = &f->drafts[i].step;
    if (s->op == NONE)
      continue;
    size_t bytes = program->values[s->in].width * sizeof(float);
    if (s->kind == WEFT_CPU_PREPARE)
      bytes = program->values[s->weight].product->row_bytes(program->values[s->in].width);
    if (s->kind == WEFT_CPU_PRODUCT)
      group->rows_unit = program->values[s->weight].product->mr;
    if (s->kind == WEFT_CPU_PRODUCT && s->prepared != WEFT_CPU_NOT_PREPARED)
      continue;
    group->widest = bytes > group->widest ? bytes : group->widest;
  }
}

/* Drafts become steps, level by level. */
static void emit(struct fusing *f, struct weft_cpu_group *group)
{
  struct weft_program *program = f->program;
  int highest = -1;
  group->first_phase = f->n_phases;
  for (uint32_t i = 0; i < f->n_drafts; i++)
    if (f->drafts[i].step.op != NONE && f->drafts[i].level > highest)
      highest = f->drafts[i].level;
  for (int level = 0; level <= highest; level++) {
    struct weft_cpu_phase phase = {.first = f->n_steps, .by_columns = level % 2};
    for (uint32_t i = 0; i < f->n_drafts; i++)
      if (f->drafts[i].step.op != NONE && f->drafts[i].level == level)
        program->steps[f->n_steps++] = f->drafts[i].step;
    phase.n = f->n_steps - phase.first;
    if (phase.n)
      program->phases[f->n_phases++] = phase;
  }
  group->n_phases = f->n_phases - group->first_phase;
}

static void fuse_group(struct fusing *f, struct weft_cpu_group *group)
{
  const struct weft_program *program = f->program;
  f->n_drafts = 0;
  for (uint32_t o = group->first_op; o < group->end_op; o++) {
    const struct weft_plan_op *op = &program->ops[o];
    if (is_splits(op->code))
      continue;
    program->group_of[o] = f->n_groups;
    for (uint32_t i = 0; i < op->n_inputs; i++)
      if (op->inputs[i] != WEFT_NO_VALUE)
        f->n_inside[op->inputs[i]]++;
    draft_op(f, o);
  }
  level_drafts(f);
  place_drafts(f, group);
  measure(f, group);
  emit(f, group);
  /* others see what it writes as rows that lie somewhere */
  for (uint32_t i = 0; i < f->n_drafts; i++)
    if (f->drafts[i].step.op != NONE && f->drafts[i].step.out != WEFT_NO_VALUE)
      f->draft_of[f->drafts[i].step.out] = NO_DRAFT;
  for (uint32_t o = group->first_op; o < group->end_op; o++)
    for (uint32_t i = 0; i < program->ops[o].n_inputs; i++)
      if (program->ops[o].inputs[i] != WEFT_NO_VALUE)
        f->n_inside[program->ops[o].inputs[i]] = 0;
}

static void find_groups(struct fusing *f)
{
  struct weft_program *program = f->program;
  for (uint32_t o = 0; o < program->n_ops;) {
    if (!weft_cpu_row_local(program->ops[o].code)) {
      o++;
      continue;
    }
    struct weft_cpu_group *group = &program->groups[f->n_groups];
    weft_value splits = program->values[program->ops[o].inputs[0]].splits;
    *group = (struct weft_cpu_group){.first_op = o, .end_op = o + 1, .splits = splits};
    for (o++; o < program->n_ops; o++) {
      const struct weft_plan_op *op = &program->ops[o];
      if (is_splits(op->code))
        continue;
      if (!weft_cpu_row_local(op->code) || program->values[op->inputs[0]].splits != splits)
        break;
      group->end_op = o + 1;
    }
    fuse_group(f, group);
    o = group->end_op;
    f->n_groups++;
  }
  program->n_groups = f->n_groups;
  program->n_phases = f->n_phases;
  program->n_steps = f->n_steps;
}

/* calloc of n elements and one more; NULL: no memory. */
#define ZEROS(n, pointer) (pointer = calloc((n) + (size_t)1, sizeof *(pointer)))
#define ROOM(host, n, pointer) (pointer = (host)->alloc(((n) + (size_t)1) * sizeof *(pointer)))

static void count_readers(struct fusing *f)
{
  const struct weft_program *program = f->program;
  for (uint32_t v = 0; v < program->n_values; v++)
    f->draft_of[v] = NO_DRAFT;
  for (uint32_t o = 0; o < program->n_ops; o++)
    for (uint32_t i = 0; i < program->ops[o].n_inputs; i++)
      if (program->ops[o].inputs[i] != WEFT_NO_VALUE)
        f->n_readers[program->ops[o].inputs[i]]++;
  for (uint32_t i = 0; i < program->n_outputs; i++)
    f->is_output[program->outputs[i]] = 1;
}

int weft_cpu_chains(struct weft_program *program)
{
  const struct weft_host *host = program->host;
  struct fusing f = {.program = program};
  uint32_t n_steps = 2 * program->n_ops;
  int done = ROOM(host, program->n_ops, program->groups) && ROOM(host, n_steps, program->phases) &&
             ROOM(host, n_steps, program->steps) && ROOM(host, program->n_ops, program->group_of) &&
             ZEROS(2 * n_steps, f.drafts) && ZEROS(program->n_values, f.draft_of) &&
             ZEROS(program->n_values, f.n_readers) && ZEROS(program->n_values, f.n_inside) &&
             ZEROS(program->n_values, f.is_output);
  if (done) {
    for (uint32_t o = 0; o < program->n_ops; o++)
      program->group_of[o] = NONE;
    count_readers(&f);
    find_groups(&f);
  }
  free(f.drafts);
  free(f.draft_of);
  free(f.n_readers);
  free(f.n_inside);
  free(f.is_output);
  return done;
}

/*
 * A pass over the weights costs their way from memory, so blocks are tall: their rows spill into the third-level cache
 * before they are cut (MiniLM, 128 rows, f32 on Zen 3: 46 ms in blocks of 36, 43 of 66, 40 as one). Formats with
 * narrow rows stay in the second one.
 */
#define ROWS_LEAST 96
#define ROWS_MOST 144

static size_t cache_bytes(void)
{
  long n = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return n > 0 ? (size_t)n : 512 * 1024;
}

static size_t rows_most(const struct weft_cpu_group *group)
{
  size_t unit = group->rows_unit, n = group->widest ? cache_bytes() / group->widest : ROWS_MOST;
  n = n < ROWS_LEAST ? ROWS_LEAST : n > ROWS_MOST ? ROWS_MOST : n;
  return (n + unit - 1) / unit * unit;
}

size_t weft_cpu_block_rows(const struct weft_program *program, const struct weft_cpu_group *group, size_t n_rows)
{
  size_t unit = group->rows_unit, most = rows_most(group), n_blocks = (n_rows + most - 1) / most;
  /* as many blocks as threads can share evenly, where they stay tall; fewer rows are shared by columns */
  size_t even = (n_blocks + program->n_threads - 1) / program->n_threads * program->n_threads;
  if (n_rows / even >= ROWS_LEAST)
    n_blocks = even;
  size_t rows = (n_rows + n_blocks - 1) / n_blocks;
  rows = (rows + unit - 1) / unit * unit;
  return rows < n_rows ? rows : n_rows;
}

uint64_t weft_cpu_block_bytes(const struct weft_program *program, const struct weft_cpu_group *group, uint64_t n_rows)
{
  uint64_t most = rows_most(group);
  return (n_rows < most ? n_rows : most) * group->row_bytes;
}
