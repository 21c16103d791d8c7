/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ring.h
 * How one call crosses from the host to its worker and back: two segments of
 * shared memory and two futex words. Knows nothing of processes, so that both
 * ends can also be run as threads of one process (tests/unit/test-ring.c).
 *
 * `in` is written by the host only (the worker maps it read-only), `out` by
 * the worker, and the host never trusts what stands there: it copies first,
 * then checks the copy. Each segment begins with a page of words; offsets are
 * bytes from the segment's begin, 64-byte aligned, 0: none.
 *
 * What a call does not change is not written again, so that a small call
 * moves few cache lines between cores.
 *
 * Number of a call: 1, 2, ... (0 is skipped). The host publishes `in->call`,
 * the worker answers with `out->answer`. A side that wants to sleep says so in
 * its own segment first; the other wakes it only then.
 */
#ifndef WEFT_CORE_RING_H
#define WEFT_CORE_RING_H

#include "futex.h"

#include <weft/node.h>

/** Size of each segment: address space only, pages come at first use. */
#define WEFT_SEGMENT_BYTES (4ull << 30)
/** The smallest segment that can be asked for. */
#define WEFT_SEGMENT_MIN_BYTES (64ull << 10)
/** Pages of a segment that stay resident between calls; a larger call's are given back after it. */
#define WEFT_SEGMENT_KEEP_BYTES (16ull << 20)

#define WEFT_RING_PAGE 4096u
/** Where the answers of the outputs begin in `out`: at the same place in every call. */
#define WEFT_RING_ANSWERS WEFT_RING_PAGE

/** What the worker is doing, for the message when it dies. */
enum weft_ring_phase {
  WEFT_PHASE_LOAD,
  WEFT_PHASE_CREATE,
  WEFT_PHASE_PORTS,
  WEFT_PHASE_ACTIVATE,
  WEFT_PHASE_IDLE /**< or in a call: the host knows */
};

/** Host to worker, in call->flags; the node sees 0: its first output is filled with WEFT_RING_UNWRITTEN before it runs. */
#define WEFT_RING_MARKS_FIRST 1u
#define WEFT_RING_UNWRITTEN 0xa5

/** The call as a whole. */
struct weft_wire_call {
  uint32_t n_items, n_inputs, n_outputs, flags;
  uint64_t items, inputs, outputs; /**< offsets of the wire descriptors */
  uint64_t messages, item_status;  /**< in `out`: room for each item's */
};

/** First page of `in`. */
struct weft_ring_in {
  _Alignas(64) _Atomic uint32_t call; /**< futex: number of the newest call */
  struct weft_wire_call now;
  _Alignas(64) _Atomic uint32_t host_sleeps;
  _Atomic uint32_t notify;            /**< the worker writes to the eventfd after an answer */
  _Alignas(64) uint32_t cancel;       /**< what call->cancel points at; written atomically */
};

/** First page of `out`. */
struct weft_ring_out {
  _Alignas(64) _Atomic uint32_t answer; /**< futex: number of the call answered */
  int32_t status;
  uint32_t n_failed;                    /**< items whose status is not WEFT_OK */
  uint32_t has_message;
  _Alignas(64) _Atomic uint32_t worker_sleeps;
  _Atomic uint32_t phase;
  _Alignas(64) char message[WEFT_MESSAGE_BYTES];
};

/** One item, in `in`; context: offset of a struct weft_wire_context. */
struct weft_wire_item {
  uint64_t seed, stream, context;
  uint32_t chunk_flags;
  int32_t slot;
  uint64_t time_ns;
};

/** Offsets of strings; entries: offset of n_entries pairs of offsets, key and value. */
struct weft_wire_context {
  uint64_t text[6];
  uint64_t entries, n_entries;
};

/** A tensor; offsets in `in`. Without padding, so that two can be compared as bytes. */
struct weft_wire_tensor {
  uint64_t data;
  int64_t n_bytes;
  int64_t dims[WEFT_MAX_RANK];
  struct weft_dtype dtype;
  uint32_t rank, flags, reserved;
  uint64_t slots, splits[2];
  int64_t n_slots, n_groups;
};

/** An output as the host prepared it (preset, offsets in `in`) and its room (offsets in `out`). */
struct weft_wire_output {
  struct weft_wire_tensor preset;
  uint64_t data, n_data_bytes, slots, splits[2];
  int64_t n_rows_max, n_groups_max;
  uint32_t wanted, rows_kind;
};

#define WEFT_SLOTS_NONE 0u /**< identity */
#define WEFT_SLOTS_KEPT 1u /**< as the host prepared them */
#define WEFT_SLOTS_ROOM 2u /**< in the room */

/** What the worker says of an output. */
struct weft_wire_answer {
  _Alignas(64) int64_t dims[WEFT_MAX_RANK];
  int64_t n_slots, n_groups;
  uint64_t n_reserved_bytes; /**< dynamic: how far the range was asked for */
  uint32_t slots;            /**< WEFT_SLOTS_* */
  uint32_t reserved;
};

/* The host's end. */

/** Where an output lies in `out` during the current call: the host's own copy. */
struct weft_ring_room {
  uint64_t data, n_data_bytes, slots, splits[2];
  int64_t n_slots, n_groups_max;
  uint64_t range, n_range_bytes; /**< dynamic: the output's own range; otherwise 0 */
  uint64_t high;                 /**< dynamic: bytes of the range that may be resident */
};

struct weft_ring_host {
  struct weft_ring_in *in;
  struct weft_ring_out *out;
  uint64_t n_bytes;           /**< of each segment */
  uint64_t spin_ns;
  uint32_t n_items_max, n_outputs;
  struct weft_ring_room *rooms; /**< [n_outputs] borrowed */
  const struct weft_port *ports; /**< [n_outputs] borrowed: which dims must be what; NULL: as in the call */
  uint64_t in_high, out_high; /**< bytes that may be resident */
  uint64_t item_status, messages;
  uint32_t number;            /**< of the current call */
  _Atomic uint32_t lost;      /**< number of the call that died with its worker */
};

/** in, out: zeroed memory of n_bytes each, borrowed. The caller then sets n_outputs, rooms, n_items_max, spin_ns. */
void weft_ring_host_init(struct weft_ring_host *ring, void *in, void *out, uint64_t n_bytes);
/**
 * Lays the call out, copies its inputs once and publishes it.
 * message: [WEFT_MESSAGE_BYTES], set on failure. Errors: WEFT_BAD_INPUT (more
 * than the activated items, a context of more than WEFT_CONTEXT_MAX_ENTRIES), WEFT_NO_MEMORY (does not fit into a segment).
 */
weft_status weft_ring_post(struct weft_ring_host *ring, const struct weft_call *call, char *message);
/** Whether the current call is answered or lost. */
int weft_ring_ready(const struct weft_ring_host *ring);
/** Spins, then sleeps until ready or CLOCK_MONOTONIC deadline_ns (0: none). */
int weft_ring_wait(struct weft_ring_host *ring, uint64_t deadline_ns);
/**
 * Copies the answer into call->outputs, checked; reports failed items to
 * call->host_data. Answers the call's status; WEFT_CONTRACT with message when
 * the worker's answer makes no sense.
 */
weft_status weft_ring_take(struct weft_ring_host *ring, struct weft_call *call, char *message);
/** Whether the worker has answered the call (it may have died afterwards). */
int weft_ring_answered(const struct weft_ring_host *ring);
/** Gives back pages beyond WEFT_SEGMENT_KEEP_BYTES. */
void weft_ring_trim(struct weft_ring_host *ring);
/**
 * The worker is gone: if a published call is unanswered, it is lost, and who
 * waits for it is woken. Answers the number from which a successor starts; a
 * call published later is the successor's. lost: set to 1 when a call was lost. [watch thread]
 */
uint32_t weft_ring_bury(struct weft_ring_host *ring, int *lost);

/* The worker's end. */

struct weft_ring_worker;

struct weft_ring_worker_spec {
  const struct weft_ring_in *in;
  struct weft_ring_out *out;
  uint64_t n_bytes;
  uint64_t spin_ns;
  uint32_t base;       /**< the last call that is not for this worker */
  uint32_t n_items_max, n_inputs, n_outputs;
  uint64_t n_scratch_bytes;
  int eventfd;         /**< -1: none */
};

/** Errors: WEFT_NO_MEMORY. */
weft_status weft_ring_worker_new(const struct weft_ring_worker_spec *spec, struct weft_ring_worker **out);
void weft_ring_worker_free(struct weft_ring_worker *ring);
/** Waits for the next call: borrowed until weft_ring_worker_answer. Its host_data is a struct weft_call_host. */
struct weft_call *weft_ring_worker_next(struct weft_ring_worker *ring);
void weft_ring_worker_answer(struct weft_ring_worker *ring, weft_status status);

#endif
