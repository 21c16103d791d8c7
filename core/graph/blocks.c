/* SPDX-License-Identifier: Apache-2.0 */
#include "blocks.h"

#include <string.h>

/* Bytes of one block. */
#define BLOCK_BYTES 65536u

struct WeftBlock {
  struct WeftBlock *next;
};

gpointer weft_blocks_take(WeftBlocks *blocks, gsize n_bytes)
{
  n_bytes = (n_bytes + 7) / 8 * 8;
  if (n_bytes > (gsize)(blocks->end - blocks->at)) {
    gsize size = MAX(n_bytes, BLOCK_BYTES - sizeof(struct WeftBlock));
    struct WeftBlock *block = g_malloc(sizeof *block + size);
    block->next = blocks->first;
    blocks->first = block;
    blocks->at = (char *)(block + 1);
    blocks->end = blocks->at + size;
  }
  gpointer memory = blocks->at;
  blocks->at += n_bytes;
  return memory;
}

gpointer weft_blocks_take0(WeftBlocks *blocks, gsize n_bytes)
{
  return memset(weft_blocks_take(blocks, n_bytes), 0, n_bytes);
}

char *weft_blocks_text(WeftBlocks *blocks, const char *text, gsize n)
{
  char *copy = weft_blocks_take(blocks, n + 1);
  memcpy(copy, text, n);
  copy[n] = 0;
  return copy;
}

void weft_blocks_clear(WeftBlocks *blocks)
{
  for (struct WeftBlock *block = blocks->first, *next; block; block = next) {
    next = block->next;
    g_free(block);
  }
  *blocks = (WeftBlocks){0};
}
