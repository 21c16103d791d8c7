/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file histogram.h
 * Quantiles of times in fixed memory: buckets that grow with the value, as in
 * HdrHistogram (Tene): 32 to each power of two, so that a quantile is at most
 * 1/32 above the value it stands for. Any thread may add at any time.
 *
 *     static WeftHistogram h;
 *     weft_histogram_add(&h, ns);
 *     guint64 p99 = weft_histogram_quantile(&h, 0.99);
 */
#ifndef WEFT_CLI_HISTOGRAM_H
#define WEFT_CLI_HISTOGRAM_H

#include <glib.h>
#include <stdatomic.h>

/** Bits of a value that are kept: 2^5 buckets to a power of two. */
#define WEFT_HISTOGRAM_BITS 5
/** Values from here on (18 minutes in ns) are counted in the last bucket; `most` stays exact. */
#define WEFT_HISTOGRAM_MAX (G_GUINT64_CONSTANT(1) << 40)
#define WEFT_HISTOGRAM_BUCKETS ((40 - WEFT_HISTOGRAM_BITS + 1) << WEFT_HISTOGRAM_BITS)

typedef struct {
  _Atomic guint64 n, sum, most;
  _Atomic guint64 buckets[WEFT_HISTOGRAM_BUCKETS];
} WeftHistogram;

/** Allocates nothing. [any thread] */
void weft_histogram_add(WeftHistogram *histogram, guint64 value);
/** The q-quantile, 0..1: the upper end of the bucket it lies in, never above the largest value; 0 without values. */
guint64 weft_histogram_quantile(const WeftHistogram *histogram, double q);
double weft_histogram_mean(const WeftHistogram *histogram);

#endif
