/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file blocks.h
 * Memory that goes as a whole: many small pieces in few blocks, none of them
 * freed alone. A pipeline of many nodes asks the allocator rarely by it.
 */
#ifndef WEFT_CORE_BLOCKS_H
#define WEFT_CORE_BLOCKS_H

#include <glib.h>

/** All zero: empty. */
typedef struct {
  struct WeftBlock *first;
  char *at, *end; /* what is left of the first block */
} WeftBlocks;

/** Memory for anything but vectors, not cleared: borrowed until weft_blocks_clear. */
gpointer weft_blocks_take(WeftBlocks *blocks, gsize n_bytes);
/** The first n bytes of a text, closed by a zero. */
char *weft_blocks_text(WeftBlocks *blocks, const char *text, gsize n);
/** The same as weft_blocks_take, zero. */
gpointer weft_blocks_take0(WeftBlocks *blocks, gsize n_bytes);
void weft_blocks_clear(WeftBlocks *blocks);

#endif
