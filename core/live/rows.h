/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rows.h
 * What one live stream keeps: rows of a fixed size, or texts, in order of
 * their times, each stretch of time contiguous in memory. A fixed amount of
 * memory, taken once. No lock: its stream's owner has one.
 */
#ifndef WEFT_LIVE_ROWS_H
#define WEFT_LIVE_ROWS_H

#include <stdint.h>
#include <weft/errors.h>

/** A text counts as that many bytes at least, so that the number of texts is bounded too. */
#define WEFT_LIVE_TEXT_MIN_BYTES 64u

struct weft_rows_store {
  int64_t *times;         /* [2 * n_max] */
  int64_t *ends;          /* texts: where each ends in data; NULL: rows */
  uint8_t *data;
  int64_t begin, end;     /* kept: [begin, end) of times */
  int64_t first_byte;     /* texts: where the first one begins in data */
  int64_t row_bytes;      /* 0: texts */
  int64_t n_max, n_bytes_max;
  int64_t newest;         /* the latest time seen; INT64_MIN: none */
  uint64_t n_taken, n_late, n_dropped;
};

/** Rows of a chunk that are still to be taken. */
struct weft_rows_chunk {
  const int64_t *times;  /* [n] */
  const uint8_t *data;
  const int64_t *splits; /* texts: [n + 1] */
  int64_t n, at;         /* at: taken so far */
};

/** What becomes of rows that come late, or find the store full. */
struct weft_rows_rules {
  int64_t floor;     /* rows before it are late */
  int64_t tolerance; /* rows so far behind the newest are late too */
  int keeps_late;    /* counted, and kept nevertheless: the last row before a window may stand for it */
  int drops;         /* full: the oldest rows go, and are counted */
};

/** row_bytes 0: texts. Errors: WEFT_NO_MEMORY. */
weft_status weft_rows_store_init(struct weft_rows_store *store, int64_t row_bytes, uint64_t buffer_bytes);
void weft_rows_store_clear(struct weft_rows_store *store);

/** Takes rows from chunk->at on, until all are taken (answers 1) or the store is full (answers 0). */
int weft_rows_take(struct weft_rows_store *store, struct weft_rows_chunk *chunk, const struct weft_rows_rules *rules);

/** Index of the first row at or after `time`; store->end: none. */
int64_t weft_rows_find(const struct weft_rows_store *store, int64_t time);
/** Bytes of the rows [from, to). */
const uint8_t *weft_rows_data(const struct weft_rows_store *store, int64_t from, int64_t to, int64_t *n_bytes);
/** Forgets the rows before `time`, but for the last n_keep of them. */
void weft_rows_forget(struct weft_rows_store *store, int64_t time, int64_t n_keep);

static inline int64_t weft_rows_n(const struct weft_rows_store *store)
{
  return store->end - store->begin;
}

#endif
