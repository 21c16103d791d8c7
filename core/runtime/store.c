/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last values of sessions. All memory is reserved with the graph and
 * committed as it is used; values lie in chains of small blocks, so that no
 * size is favoured and nothing fragments. The session that was used least
 * recently leaves where sessions or blocks run out.
 */
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES 256u
#define N_LINKS 5 /* arrays over the blocks */

static void *carve(struct weft_region *memory, size_t n_bytes)
{
  return weft_region_alloc(memory, n_bytes);
}

weft_status weft_store_new(const struct weft_graph *graph, struct weft_store **out)
{
  const struct weft_graph_spec *spec = &graph->spec;
  struct weft_store *store = weft_mem_alloc(sizeof *store);
  if (!store)
    return WEFT_NO_MEMORY;
  memset(store, 0, sizeof *store);
  pthread_mutex_init(&store->lock, NULL);
  store->n_cells = graph->n_values_all - spec->n_values;
  store->n_sessions_max = spec->n_sessions_max ? spec->n_sessions_max : WEFT_SESSIONS_MAX;
  store->ttl_ns = spec->session_ttl_ns ? spec->session_ttl_ns : WEFT_SESSION_TTL_NS;
  uint64_t n_kept = spec->n_kept_bytes_max ? spec->n_kept_bytes_max : WEFT_KEPT_BYTES_MAX;
  uint64_t n_blocks = n_kept / BLOCK_BYTES;
  store->n_blocks = n_blocks < UINT32_MAX - 1 ? (uint32_t)n_blocks : UINT32_MAX - 1;
  store->seed = weft_clock_now() | 1;
  store->n_buckets = 64;
  while (store->n_buckets < store->n_sessions_max && store->n_buckets < 1u << 30)
    store->n_buckets *= 2;
  store->session_bytes = weft_align(sizeof(struct session) + store->n_cells * sizeof(struct cell));
  size_t n_session_bytes = store->session_bytes * store->n_sessions_max;
  size_t n_block_bytes = (size_t)store->n_blocks * BLOCK_BYTES, n_links = ((size_t)store->n_blocks + 1) * sizeof(uint32_t);
  size_t n_bucket_bytes = store->n_buckets * sizeof *store->buckets;
  store->memory = weft_region_new(n_session_bytes + n_block_bytes + N_LINKS * n_links + n_bucket_bytes + 4096);
  *out = store;
  if (!store->memory)
    return WEFT_NO_MEMORY;
  store->sessions = carve(store->memory, n_session_bytes);
  store->blocks = carve(store->memory, n_block_bytes);
  uint32_t **links[N_LINKS] = {&store->next_block, &store->refs, &store->next_chain, &store->chain_last, &store->chain_n};
  int has_links = 1;
  for (int k = 0; k < N_LINKS; k++)
    has_links &= (*links[k] = carve(store->memory, n_links)) != NULL;
  store->buckets = carve(store->memory, n_bucket_bytes);
  return store->sessions && store->blocks && has_links && store->buckets ? WEFT_OK : WEFT_NO_MEMORY;
}

void weft_store_free(struct weft_store *store)
{
  if (!store)
    return;
  weft_region_free(store->memory);
  pthread_mutex_destroy(&store->lock);
  weft_mem_free(store);
}

void weft_store_lock(struct weft_store *store)
{
  pthread_mutex_lock(&store->lock);
}

void weft_store_unlock(struct weft_store *store)
{
  pthread_mutex_unlock(&store->lock);
}

uint64_t weft_store_n_forgotten(struct weft_store *store)
{
  pthread_mutex_lock(&store->lock);
  uint64_t n = store->n_forgotten;
  pthread_mutex_unlock(&store->lock);
  return n;
}

/* Blocks */

static void give_chain(struct weft_store *store, uint32_t first, uint32_t last, uint32_t n)
{
  store->next_chain[first] = store->free_chain;
  store->chain_last[first] = last;
  store->chain_n[first] = n;
  store->free_chain = first;
  store->n_free += n;
}

/* One holder less of the value; the last gives its blocks back. */
static void let_go(struct weft_store *store, struct cell *cell)
{
  if (cell->n_blocks && --store->refs[cell->first] == 0)
    give_chain(store, cell->first, cell->last, cell->n_blocks);
  *cell = (struct cell){0};
}

static uint64_t n_left(const struct weft_store *store)
{
  return (uint64_t)store->n_free + (store->n_blocks - store->n_fresh);
}

static uint8_t *block_at(const struct weft_store *store, uint32_t block)
{
  return store->blocks + (size_t)(block - 1) * BLOCK_BYTES;
}

/* A place in a chain of blocks. */
struct chain {
  const struct weft_store *store;
  uint32_t block, used;
};

static void cross(struct chain *chain, uint8_t *data, size_t n_bytes, int writes)
{
  while (n_bytes) {
    if (chain->used == BLOCK_BYTES) {
      chain->block = chain->store->next_block[chain->block];
      chain->used = 0;
    }
    size_t n = BLOCK_BYTES - chain->used < n_bytes ? BLOCK_BYTES - chain->used : n_bytes;
    uint8_t *at = block_at(chain->store, chain->block) + chain->used;
    memcpy(writes ? at : data, writes ? data : at, n);
    chain->used += (uint32_t)n;
    data += n;
    n_bytes -= n;
  }
}

/* Sessions */

static void unlink_use(struct weft_store *store, struct session *session)
{
  *(session->older ? &session->older->younger : &store->oldest) = session->younger;
  *(session->younger ? &session->younger->older : &store->youngest) = session->older;
}

static void link_use(struct weft_store *store, struct session *session)
{
  session->older = store->youngest;
  session->younger = NULL;
  *(store->youngest ? &store->youngest->younger : &store->oldest) = session;
  store->youngest = session;
}

static void forget_values(struct weft_store *store, struct session *session)
{
  for (uint32_t c = 0; c < store->n_cells; c++)
    if (session->cells[c].present)
      let_go(store, &session->cells[c]);
}

static void evict(struct weft_store *store, struct session *session)
{
  struct session **link = &store->buckets[session->hash & (store->n_buckets - 1)];
  while (*link != session)
    link = &(*link)->next;
  *link = session->next;
  unlink_use(store, session);
  forget_values(store, session);
  session->next = store->free_sessions;
  store->free_sessions = session;
}

static struct session *oldest_unused(const struct weft_store *store)
{
  struct session *session = store->oldest;
  while (session && session->n_pinned)
    session = session->younger;
  return session;
}

static struct session *new_session(struct weft_store *store)
{
  if (!store->free_sessions && store->n_sessions < store->n_sessions_max)
    return (struct session *)(void *)(store->sessions + store->session_bytes * store->n_sessions++);
  struct session *unused = store->free_sessions ? NULL : oldest_unused(store);
  if (unused)
    evict(store, unused);
  struct session *session = store->free_sessions;
  if (session)
    store->free_sessions = session->next;
  return session;
}

static uint64_t hash_of(const struct weft_store *store, const uint8_t *key, uint32_t n)
{
  uint64_t hash = 14695981039346656037u ^ store->seed;
  for (uint32_t k = 0; k < n; k++)
    hash = (hash ^ key[k]) * 1099511628211u;
  return hash ^ hash >> 32;
}

static struct session *find_session(struct weft_store *store, const uint8_t *key, uint32_t n_key, uint64_t now)
{
  uint64_t hash = hash_of(store, key, n_key);
  struct session **bucket = &store->buckets[hash & (store->n_buckets - 1)], *session = *bucket;
  while (session && (session->hash != hash || session->n_key != n_key || memcmp(session->key, key, n_key)))
    session = session->next;
  if (session) {
    unlink_use(store, session);
    /* Another frame may have read its clock later and come before. */
    if (!session->n_pinned && now > session->used_at && now - session->used_at > store->ttl_ns)
      forget_values(store, session);
  } else {
    session = new_session(store);
    if (!session)
      return NULL;
    memset(session, 0, store->session_bytes);
    session->hash = hash;
    session->n_key = n_key;
    memcpy(session->key, key, n_key);
    session->next = *bucket;
    *bucket = session;
  }
  if (now > session->used_at)
    session->used_at = now;
  link_use(store, session);
  return session;
}

/* A stream: its handle; otherwise tenant and session. The number of bytes; 0: none; above WEFT_SESSION_KEY_MAX: too long. */
static size_t key_of(const struct weft_item *item, uint8_t key[WEFT_SESSION_KEY_MAX + 1])
{
  const struct weft_context *context = item->context;
  if (item->stream) {
    key[0] = 's';
    memcpy(key + 1, &item->stream, sizeof item->stream);
    return 1 + sizeof item->stream;
  }
  if (!context || !context->session || !context->session[0])
    return 0;
  size_t n_tenant = context->tenant ? strlen(context->tenant) : 0, n_session = strlen(context->session);
  size_t n = 1 + n_tenant + 1 + n_session;
  if (n > WEFT_SESSION_KEY_MAX)
    return n;
  key[0] = 'c';
  memcpy(key + 1, context->tenant ? context->tenant : "", n_tenant);
  key[1 + n_tenant] = 0;
  memcpy(key + 2 + n_tenant, context->session, n_session);
  return n;
}

static void line_up(struct turn *turn, struct session *session, struct weft_frame *frame)
{
  *turn = (struct turn){.previous = session->last, .session = session, .frame = frame};
  *(session->last ? &session->last->next : &session->first) = turn;
  session->last = turn;
}

/* Under the lock. NULL or why the item has no place. */
static const char *enter(struct weft_frame *frame, uint32_t item, uint64_t now, weft_status *status)
{
  uint8_t key[WEFT_SESSION_KEY_MAX + 1];
  struct weft_store *store = frame->graph->store;
  size_t n = key_of(&frame->items[item], key);
  if (!n)
    return NULL;
  *status = WEFT_BAD_INPUT;
  if (n > WEFT_SESSION_KEY_MAX)
    return "the names of its tenant and session are too long: at most 253 bytes together (WEFT_SESSION_KEY_MAX)";
  struct session *session = find_session(store, key, (uint32_t)n, now);
  *status = WEFT_UNAVAILABLE;
  if (!session) {
    store->n_forgotten++;
    return "as many sessions as can be kept are in use (WEFT_SESSIONS_MAX): try again later";
  }
  session->n_pinned++;
  frame->policy->sessions[item] = session;
  if (frame->graph->n_turns)
    line_up(&frame->policy->turns[item], session, frame);
  return NULL;
}

void weft_store_enter(struct weft_frame *frame)
{
  struct weft_store *store = frame->graph->store;
  uint64_t now = weft_clock_now();
  weft_status status = WEFT_OK;
  frame->policy->entered = 1;
  /* All at once: of two frames one comes first in every session. */
  pthread_mutex_lock(&store->lock);
  for (uint32_t item = 0; item < frame->n_items; item++) {
    const char *why = frame->live[item] ? enter(frame, item, now, &status) : NULL;
    if (why)
      weft_frame_end(frame, item, status, -1, "%s", why);
  }
  pthread_mutex_unlock(&store->lock);
}

void weft_store_leave(struct weft_frame *frame)
{
  struct weft_store *store = frame->graph->store;
  if (!frame->policy->entered)
    return;
  frame->policy->entered = 0;
  pthread_mutex_lock(&store->lock);
  if (frame->graph->n_turns)
    weft_turns_end(frame);
  for (uint32_t item = 0; item < frame->n_items; item++) {
    if (frame->policy->sessions[item])
      frame->policy->sessions[item]->n_pinned--;
    frame->policy->sessions[item] = NULL;
  }
  pthread_mutex_unlock(&store->lock);
}

/* Values. They are copied without the lock: whoever is stopped while it copies stalls nobody. */

void weft_store_pin(struct weft_store *store, const struct session *session, uint32_t index)
{
  const struct cell *cell = &session->cells[index];
  if (cell->present && cell->n_blocks)
    store->refs[cell->first]++;
}

void weft_store_unpin(struct weft_store *store, struct cell *pinned)
{
  let_go(store, pinned);
}

const struct cell *weft_store_cell(const struct session *session, uint32_t cell)
{
  return session->cells[cell].present ? &session->cells[cell] : NULL;
}

void weft_store_read(const struct weft_store *store, const struct cell *cell, int64_t *ends, void *rows)
{
  struct chain chain = {store, cell->first, 0};
  cross(&chain, (uint8_t *)ends, (size_t)cell->n_groups * sizeof *ends, 0);
  cross(&chain, rows, (size_t)cell->n_bytes, 0);
}

/* As many blocks as `n`, taken from sessions nobody uses where there are too few. 0: there are not that many. */
static int make_room(struct weft_store *store, uint64_t n)
{
  while (n_left(store) < n) {
    struct session *unused = oldest_unused(store);
    if (!unused)
      return 0;
    evict(store, unused);
  }
  return 1;
}

/* Blocks that are still to be put together, without the lock. */
struct taken {
  uint32_t long_chain, n_of_long; /* it gives so many, and the rest back */
  uint32_t fresh, n_fresh;        /* never used before */
};

static void append(struct weft_store *store, struct cell *cell, uint32_t first, uint32_t last, uint32_t n)
{
  if (cell->n_blocks)
    store->next_block[cell->last] = first;
  else
    cell->first = first;
  cell->last = last;
  cell->n_blocks += n;
}

/* With the lock, which is not held for each block: chains that are free, a part of one, blocks never used. */
static void take(struct weft_store *store, struct cell *cell, uint32_t n, struct taken *taken)
{
  *taken = (struct taken){0};
  while (n && store->free_chain && !taken->long_chain) {
    uint32_t chain = store->free_chain, n_chain = store->chain_n[chain];
    store->free_chain = store->next_chain[chain];
    store->n_free -= n_chain;
    if (n_chain > n) {
      taken->long_chain = chain;
      taken->n_of_long = n;
      n = 0;
    } else {
      append(store, cell, chain, store->chain_last[chain], n_chain);
      n -= n_chain;
    }
  }
  taken->fresh = store->n_fresh + 1;
  taken->n_fresh = n;
  store->n_fresh += n;
}

/* Without the lock. What is left of the long chain begins at *rest, whose chain_last and chain_n are set; 0: nothing. */
static void put_together(struct weft_store *store, struct cell *cell, const struct taken *taken, uint32_t *rest)
{
  *rest = 0;
  if (taken->long_chain) {
    uint32_t first = taken->long_chain, last = first;
    for (uint32_t k = 1; k < taken->n_of_long; k++)
      last = store->next_block[last];
    *rest = store->next_block[last];
    store->chain_last[*rest] = store->chain_last[first];
    store->chain_n[*rest] = store->chain_n[first] - taken->n_of_long;
    append(store, cell, first, last, taken->n_of_long);
  }
  for (uint32_t k = 1; k < taken->n_fresh; k++)
    store->next_block[taken->fresh + k - 1] = taken->fresh + k;
  if (taken->n_fresh)
    append(store, cell, taken->fresh, taken->fresh + taken->n_fresh - 1, taken->n_fresh);
  if (!cell->n_blocks)
    return;
  store->next_block[cell->last] = 0;
  store->refs[cell->first] = 1;
}

/* Blocks for the new value. What is kept stays until that is written, unless there is no room for both. 0: no room. */
static int reserve(struct weft_store *store, struct cell *old, struct cell *kept, struct taken *taken)
{
  uint64_t n_bytes = (uint64_t)kept->n_bytes + (uint64_t)kept->n_groups * sizeof(int64_t);
  uint64_t n = (n_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
  if (n_left(store) < n)
    let_go(store, old);
  if (n > store->n_blocks || !make_room(store, n)) {
    let_go(store, old);
    store->n_forgotten++;
    return 0;
  }
  take(store, kept, (uint32_t)n, taken);
  return 1;
}

int weft_store_keep(struct weft_store *store, struct session *session, uint32_t index, const struct kept_from *from)
{
  const struct weft_tensor *tensor = from->tensor;
  struct weft_rows rows = weft_rows_of(tensor, from->item);
  struct cell *cell = &session->cells[index];
  const int64_t *groups = NULL;
  struct taken taken;
  uint32_t rest;
  struct cell kept = {.time = from->time, .present = 1, .n_rows = rows.end - rows.begin};
  int64_t row_bytes = weft_row_bytes(tensor);
  if (rows.present && tensor->splits[1]) {
    int64_t slot = tensor->slots ? tensor->slots[from->item] : (int64_t)from->item;
    groups = tensor->splits[1] + tensor->splits[0][slot];
    kept.n_groups = tensor->splits[0][slot + 1] - tensor->splits[0][slot];
  }
  memcpy(kept.dims, tensor->dims, sizeof kept.dims);
  kept.n_bytes = kept.n_rows * row_bytes;
  pthread_mutex_lock(&store->lock);
  int older = from->unless_newer && cell->present && cell->time > from->time;
  if (!older && !rows.present)
    let_go(store, cell);
  int has_room = older || !rows.present || reserve(store, cell, &kept, &taken);
  pthread_mutex_unlock(&store->lock);
  if (older || !rows.present || !has_room)
    return has_room;
  put_together(store, &kept, &taken, &rest);
  struct chain chain = {store, kept.first, 0};
  for (int64_t g = 1; g <= kept.n_groups; g++) {
    int64_t end = groups[g] - groups[0];
    cross(&chain, (uint8_t *)&end, sizeof end, 1);
  }
  cross(&chain, (uint8_t *)tensor->data + rows.begin * row_bytes, (size_t)kept.n_bytes, 1);
  pthread_mutex_lock(&store->lock);
  if (rest)
    give_chain(store, rest, store->chain_last[rest], store->chain_n[rest]);
  if (from->unless_newer && cell->present && cell->time > from->time) {
    let_go(store, &kept);
  } else {
    let_go(store, cell);
    *cell = kept;
  }
  pthread_mutex_unlock(&store->lock);
  return 1;
}
