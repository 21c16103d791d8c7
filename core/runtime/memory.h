/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file memory.h
 * Address space that is committed as it is touched: the arena of a frame and
 * the range of each dynamic output. What they cost when idle is page tables.
 */
#ifndef WEFT_CORE_MEMORY_H
#define WEFT_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/** Bytes of a frame's arena: what all its exact and bounded outputs may take together. */
#define WEFT_ARENA_BYTES_MAX ((size_t)8 << 30)
/** Bytes of a dynamic output whose value names no limit. */
#define WEFT_DYNAMIC_BYTES_MAX ((size_t)1 << 30)
/** Groups of a dynamic output. */
#define WEFT_DYNAMIC_GROUPS_MAX ((int64_t)1 << 20)
/** A frame that goes back to its pool keeps that much committed per region. */
#define WEFT_REGION_KEEP_BYTES ((size_t)64 << 20)

struct weft_region {
  uint8_t *base;
  size_t n_bytes;
  size_t used; /**< the bump */
  size_t high; /**< the most that was ever used since the last trim */
};

/** Reserves n_bytes; counted as one allocation (weft_mem_fail_at). NULL: no memory. Caller frees with weft_region_free. */
struct weft_region *weft_region_new(size_t n_bytes);
void weft_region_free(struct weft_region *region);
/** Back to `used` bytes; gives the pages beyond WEFT_REGION_KEEP_BYTES back. */
void weft_region_reset(struct weft_region *region, size_t used);

static inline size_t weft_align(size_t n)
{
  return (n + 63u) & ~(size_t)63u;
}

/** 64-byte aligned, undefined content; NULL when the region is full. Borrowed until reset. */
static inline void *weft_region_alloc(struct weft_region *region, size_t n_bytes)
{
  if (n_bytes > region->n_bytes - region->used)
    return NULL;
  size_t end = weft_align(region->used + n_bytes);
  if (end > region->n_bytes)
    return NULL;
  void *p = region->base + region->used;
  region->used = end;
  return p;
}

#endif
