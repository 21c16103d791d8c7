/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#define SUB (1u << WEFT_HISTOGRAM_BITS)

/* Below 2^5 a bucket a value; above, the 5 bits behind the highest one. */
static guint bucket_of(guint64 value)
{
  if (value >= WEFT_HISTOGRAM_MAX)
    return WEFT_HISTOGRAM_BUCKETS - 1;
  if (value < SUB)
    return (guint)value;
  guint shift = (guint)(63 - __builtin_clzll(value)) - WEFT_HISTOGRAM_BITS;
  return ((shift + 1) << WEFT_HISTOGRAM_BITS) + ((guint)(value >> shift) & (SUB - 1));
}

/* The largest value of a bucket. */
static guint64 end_of(guint bucket)
{
  if (bucket < SUB)
    return bucket;
  guint shift = (bucket >> WEFT_HISTOGRAM_BITS) - 1;
  return ((guint64)(SUB + (bucket & (SUB - 1)) + 1) << shift) - 1;
}

void weft_histogram_add(WeftHistogram *histogram, guint64 value)
{
  atomic_fetch_add_explicit(&histogram->n, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->buckets[bucket_of(value)], 1, memory_order_relaxed);
  guint64 most = atomic_load_explicit(&histogram->most, memory_order_relaxed);
  while (value > most && !atomic_compare_exchange_weak_explicit(&histogram->most, &most, value, memory_order_relaxed,
                                                                memory_order_relaxed))
    ;
}

guint64 weft_histogram_quantile(const WeftHistogram *histogram, double q)
{
  guint64 n = atomic_load_explicit(&histogram->n, memory_order_relaxed);
  guint64 most = atomic_load_explicit(&histogram->most, memory_order_relaxed);
  double exact = q * (double)n;
  guint64 rank = (guint64)exact + ((double)(guint64)exact < exact), seen = 0;
  if (n == 0)
    return 0;
  rank = CLAMP(rank, 1, n);
  for (guint b = 0; b < WEFT_HISTOGRAM_BUCKETS; b++) {
    seen += atomic_load_explicit(&histogram->buckets[b], memory_order_relaxed);
    if (seen >= rank)
      return b == WEFT_HISTOGRAM_BUCKETS - 1 ? most : MIN(end_of(b), most);
  }
  return most;
}

double weft_histogram_mean(const WeftHistogram *histogram)
{
  guint64 n = atomic_load_explicit(&histogram->n, memory_order_relaxed);
  return n ? (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) / (double)n : 0;
}
