/* SPDX-License-Identifier: Apache-2.0 */
/** @file gst-chain.h A GStreamer chain of `identity` elements, where its development package is there. */
#ifndef WEFT_BENCH_GST_CHAIN_H
#define WEFT_BENCH_GST_CHAIN_H

#include <stdint.h>

struct gst_chain;

/** appsrc ! n x identity ! appsink, playing. NULL with *why where it cannot be: borrowed for good. */
struct gst_chain *gst_chain_new(uint32_t n, const char **why);
/** Seconds that one buffer took from the first identity to the sink; -1 on an error. */
double gst_chain_push(struct gst_chain *chain);
/** NULL is allowed. */
void gst_chain_free(struct gst_chain *chain);

#endif
