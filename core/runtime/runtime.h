/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file runtime.h
 * Runs frames through a sealed graph. The request path of Weft: no GLib, no
 * allocation in steady state, no lock that a stopped helper can hold.
 *
 * A graph is made once by core/graph and never changes. A frame carries n
 * items through it together: each node is called once per frame with the items
 * that have at least one present input and have not failed. An isolated node
 * parks the frame; other ready nodes of it go on.
 */
#ifndef WEFT_CORE_RUNTIME_H
#define WEFT_CORE_RUNTIME_H

#include "pool.h"
#include <weft/node.h>

struct weft_worker;
struct weft_condition; /* condition.h */
struct weft_graph_slots; /* slots.h */

/** Frames of one graph at once, unless its spec says otherwise. */
#define WEFT_FRAMES_MAX 1024u

/** A value: what one output port (or one input of the graph) yields. */
struct weft_graph_value {
  const struct weft_port *port; /**< concrete: borrowed, lives with the graph */
  uint32_t wanted;              /**< a node, an output or explain reads it */
  int64_t n_bytes_max;          /**< dynamic: limit per frame, address space only */
};

/** What happens to an item of which an input is absent: it never came, or its source was skipped, dead or late. */
enum weft_missing {
  WEFT_MISSING_MASK,    /**< the node gets the item without it; where the input is `required`, the item skips the node */
  WEFT_MISSING_DEGRADE, /**< the same, and the item counts as degraded */
  WEFT_MISSING_HOLD,    /**< the last value of the same session or stream, where it is not older than hold_ns; else as MASK */
  WEFT_MISSING_FAIL     /**< the item fails: WEFT_BAD_INPUT, naming the input */
};
struct weft_input_policy {
  enum weft_missing missing;
  uint64_t hold_ns;
};

/** What happens to an item at which the node failed. */
enum weft_on_error {
  WEFT_ON_ERROR_FAIL,   /**< the item fails */
  WEFT_ON_ERROR_ABSENT, /**< the node's outputs are absent for it, and it counts as degraded */
};

/** Verdicts of a filter (filter.h) that end a request, by their value; bit i: verdict i refuses it. */
#define WEFT_REFUSES(verdict) (1u << (verdict))

/** How calls of different frames are put together at a node. All zero: one frame a call. */
struct weft_batching {
  uint32_t n_items_max; /**< of one call; 0: the node does not batch */
  uint64_t wait_ns;     /**< the longest that the first item waits for others while the node is idle; 0: not at all */
  int64_t cost_max;     /**< rows of cost_input in one call (tokens, pixels, samples); 0: the node's limits only */
  uint32_t cost_input;  /**< index of the input whose rows are the cost */
};

/**
 * A loop over the calls of one node: what it left in output `output` for a session is its input `input` at the
 * session's next item, one row an item; absent at first, after WEFT_CHUNK_FIRST, and for items without a session
 * (weft_request). inputs[input] is WEFT_VALUE_STATE. One item of a session is in a call at a time, and items of one
 * session pass the node in the order in which they came. Kept after success only.
 */
struct weft_state_port {
  uint32_t input, output;
};
#define WEFT_VALUE_STATE UINT32_MAX

struct weft_graph_node {
  const char *name;
  const struct weft_node *table;   /**< in process */
  void *instance;
  struct weft_worker *worker;      /**< isolated; then table and instance are NULL */
  const uint32_t *inputs;          /**< [n_inputs] value ids, lower than first_output */
  uint32_t n_inputs;
  uint32_t first_output, n_outputs; /**< value ids, consecutive */
  uint32_t required;               /**< bit i: input i absent -> the item skips the node (inputs 0..31) */
  uint32_t parallel, pure;
  uint64_t deadline_ns;            /**< of one call; 0: none */
  uint64_t n_scratch_bytes;        /**< what activate answered */
  struct weft_limits limits;       /**< as activate got them: calls beyond are split, one item beyond is bad input.
                                        n_items 0: those of the frame; n_rows, n_groups NULL: no limit; borrowed */
  const struct weft_input_policy *policies; /**< [n_inputs], borrowed; NULL: WEFT_MISSING_MASK for all */
  const struct weft_condition *when;        /**< false or unknown: the item skips the node; NULL: always; borrowed */
  enum weft_on_error on_error;
  uint32_t n_retries;              /**< of an item that failed as WEFT_UNAVAILABLE, where the node is pure */
  uint32_t is_filter;              /**< its first output is a verdict: i32, one row an item (filter.h) */
  uint32_t refuses;                /**< filters: which verdicts end the request, WEFT_REFUSES(..) ored; others go on */
  uint32_t effects;                /**< not pure, or a writer whose bytes leave: runs only after every filter of the
                                        graph has let the item pass */
  struct weft_batching batching;
  const struct weft_state_port *states;     /**< [n_states], borrowed */
  uint32_t n_states;
  const struct weft_graph_slots *slots;     /**< plugins that it calls itself, borrowed; NULL: none. Not of a worker */
};

/** Of one graph: sessions whose last values are kept; the least recently used one leaves for a new one. */
#define WEFT_SESSIONS_MAX 4096u
/** Longest key of a session, bytes: tenant and session of the context. One beyond it is bad input where it is needed. */
#define WEFT_SESSION_KEY_MAX 255u
/** A session of which nothing came for so long is new again. */
#define WEFT_SESSION_TTL_NS (3600ull * 1000000000u)
/** Bytes of all values kept for sessions of one graph: address space, committed as it is used. */
#define WEFT_KEPT_BYTES_MAX ((uint64_t)256 << 20)
/** Nodes with state ports in one graph; inputs of one node with WEFT_MISSING_HOLD must be among its first ones. */
#define WEFT_STATE_NODES_MAX 64u
#define WEFT_POLICY_INPUTS_MAX 64u
/** Pause before the first retry of an unavailable node (n_retries), four times as long before each further one, at most. */
#define WEFT_RETRY_FIRST_NS 1000000u
#define WEFT_RETRY_MOST_NS 64000000u
/** n_retries at most. */
#define WEFT_RETRIES_MAX 16

/** Everything borrowed until weft_graph_free. Values 0..n_inputs-1 are the graph's inputs: bytes (u8, ragged) before
    readers, rows of any fixed size from live sources. */
struct weft_graph_spec {
  const struct weft_graph_value *values;
  const struct weft_graph_node *nodes; /**< in topological order */
  uint32_t n_values, n_inputs, n_nodes;
  uint32_t n_items_max;                /**< of one frame */
  uint32_t n_frames_max;               /**< in flight or not yet released; 0: WEFT_FRAMES_MAX */
  uint32_t n_sessions_max;             /**< 0: WEFT_SESSIONS_MAX */
  uint64_t session_ttl_ns;             /**< 0: WEFT_SESSION_TTL_NS */
  uint64_t n_kept_bytes_max;           /**< 0: WEFT_KEPT_BYTES_MAX */
};

struct weft_graph;
struct weft_runtime;
struct weft_frame;

/** pool: borrowed until weft_runtime_free. out: caller frees with weft_runtime_free. Errors: WEFT_NO_MEMORY. [control thread] */
weft_status weft_runtime_new(struct weft_pool_impl *pool, struct weft_runtime **out);
/** All graphs are freed. NULL is allowed. [control thread] */
void weft_runtime_free(struct weft_runtime *runtime);
/**
 * out: caller frees with weft_graph_free. Errors: WEFT_NO_MEMORY, WEFT_BAD_CONFIG (ids
 * out of order, terms that name no input; message: [WEFT_MESSAGE_BYTES], set then). [control thread]
 */
weft_status weft_graph_new(struct weft_runtime *runtime, const struct weft_graph_spec *spec, struct weft_graph **out,
                           char *message);
/** Every frame has been released. NULL is allowed. [control thread] */
void weft_graph_free(struct weft_graph *graph);

/** One input of one item, whole rows; data NULL with n_bytes 0 and present 0: absent. */
struct weft_blob {
  const void *data; /**< borrowed until done */
  uint64_t n_bytes;
  int present;
};

/** Where the groups of one input of one item begin. */
struct weft_blob_groups {
  const int64_t *splits; /**< [n + 1] rows, from 0; borrowed until done */
  int64_t n;
};

/** Why an input of a request is absent. */
enum weft_absence {
  WEFT_ABSENCE_NONE,  /**< it is not */
  WEFT_ABSENCE_NEVER, /**< nothing came */
  WEFT_ABSENCE_LATE,  /**< live data: it came too late for this item */
  WEFT_ABSENCE_DEAD,  /**< live data: its source has stopped */
  WEFT_ABSENCE_FAILED /**< only of weft_frame_absence: a node before it failed, which was absorbed */
};

struct weft_request {
  const struct weft_blob *inputs;      /**< [n_inputs] borrowed until done */
  const struct weft_blob_groups *groups; /**< [n_inputs], read for inputs with two split levels; else NULL; borrowed until done */
  const struct weft_context *context;  /**< borrowed until done; may be NULL */
  uint64_t seed;
  uint64_t deadline_ns;                /**< CLOCK_MONOTONIC; 0: none */
  weft_status status;                  /**< not WEFT_OK: the item is not run (it failed before, say at its file) */
  /*
   * The session: the stream's handle where there is one, otherwise tenant and session of the context, where that
   * names one. What is kept over requests (WEFT_MISSING_HOLD, states) is kept per session.
   */
  uint64_t stream;                     /**< handle of the stream; 0: none */
  uint32_t chunk_flags;                /**< WEFT_CHUNK_* */
  uint64_t time_ns;                    /**< live data: when it happened; 0: none, then the time of arrival counts */
  const uint8_t *absences;             /**< [n_inputs] enum weft_absence, LATE or DEAD where it says more than the blob;
                                            NULL: none does; borrowed until the frame is released */
};

typedef void (*weft_frame_done)(struct weft_frame *frame, void *data);

/**
 * Takes n requests as the items of one frame and returns at once; never runs
 * plugin code on the caller. `done` is called once, on a helper; it may release the frame.
 * out: caller frees with weft_frame_release; NULL is allowed where `done` does that.
 * Errors (done is not called): WEFT_NO_MEMORY, WEFT_UNAVAILABLE (n_frames_max frames are there
 * already, or no helper could be started), WEFT_BAD_INPUT (n is 0 or above n_items_max). [any thread]
 */
weft_status weft_graph_submit(struct weft_graph *graph, const struct weft_request *requests, uint32_t n,
                              weft_frame_done done, void *data, struct weft_frame **out);
/** The same on the caller's thread; returns when the frame is done. [any thread] */
weft_status weft_graph_run(struct weft_graph *graph, const struct weft_request *requests, uint32_t n,
                           struct weft_frame **out);
/** Cancels one item, or WEFT_ALL_ITEMS; the frame ends as soon as it can. [any thread] */
void weft_frame_cancel(struct weft_frame *frame, uint32_t item);

/** Status of an item of a frame, never of a plugin: a filter refused it. No value of it may leave. */
#define WEFT_REFUSED ((weft_status)WEFT_N_STATUS)

/* Of a frame that is done, until it is released. Nodes are named by their index in the spec. */
weft_status weft_frame_status(const struct weft_frame *frame, uint32_t item);
const char *weft_frame_message(const struct weft_frame *frame, uint32_t item);
/** The node at which the item failed, or the filter that refused it; -1: none. */
int32_t weft_frame_failed_node(const struct weft_frame *frame, uint32_t item);
/** The value, its slots over the items of the frame: borrowed until release. NULL: no item has it. */
const struct weft_tensor *weft_frame_value(const struct weft_frame *frame, uint32_t value);
/** Nanoseconds that node spent on this frame; 0: not called. */
uint64_t weft_frame_node_ns(const struct weft_frame *frame, uint32_t node);
void weft_frame_release(struct weft_frame *frame);

#define WEFT_BATCH_SIZES 12
/** How full a graph is. */
struct weft_load {
  uint32_t n_frames, n_frames_max; /**< in flight or not yet released */
  uint32_t node, n_waiting;        /**< the node with the longest queue, and the frames (at batching nodes: parts) in it */
};
/** Walks the queues. [any thread] */
void weft_graph_load(const struct weft_graph *graph, struct weft_load *out);

/** Counters of a node since the graph was made, summed over threads when read. */
struct weft_counters {
  uint64_t n_calls, n_items, n_failed, ns;
  uint64_t n_fp_restored; /**< calls after which the host restored the floating-point state */
  uint64_t n_forgotten;   /**< values of sessions that were not kept: no room (n_kept_bytes_max), or no session to take */
  uint64_t queued_ns;     /**< waited at the node's gate: for its instance, its worker or its batch; summed over frames */
  /* Of a batching node; zero elsewhere. Other calls, n_calls - n_batched, were made by one frame alone. */
  uint64_t n_batches;       /**< calls put together from what had waited */
  uint64_t n_batched;       /**< frames (or parts of them, where one is beyond a limit) in those calls */
  uint64_t n_batch_items, n_items_largest;
  uint64_t n_waiting;       /**< in its queue now */
  uint64_t n_lingered;      /**< calls after whose end it waited for those who had been answered */
  uint64_t batch_sizes[WEFT_BATCH_SIZES]; /**< [b]: calls of 2^b .. 2^(b+1)-1 items; the last: of more, too */
};
void weft_graph_counters(const struct weft_graph *graph, uint32_t node, struct weft_counters *out);

#endif
