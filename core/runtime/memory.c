/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include "hosttable.h"

#include <sys/mman.h>

struct weft_region *weft_region_new(size_t n_bytes)
{
  /* The header goes through weft_mem_alloc, so that the counter of the tests reaches this call. */
  struct weft_region *region = weft_mem_alloc(sizeof *region);
  if (!region)
    return NULL;
  n_bytes = (n_bytes + 4095u) & ~(size_t)4095u;
  void *base = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    weft_mem_free(region);
    return NULL;
  }
  *region = (struct weft_region){.base = base, .n_bytes = n_bytes};
  return region;
}

void weft_region_free(struct weft_region *region)
{
  if (!region)
    return;
  munmap(region->base, region->n_bytes);
  weft_mem_free(region);
}

void weft_region_reset(struct weft_region *region, size_t used)
{
  if (region->used > region->high)
    region->high = region->used;
  if (region->high > WEFT_REGION_KEEP_BYTES) {
    size_t keep = used > WEFT_REGION_KEEP_BYTES ? used : WEFT_REGION_KEEP_BYTES;
    keep = (keep + 4095u) & ~(size_t)4095u;
    if (keep < region->high)
      madvise(region->base + keep, region->high - keep, MADV_DONTNEED);
    region->high = used;
  }
  region->used = used;
}
