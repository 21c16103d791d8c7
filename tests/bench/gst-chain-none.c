/* SPDX-License-Identifier: Apache-2.0 */
/* Built where GStreamer's development package is missing: there is no rival, and the result says so. */
#include "gst-chain.h"

#include <stddef.h>

struct gst_chain *gst_chain_new(uint32_t n, const char **why)
{
  (void)n;
  *why = "built without GStreamer: run tests/bench/setup overhead";
  return NULL;
}

double gst_chain_push(struct gst_chain *chain)
{
  (void)chain;
  return -1;
}

void gst_chain_free(struct gst_chain *chain)
{
  (void)chain;
}
