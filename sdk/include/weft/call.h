/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file call.h
 * One call of `process`: the items of many requests at once.
 *
 * Every item of a call has at least one present input, and no item that has
 * failed before is in it. Status is per item: a node marks bad items with
 * `host->fail_item` and goes on with the others; it returns another status
 * than WEFT_OK only when all items have failed for one reason (then it calls
 * `host->fail_call` first).
 *
 * Inputs stand in the order in which `create` got them, outputs in the order
 * in which `ports` answered them. Inputs are never written.
 *
 * Outputs belong to the host:
 * - exact: data, dims, slots and splits are set; write the data.
 * - bounded: data holds up to `n_rows_max` rows; write data and splits (where
 *   the port is ragged: `splits[0][0..n_slots]`; with groups also
 *   `splits[1][0..n_groups]` and `tensor.n_groups`), then set `tensor.dims[0]`.
 * - dynamic: as bounded, after `host->output_reserve(call, output, rows)`,
 *   which may be called again; data stays where it is and keeps its content.
 *   Dims that vary per call (-1 in `ports`) are set before the first reserve.
 * - two split levels, bounded or dynamic: set `tensor.n_groups` too.
 * Without further ado slot i belongs to item i, and all items have one. To
 * leave an item without a value, fill `slots` (own numbering, -1: absent)
 * and let `tensor.slots` point at it.
 * An output with `wanted == 0` need not be written (its data may be NULL).
 */
#ifndef WEFT_CALL_H
#define WEFT_CALL_H

#include "errors.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most keys of a pipeline's `context`, and longest value of one, bytes. */
#define WEFT_CONTEXT_MAX_KEYS 32
#define WEFT_CONTEXT_MAX_BYTES 1024

/** One key of the pipeline's `context`, as the request brought it. */
struct weft_context_entry {
  const char *key, *value;
};

/** Most entries of one context. */
#define WEFT_CONTEXT_MAX_ENTRIES 64

/** Who asks: borrowed until return; any string may be NULL. */
struct weft_context {
  const char *subject;
  const char *session;
  const char *tenant;
  const char *tier;
  const char *language; /**< BCP 47 */
  const char *trace_id;
  const struct weft_context_entry *entries; /**< [n_entries] every declared key that the request brought;
                                                at most WEFT_CONTEXT_MAX_ENTRIES */
  uint32_t n_entries;
};

#define WEFT_CHUNK_FIRST 1u
#define WEFT_CHUNK_LAST 2u

/** What the host says of one item. */
struct weft_item {
  uint64_t seed;                      /**< the only source of randomness */
  uint64_t stream;                    /**< handle of its stream; 0: none */
  const struct weft_context *context; /**< borrowed until return; may be NULL */
  uint32_t chunk_flags;               /**< WEFT_CHUNK_*; 0 outside streams */
  int32_t slot;                       /**< where the node says `select`: index of the chosen one of its slots
                                           (slots.h), an expert or an adapter; -1: none */
  uint64_t time_ns;                   /**< live data: when it happened, ns of the source's clock; outside streams 0: none */
};

#define WEFT_ROWS_EXACT 0u
#define WEFT_ROWS_BOUNDED 1u
#define WEFT_ROWS_DYNAMIC 2u

/** One output of a call. */
struct weft_output {
  struct weft_tensor tensor;
  int32_t *slots;       /**< room for [n_items], to be used where items are left out */
  int64_t *splits[2];   /**< room for [n_slots + 1] and [n_groups_max + 1], or NULL where the port has none */
  int64_t n_rows_max;   /**< rows that fit into data */
  int64_t n_groups_max; /**< groups that fit */
  uint32_t wanted;      /**< 0: nobody reads it */
  uint32_t rows_kind;   /**< WEFT_ROWS_* */
};

struct weft_call {
  uint32_t n_items;
  uint32_t n_inputs;
  uint32_t n_outputs;
  uint32_t flags;                           /**< 0 */
  const struct weft_item *items;            /**< [n_items] borrowed until return */
  const struct weft_tensor *const *inputs;  /**< [n_inputs] borrowed until return, read only */
  struct weft_output *outputs;              /**< [n_outputs] borrowed until return */
  weft_status *item_status;                 /**< [n_items], WEFT_OK on entry; set by host->fail_item */
  void *scratch;                            /**< 64-byte aligned, of undefined content */
  size_t n_scratch_bytes;                   /**< what `activate` answered, at least */
  const uint32_t *cancel;                   /**< read by weft_cancelled only */
  void *host_data;                          /**< the host's own */
};

/**
 * Whether the whole call is to end now. A node that works for longer than a
 * millisecond asks at least once a millisecond and returns WEFT_CANCELLED.
 * No clock is read: the host's timer sets the word. [any thread, in process]
 */
static inline int weft_cancelled(const struct weft_call *call)
{
#if defined(__GNUC__)
  return __atomic_load_n(call->cancel, __ATOMIC_RELAXED) != 0; /* so that the thread sanitizer knows */
#else
  return *(const volatile uint32_t *)call->cancel != 0;
#endif
}

#ifdef __cplusplus
}
#endif
#endif
