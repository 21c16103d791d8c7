/* SPDX-License-Identifier: Apache-2.0 */
/** @file gst-launch.h A GStreamer chain out of a text, where its development package is there. */
#ifndef WEFT_BENCH_GST_LAUNCH_H
#define WEFT_BENCH_GST_LAUNCH_H

#include <stdint.h>

/**
 * Seconds from the text of n `identity` elements (gst_parse_launch) to the
 * sink's first buffer; -1 where it cannot be. Called in a process of its own:
 * GStreamer ends the program when it runs out of stack.
 */
double gst_launch_once(uint32_t n);

#endif
