/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin fetches weft.pool/1 in create and uses it ever after, but the
 * zygote must have no thread but its own: a fork would leave the others
 * behind. So until the fork the work is done by the caller, with the same
 * chunks and the same bytes.
 */
#include "pool.h"

#include "zygote.h"

static const struct weft_pool *helpers; /* what the pool itself offers */
static int in_worker;

static void parallel(uint32_t n_chunks, void (*fn)(void *arg, uint32_t chunk), void *arg)
{
  if (in_worker) {
    helpers->parallel(n_chunks, fn, arg);
    return;
  }
  for (uint32_t chunk = 0; chunk < n_chunks; chunk++)
    fn(arg, chunk);
}

static uint32_t n_threads(void)
{
  return helpers->n_threads();
}

void weft_worker_pool_offer(struct weft_pool_impl *pool)
{
  static const struct weft_pool table = {parallel, n_threads};
  weft_pool_offer(pool);
  helpers = weft_host_table()->get_extension(WEFT_POOL_ID);
  weft_host_offer(WEFT_POOL_ID, &table);
}

void weft_worker_pool_go(void)
{
  in_worker = 1;
}
