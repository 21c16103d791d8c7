/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hosttable.h
 * The one `struct weft_host` of this process, given to every plugin, and what
 * stands behind its opaque arguments. Used by the host and by a worker alike;
 * knows neither GLib nor the catalogue.
 */
#ifndef WEFT_CORE_HOSTTABLE_H
#define WEFT_CORE_HOSTTABLE_H

#include <weft/derived.h>
#include <weft/slots.h>

/** One set-up in progress. Clear it with `= {0}` and fill in the resolver. */
struct weft_setup {
  weft_status status;                /**< of the last host->fail; WEFT_OK: none */
  char message[WEFT_MESSAGE_BYTES];  /**< of the last host->fail */
  /** Answers host->resource_open; what it gives lives until the instance is destroyed. */
  weft_status (*resource_open)(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out);
  /** Answers host->takes; NULL: nobody listens. */
  void (*takes)(struct weft_setup *setup, uint32_t input, const struct weft_port *port);
  void *data;                        /**< the resolver's own */
  const char *node;                  /**< whose set-up this is; may be NULL */
  /**
   * A descriptor, read only and the caller's to close, of the file that a
   * resource is mapped from; -1: it is none, or can no longer be opened. May be NULL.
   */
  int (*resource_fd)(struct weft_setup *setup, const struct weft_resource *resource);
  /** Answers keep of weft.derived; NULL: nothing is kept. */
  int (*derived_keep)(struct weft_setup *setup, const struct weft_derived_key *key, const void *bytes,
                      struct weft_resource *out);
  const struct weft_setup_slots *slots; /**< NULL: the node has none */
};

/** Answers weft_slots during a set-up. */
struct weft_setup_slots {
  uint32_t n;
  int is_selected;
  weft_status (*describe)(struct weft_setup *setup, uint32_t slot, struct weft_slot *out);
  weft_status (*create)(struct weft_setup *setup, uint32_t slot, const struct weft_port *inputs, uint32_t n_inputs,
                        struct weft_ports *out);
  weft_status (*activate)(struct weft_setup *setup, uint32_t slot, const struct weft_limits *limits);
};

#define WEFT_ALL_ITEMS UINT32_MAX

/** What call->host_data points at: the side that made the call. */
struct weft_call_host {
  /** Records a failed item, or WEFT_ALL_ITEMS; the message is borrowed until return. */
  void (*fail)(struct weft_call_host *self, const struct weft_call *call, uint32_t item, weft_status status,
               const char *message);
  /** Answers host->output_reserve. */
  weft_status (*reserve)(struct weft_call_host *self, const struct weft_call *call, uint32_t output, int64_t n_rows);
  /** Answer weft_slots.call and .message; NULL: there are no slots. */
  weft_status (*call_slot)(struct weft_call_host *self, const struct weft_call *call, uint32_t slot,
                           struct weft_slot_call *slot_call);
  const char *(*slot_message)(struct weft_call_host *self, uint32_t slot, uint32_t item);
};

/** The table. Shared, lives as long as the process. [any thread] */
const struct weft_host *weft_host_table(void);
/** weft.slots/1, which every process offers. */
const struct weft_slots *weft_slots_table(void);

/**
 * Offers an extension (weft.pool/1, weft.compute/1) to plugins loaded from now on; NULL takes it away.
 * id: borrowed for the life of the process. WEFT_NO_MEMORY beyond 32 ids. [control thread]
 */
weft_status weft_host_offer(const char *id, const void *table);

/**
 * Called when a plugin asks for an extension that nobody offered; lets the
 * host load the compute provider at first use. [control thread]
 */
void weft_host_set_finder(const void *(*find)(void *data, const char *id), void *data);

/** How often a plugin has asked for `weft.compute/...`: who asks in `create` computes through it. [control thread] */
uint64_t weft_host_n_computing(void);

/** Where log lines go; NULL: nowhere, since a library prints nothing. line: borrowed until return. [control thread] */
void weft_host_set_log(void (*log)(void *data, uint32_t level, const char *line), void *data);

/**
 * Memory of the host's request path and of host->alloc, so that tests can make
 * the k-th allocation fail: weft_mem_fail_at(k) fails the k-th from now (0: none).
 * weft_mem_live answers the allocations not yet freed. [any thread]
 */
void *weft_mem_alloc(size_t n_bytes);        /**< 64-byte aligned, undefined content */
void weft_mem_free(void *memory);
void weft_mem_fail_at(uint64_t k);
uint64_t weft_mem_count(void);
uint64_t weft_mem_live(void);

#endif
