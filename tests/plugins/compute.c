/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

#include <glib.h>
#include <hosttable.h>
#include <module.h>
#include <pool.h>
#include <string.h>
#include <weft/compute.h>

static const void *find(void *data, const char *id)
{
  if (strcmp(id, WEFT_COMPUTE_ID) != 0)
    return NULL;
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_module *module;
  g_autofree char *path = g_test_build_filename(G_TEST_BUILT, "plugins", "compute-cpu.so", NULL);
  if (weft_module_load(path, &module, message) != WEFT_OK)
    g_error("%s: %s", path, message);
  return weft_module_extension(module, "compute-cpu", id);
}

void weft_test_offer_compute(void)
{
  weft_host_set_finder(find, NULL);
}

/* One pool for each number of threads, kept: programs remember theirs. */
void weft_test_threads(uint32_t n)
{
  static struct weft_pool_impl *pools[9];
  g_assert_cmpuint(n, >, 0);
  g_assert_cmpuint(n, <, G_N_ELEMENTS(pools));
  if (!pools[n])
    g_assert_cmpint(weft_pool_new(n, &pools[n]), ==, WEFT_OK);
  weft_pool_offer(pools[n]);
}
