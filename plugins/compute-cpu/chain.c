/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a chain. Each worker has a slot, in which one block of rows is at work;
 * who has nothing left to do in its own slot takes chunks of others'. Whoever
 * finishes the last chunk of a phase begins the next one, or the next block,
 * so nobody is waited for who holds no chunk.
 */
#include "chain.h"

#include <pthread.h>
#include <stdatomic.h>

/* Multiplications in a chunk of a product: some 10 to 20 us, 1 ms at worst without vectors. */
#define CHUNK_PRODUCTS (512 * 1024)
/* The same where nobody shares them: only cancellation is looked at in between. */
#define CHUNK_PRODUCTS_ALONE (4 * 1024 * 1024)
/* Elements in a chunk of rows. */
#define CHUNK_ELEMENTS (8 * 1024)
/* Rounds that a thread without a chunk looks around: some 50 us. */
#define SPINS 1500

/*
 * A place like an operation of the pool: `claim` holds a number that changes
 * with every phase beside the next chunk, so that who read old values cannot
 * claim anything.
 */
struct slot {
  _Atomic uint64_t claim; /* number << 32 | next chunk */
  _Atomic uint32_t n_chunks, n_done, block, phase;
  uint8_t apart[WEFT_CPU_SLOT_BYTES - 24]; /* lines are fetched in pairs */
} __attribute__((aligned(WEFT_ALIGNMENT)));
_Static_assert(sizeof(struct slot) == WEFT_CPU_SLOT_BYTES, "the layout reserves slots");

struct chain {
  struct weft_cpu_run *run;
  const struct weft_program *program;
  const struct weft_cpu_group *group;
  struct slot *slots;
  size_t n_rows, block_rows, chunk_products;
  uint32_t n_blocks, n_workers;
  _Atomic uint32_t next_block, n_left, n_sleeping;
  pthread_t caller;
  pthread_mutex_t lock;
  pthread_cond_t changed;
};

/* A block of rows, and where its values are. */
struct block {
  const struct chain *chain;
  uint8_t *memory;
  size_t first, n;
};

static struct block block_at(const struct chain *c, uint32_t slot, uint32_t block)
{
  size_t first = block * c->block_rows, left = c->n_rows - first;
  return (struct block){c, c->run->work + c->run->n_work_bytes * slot, first, left < c->block_rows ? left : c->block_rows};
}

/* Row `row` of the block. */
static float *rows_at(const struct block *b, weft_value v, size_t row)
{
  const struct weft_cpu_value *value = &b->chain->program->values[v];
  float *data = b->chain->run->data[v];
  if (data)
    return data + (b->first + row) * value->width;
  return (float *)(void *)(b->memory + value->local_at * b->chain->block_rows) + row * value->width;
}

static const float *operand_at(const struct block *b, weft_value v, size_t row)
{
  if (v == WEFT_NO_VALUE)
    return NULL;
  const struct weft_cpu_value *value = &b->chain->program->values[v];
  return value->kind == WEFT_VALUE_WEIGHT ? value->plain : rows_at(b, v, row);
}

static const struct weft_cpu_value *value_of(const struct chain *c, weft_value v)
{
  return &c->program->values[v];
}

/* Panels of a product in one chunk over m rows. */
static size_t panels_of_chunk(const struct chain *c, const struct weft_cpu_step *s, size_t m)
{
  const struct weft_cpu_value *w = value_of(c, s->weight);
  size_t one = m * value_of(c, s->in)->width * w->product->nr, n = one ? c->chunk_products / one : SIZE_MAX;
  return n ? n : 1;
}

static size_t columns_of(const struct chain *c, const struct weft_cpu_step *s)
{
  return value_of(c, s->out)->width;
}

static uint32_t chunks_of_product(const struct chain *c, const struct weft_cpu_step *s, size_t m)
{
  size_t nr = value_of(c, s->weight)->product->nr, n_panels = (columns_of(c, s) + nr - 1) / nr;
  size_t panels = panels_of_chunk(c, s, m);
  return (uint32_t)(n_panels / panels + (n_panels % panels != 0));
}

/* Elements of a row that the needed steps of a phase pass over. */
static size_t elements_of(const struct chain *c, const struct weft_cpu_phase *phase)
{
  size_t n = 0;
  for (uint32_t s = phase->first; s < phase->first + phase->n; s++)
    n += c->run->needed_steps[s] ? value_of(c, c->program->steps[s].in)->width : 0;
  return n;
}

static size_t rows_of_chunk(const struct chain *c, const struct weft_cpu_phase *phase)
{
  size_t n = CHUNK_ELEMENTS / elements_of(c, phase);
  return n ? n : 1;
}

/* 0: nothing of the phase is needed. */
static uint32_t chunks_of(const struct chain *c, const struct weft_cpu_phase *phase, size_t m)
{
  uint32_t n = 0;
  if (!phase->by_columns) {
    size_t rows = elements_of(c, phase) ? rows_of_chunk(c, phase) : 0;
    return rows ? (uint32_t)((m + rows - 1) / rows) : 0;
  }
  for (uint32_t s = phase->first; s < phase->first + phase->n; s++)
    n += c->run->needed_steps[s] ? chunks_of_product(c, &c->program->steps[s], m) : 0;
  return n;
}

static void run_product(const struct block *b, const struct weft_cpu_step *s, uint32_t chunk)
{
  const struct chain *c = b->chain;
  const struct weft_cpu_value *w = value_of(c, s->weight);
  size_t n = columns_of(c, s), k = value_of(c, s->in)->width, panels = panels_of_chunk(c, s, b->n);
  size_t column = chunk * panels * w->product->nr, end = column + panels * w->product->nr;
  const float *bias = operand_at(b, s->bias, 0), *multiplier = operand_at(b, s->multiplier, 0);
  const float *residual = operand_at(b, s->residual, 0);
  struct weft_product p = {.a = operand_at(b, s->in, 0), .b = w->packed + chunk * panels * w->product->panel_bytes(k),
                           .c = rows_at(b, s->out, 0) + column, .bias = bias ? bias + column : NULL,
                           .multiplier = multiplier ? multiplier + column : NULL,
                           .residual = residual ? residual + column : NULL, .lda = k, .ldc = n, .ld_multiplier = n,
                           .ld_residual = n, .m = b->n, .n = (end < n && panels < n ? end : n) - column, .k = k,
                           .act = s->act};
  if (s->prepared != WEFT_CPU_NOT_PREPARED)
    p.a = b->memory + s->prepared_at * c->block_rows;
  w->product->product(&p);
}

static void run_rows(const struct block *b, const struct weft_cpu_step *s, size_t first, size_t n)
{
  const struct chain *c = b->chain;
  if (s->kind == WEFT_CPU_PREPARE) {
    const struct weft_product_kernels *product = value_of(c, s->weight)->product;
    size_t k = value_of(c, s->in)->width;
    product->prepare(b->memory + s->prepared_at * c->block_rows + first * product->row_bytes(k),
                     operand_at(b, s->in, first), k, n, k);
    return;
  }
  const struct weft_plan_op *op = &c->program->ops[s->op];
  struct weft_cpu_rows r = {.program = c->program, .op = op, .out = rows_at(b, s->out, first), .n = n,
                            .width = value_of(c, s->in)->width};
  for (uint32_t i = 0; i < op->n_inputs; i++)
    r.in[i] = operand_at(b, op->inputs[i], first);
  weft_cpu_rows_find(op->code)(&r);
}

static void run_chunk(const struct block *b, const struct weft_cpu_phase *phase, uint32_t chunk)
{
  const struct chain *c = b->chain;
  size_t rows = phase->by_columns ? 0 : rows_of_chunk(c, phase), first = chunk * rows;
  for (uint32_t s = phase->first; s < phase->first + phase->n; s++) {
    const struct weft_cpu_step *step = &c->program->steps[s];
    if (!c->run->needed_steps[s])
      continue;
    if (!phase->by_columns) {
      run_rows(b, step, first, b->n - first < rows ? b->n - first : rows);
      continue;
    }
    uint32_t n = chunks_of_product(c, step, b->n);
    if (chunk < n) {
      run_product(b, step, chunk);
      return;
    }
    chunk -= n;
  }
}

static void run_alone(const struct chain *c)
{
  for (uint32_t i = 0; i < c->n_blocks; i++) {
    struct block b = block_at(c, 0, i);
    for (uint32_t p = 0; p < c->group->n_phases; p++) {
      const struct weft_cpu_phase *phase = &c->program->phases[c->group->first_phase + p];
      uint32_t n = chunks_of(c, phase, b.n);
      for (uint32_t chunk = 0; chunk < n; chunk++) {
        if (weft_cpu_cancelled(c->run))
          return;
        run_chunk(&b, phase, chunk);
      }
    }
  }
}

static void wake_all(struct chain *c)
{
  if (!atomic_load(&c->n_sleeping))
    return;
  pthread_mutex_lock(&c->lock);
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

/* By whoever finished the phase before, or by the slot's own worker at its beginning: nobody else can claim. */
static void publish(struct chain *c, struct slot *slot, uint32_t block, uint32_t phase, uint32_t n_chunks)
{
  uint64_t number = (atomic_load(&slot->claim) >> 32) + 1;
  atomic_store(&slot->claim, number << 32 | UINT32_MAX);
  atomic_store_explicit(&slot->block, block, memory_order_release);
  atomic_store_explicit(&slot->phase, phase, memory_order_release);
  atomic_store_explicit(&slot->n_done, 0, memory_order_release);
  atomic_store_explicit(&slot->n_chunks, n_chunks, memory_order_release);
  atomic_store(&slot->claim, (number + 1) << 32);
  wake_all(c);
}

/* Begins the phase, or the first one behind it that has something to do; behind the last one, the next block. */
static void advance(struct chain *c, uint32_t at, uint32_t block, uint32_t phase)
{
  for (;;) {
    for (; block < c->n_blocks && phase < c->group->n_phases; phase++) {
      uint32_t n = chunks_of(c, &c->program->phases[c->group->first_phase + phase], block_at(c, at, block).n);
      if (n) {
        publish(c, &c->slots[at], block, phase, n);
        return;
      }
    }
    if (block < c->n_blocks && atomic_fetch_sub(&c->n_left, 1) == 1)
      wake_all(c);
    block = atomic_fetch_add(&c->next_block, 1);
    phase = 0;
    if (block >= c->n_blocks)
      return;
  }
}

/* 0: there is nothing to claim in that slot. */
static int work_in(struct chain *c, uint32_t at)
{
  struct slot *slot = &c->slots[at];
  uint64_t claim = atomic_load_explicit(&slot->claim, memory_order_acquire);
  uint32_t n_chunks = atomic_load_explicit(&slot->n_chunks, memory_order_acquire), chunk = (uint32_t)claim;
  uint32_t block = atomic_load_explicit(&slot->block, memory_order_acquire);
  uint32_t phase = atomic_load_explicit(&slot->phase, memory_order_acquire);
  if (chunk >= n_chunks || !atomic_compare_exchange_strong(&slot->claim, &claim, claim + 1))
    return chunk < n_chunks;
  struct block b = block_at(c, at, block);
  run_chunk(&b, &c->program->phases[c->group->first_phase + phase], chunk);
  if (atomic_fetch_add(&slot->n_done, 1) + 1 == n_chunks)
    advance(c, at, block, phase + 1);
  return 1;
}

static int anything(struct chain *c)
{
  for (uint32_t i = 0; i < c->n_workers; i++)
    if ((uint32_t)atomic_load(&c->slots[i].claim) < atomic_load(&c->slots[i].n_chunks))
      return 1;
  return !atomic_load(&c->n_left) || weft_cpu_cancelled(c->run);
}

/*
 * Until there is something to do. 0: it is time to go. A helper goes after a while of looking around, since the caller
 * would wait for it to wake up at the end; the caller, who has nowhere to go, sleeps.
 */
static int wait(struct chain *c)
{
  for (int i = 0; i < SPINS; i++) {
    if (anything(c))
      return 1;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  if (!pthread_equal(pthread_self(), c->caller))
    return 0;
  pthread_mutex_lock(&c->lock);
  atomic_fetch_add(&c->n_sleeping, 1);
  while (!anything(c))
    pthread_cond_wait(&c->changed, &c->lock);
  atomic_fetch_sub(&c->n_sleeping, 1);
  pthread_mutex_unlock(&c->lock);
  return 1;
}

static void work_off(void *data, uint32_t worker)
{
  struct chain *c = data;
  uint32_t block = atomic_fetch_add(&c->next_block, 1);
  if (block < c->n_blocks)
    advance(c, worker, block, 0);
  while (atomic_load(&c->n_left) && !weft_cpu_cancelled(c->run)) {
    int worked = 0;
    for (uint32_t i = 0; i < c->n_workers && !worked; i++)
      worked = work_in(c, (worker + i) % c->n_workers);
    if (!worked && !wait(c))
      return;
  }
  wake_all(c);
}

/* About nanoseconds: 16 multiplications a nanosecond are one AVX2 core at some 60 % of its peak. */
static double cost_of(const struct chain *c)
{
  double cost = 0;
  for (uint32_t p = 0; p < c->group->n_phases; p++) {
    const struct weft_cpu_phase *phase = &c->program->phases[c->group->first_phase + p];
    if (!phase->by_columns)
      cost += (double)elements_of(c, phase) * .3;
    for (uint32_t s = phase->first; s < phase->first + phase->n && phase->by_columns; s++)
      if (c->run->needed_steps[s])
        cost += (double)value_of(c, c->program->steps[s].in)->width * (double)columns_of(c, &c->program->steps[s]) / 16;
  }
  return cost * (double)c->n_rows;
}

void weft_cpu_run_group(struct weft_cpu_run *run, const struct weft_cpu_group *group)
{
  size_t n_rows = (size_t)weft_cpu_rows(run, group->splits);
  if (n_rows == 0)
    return;
  struct chain c = {.run = run, .program = run->program, .group = group, .slots = run->slots, .n_rows = n_rows,
                    .block_rows = weft_cpu_block_rows(run->program, group, n_rows), .chunk_products = CHUNK_PRODUCTS,
                    .caller = pthread_self()};
  c.n_blocks = (uint32_t)((n_rows + c.block_rows - 1) / c.block_rows);
  c.n_workers = weft_cpu_workers(run, UINT32_MAX, cost_of(&c));
  if (c.n_workers == 1) {
    if (run->program->kernels != &weft_kernels_scalar)
      c.chunk_products = CHUNK_PRODUCTS_ALONE;
    run_alone(&c);
    return;
  }
  atomic_init(&c.n_left, c.n_blocks);
  for (uint32_t i = 0; i < c.n_workers; i++) {
    atomic_init(&c.slots[i].claim, UINT32_MAX);
    atomic_init(&c.slots[i].n_chunks, 0);
  }
  pthread_mutex_init(&c.lock, NULL);
  pthread_cond_init(&c.changed, NULL);
  run->program->pool->parallel(c.n_workers, work_off, &c);
  pthread_cond_destroy(&c.changed);
  pthread_mutex_destroy(&c.lock);
}
