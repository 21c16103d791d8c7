/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twice the room of what may be kept: rows are appended behind the last one,
 * and moved back to the front when the end is reached, which costs one copy of
 * each row at most, however full the store is.
 */
#include "rows.h"

#include "hosttable.h"

#include <string.h>

weft_status weft_rows_store_init(struct weft_rows_store *store, int64_t row_bytes, uint64_t buffer_bytes)
{
  int64_t per_row = row_bytes ? row_bytes + (int64_t)sizeof(int64_t) : WEFT_LIVE_TEXT_MIN_BYTES;
  *store = (struct weft_rows_store){.row_bytes = row_bytes, .newest = INT64_MIN};
  store->n_max = (int64_t)buffer_bytes / per_row;
  store->n_bytes_max = row_bytes ? store->n_max * row_bytes : (int64_t)buffer_bytes;
  store->times = weft_mem_alloc(2 * (size_t)store->n_max * sizeof *store->times);
  store->data = weft_mem_alloc(2 * (size_t)store->n_bytes_max);
  if (!row_bytes)
    store->ends = weft_mem_alloc(2 * (size_t)store->n_max * sizeof *store->ends);
  if (store->times && store->data && (row_bytes || store->ends))
    return WEFT_OK;
  weft_rows_store_clear(store);
  return WEFT_NO_MEMORY;
}

void weft_rows_store_clear(struct weft_rows_store *store)
{
  weft_mem_free(store->times);
  weft_mem_free(store->ends);
  weft_mem_free(store->data);
  *store = (struct weft_rows_store){0};
}

/* Where row i begins in data; i may be the end. */
static int64_t byte_of(const struct weft_rows_store *store, int64_t i)
{
  if (store->row_bytes)
    return i * store->row_bytes;
  return i == store->begin ? store->first_byte : store->ends[i - 1];
}

const uint8_t *weft_rows_data(const struct weft_rows_store *store, int64_t from, int64_t to, int64_t *n_bytes)
{
  int64_t begin = byte_of(store, from);
  *n_bytes = byte_of(store, to) - begin;
  return store->data + begin;
}

int64_t weft_rows_find(const struct weft_rows_store *store, int64_t time)
{
  int64_t low = store->begin, high = store->end;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (store->times[middle] < time)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void forget_to(struct weft_rows_store *store, int64_t i)
{
  store->first_byte = byte_of(store, i);
  store->begin = i;
  if (store->begin < store->end)
    return;
  store->begin = store->end = 0;
  store->first_byte = 0;
}

void weft_rows_forget(struct weft_rows_store *store, int64_t time, int64_t n_keep)
{
  int64_t i = weft_rows_find(store, time) - n_keep;
  if (i > store->begin)
    forget_to(store, i);
}

/* Room for one more row of n_bytes behind the last one. */
static void make_room(struct weft_rows_store *store, int64_t n_bytes)
{
  int64_t n = weft_rows_n(store), first = byte_of(store, store->begin), last = byte_of(store, store->end);
  if (store->end < 2 * store->n_max && last + n_bytes <= 2 * store->n_bytes_max)
    return;
  memmove(store->data, store->data + first, (size_t)(last - first));
  memmove(store->times, store->times + store->begin, (size_t)n * sizeof *store->times);
  for (int64_t i = 0; store->ends && i < n; i++)
    store->ends[i] = store->ends[store->begin + i] - first;
  store->begin = store->first_byte = 0;
  store->end = n;
}

/* Whether n_bytes more may be kept, after the oldest rows have gone where they may. */
static int admit(struct weft_rows_store *store, int64_t n_bytes, int drops)
{
  for (;;) {
    int64_t used = byte_of(store, store->end) - byte_of(store, store->begin);
    if (weft_rows_n(store) < store->n_max && used + n_bytes <= store->n_bytes_max)
      return 1;
    if (!drops || !weft_rows_n(store))
      return 0;
    forget_to(store, store->begin + 1);
    store->n_dropped++;
  }
}

/* Between the rows that are there, where its time belongs: behind equal ones. */
static void insert(struct weft_rows_store *store, int64_t time, const uint8_t *data, int64_t n_bytes)
{
  int64_t at = weft_rows_find(store, time + 1), byte = byte_of(store, at), last = byte_of(store, store->end);
  memmove(store->data + byte + n_bytes, store->data + byte, (size_t)(last - byte));
  memcpy(store->data + byte, data, (size_t)n_bytes);
  memmove(store->times + at + 1, store->times + at, (size_t)(store->end - at) * sizeof *store->times);
  store->times[at] = time;
  for (int64_t i = store->end; store->ends && i > at; i--)
    store->ends[i] = store->ends[i - 1] + n_bytes;
  if (store->ends)
    store->ends[at] = byte + n_bytes;
  store->end++;
}

/* Rows in order from `at` on that may be appended at once. */
static int64_t run_of(const struct weft_rows_store *store, const struct weft_rows_chunk *chunk, int64_t floor)
{
  int64_t n = 0, last = store->newest, most = store->n_max - weft_rows_n(store);
  while (chunk->at + n < chunk->n && n < most && chunk->times[chunk->at + n] >= last &&
         chunk->times[chunk->at + n] >= floor)
    last = chunk->times[chunk->at + n++];
  return n;
}

static void append_run(struct weft_rows_store *store, struct weft_rows_chunk *chunk, int64_t n)
{
  make_room(store, n * store->row_bytes);
  memcpy(store->times + store->end, chunk->times + chunk->at, (size_t)n * sizeof *store->times);
  memcpy(store->data + store->end * store->row_bytes, chunk->data + chunk->at * store->row_bytes,
         (size_t)(n * store->row_bytes));
  store->end += n;
  store->newest = store->times[store->end - 1];
  store->n_taken += (uint64_t)n;
  chunk->at += n;
}

int weft_rows_take(struct weft_rows_store *store, struct weft_rows_chunk *chunk, const struct weft_rows_rules *rules)
{
  for (; chunk->at < chunk->n; chunk->at++) {
    int64_t n = store->row_bytes ? run_of(store, chunk, rules->floor) : 0;
    if (n) {
      append_run(store, chunk, n);
      chunk->at--;
      continue;
    }
    int64_t time = chunk->times[chunk->at];
    int64_t from = store->row_bytes ? chunk->at * store->row_bytes : chunk->splits[chunk->at];
    int64_t n_bytes = store->row_bytes ? store->row_bytes : chunk->splits[chunk->at + 1] - from;
    int late = time < rules->floor || (store->newest != INT64_MIN && time < store->newest - rules->tolerance);
    int hopeless = n_bytes > store->n_bytes_max; /* one text that nothing could hold */
    if (!hopeless && (!late || rules->keeps_late) && !admit(store, n_bytes, rules->drops))
      return 0;
    store->n_late += (uint64_t)late;
    store->n_dropped += (uint64_t)hopeless;
    if (hopeless || (late && !rules->keeps_late))
      continue;
    make_room(store, n_bytes);
    insert(store, time, chunk->data + from, n_bytes);
    store->newest = time > store->newest ? time : store->newest;
    store->n_taken++;
  }
  return 1;
}
