/* SPDX-License-Identifier: Apache-2.0 */
/** @file store.h Inside core/runtime: the structures of store.c, which turn.c reads too. */
#ifndef WEFT_CORE_STORE_H
#define WEFT_CORE_STORE_H

#include "policy.h"

struct session {
  struct session *next;            /* of its bucket, or of the free ones */
  struct session *older, *younger; /* by use */
  struct turn *first, *last;       /* items that came and are not done, in order of arrival */
  uint64_t hash, used_at;          /* CLOCK_MONOTONIC */
  uint32_t n_pinned;               /* items of frames that are not done */
  uint32_t n_key;
  uint8_t key[WEFT_SESSION_KEY_MAX + 1];
  struct cell cells[];             /* [n_cells] */
};

struct weft_store {
  pthread_mutex_t lock; /* all below, but blocks that are filled or read: their value is pinned */
  struct weft_region *memory;
  uint8_t *sessions, *blocks;
  uint32_t *next_block; /* [n_blocks] of a chain; 0: the last */
  uint32_t *refs;       /* [n_blocks] at the first block of a value: its cell, and who reads it */
  /* [n_blocks] at the first block of a chain that is free */
  uint32_t *next_chain, *chain_last, *chain_n;
  struct session **buckets, *free_sessions, *oldest, *youngest;
  size_t session_bytes;
  uint64_t ttl_ns, n_forgotten, seed;
  uint32_t n_cells, n_sessions_max, n_sessions; /* sessions ever made */
  uint32_t n_buckets, n_blocks, n_fresh, free_chain, n_free; /* blocks are numbered from 1; n_fresh: ever used */
};

#endif
