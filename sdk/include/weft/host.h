/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file host.h
 * What the host offers to a plugin. The table lives as long as the process.
 *
 * Fields are valid up to the host's contract version; it is read once, in
 * `init`.
 */
#ifndef WEFT_HOST_H
#define WEFT_HOST_H

#include "call.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_PRINTF(at, first) __attribute__((__format__(__printf__, at, first)))
#else
#define WEFT_PRINTF(at, first)
#endif

/** One set-up in progress (create, ports, activate): the host's own. */
struct weft_setup;
struct weft_port; /* node.h */

/** Mapped or read bytes of a file: borrowed until destroy, read only, 64-byte aligned. */
struct weft_resource {
  const void *data;  /**< NULL: not there (only with WEFT_RESOURCE_OPTIONAL) */
  uint64_t n_bytes;
  uint64_t id;       /**< equal ids: equal bytes, within this process */
};

#define WEFT_RESOURCE_OPTIONAL 1u

#define WEFT_LOG_ERROR 0u
#define WEFT_LOG_WARNING 1u
#define WEFT_LOG_INFO 2u
#define WEFT_LOG_DEBUG 3u

/** Longest message kept, bytes with its final zero; longer ones are cut. */
#define WEFT_MESSAGE_BYTES 512

struct weft_host {
  uint32_t contract; /**< the host's contract version */
  uint32_t reserved;

  /**
   * Sets code and message of a set-up that fails; returns `status`, so that
   * `return host->fail(setup, WEFT_BAD_CONFIG, "...")` reads well. The format
   * and arguments are copied at once. [control thread]
   */
  weft_status (*fail)(struct weft_setup *setup, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);

  /** The same for one item of a call; the other items go on. [in process] */
  weft_status (*fail_item)(const struct weft_call *call, uint32_t item, weft_status status, const char *format, ...)
      WEFT_PRINTF(4, 5);

  /** The same for all items of a call. [in process] */
  weft_status (*fail_call)(const struct weft_call *call, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);

  /** One line for the log. Not on the path of a request. [any thread] */
  void (*log)(uint32_t level, const char *format, ...) WEFT_PRINTF(2, 3);

  /**
   * Bytes of a resource by name: `model/FILE` is a file of the node's model,
   * `asset/PARAMETER` the asset that a parameter names (manifest.h),
   * `self/NAME` one that the manifest names. WEFT_BAD_CONFIG with a message
   * when it is missing and `flags` has no WEFT_RESOURCE_OPTIONAL.
   * out: borrowed until destroy. May block on the disk. [control thread, in create]
   */
  weft_status (*resource_open)(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out);

  /**
   * Makes room for `n_rows` rows (all items together) of a dynamic output.
   * Content is kept, data does not move. WEFT_NO_MEMORY beyond the limit.
   * [in process, by the thread that runs it]
   */
  weft_status (*output_reserve)(const struct weft_call *call, uint32_t output, int64_t n_rows);

  /** Memory, 64-byte aligned; NULL when there is none. [any thread but in process] */
  void *(*alloc)(uint64_t n_bytes);
  /** Gives it back; NULL is allowed. [any thread] */
  void (*free)(void *memory);

  /**
   * A table by id, such as "weft.compute/1" or "weft.pool/1"; NULL when it is
   * not offered. Shared, lives as long as the process. [control thread]
   */
  const void *(*get_extension)(const char *id);

  /**
   * Says what this instance takes at bound input `input`, beyond the manifest:
   * dims and attributes that its model fixes (-1 and absent: as the manifest
   * has it; name and key are not looked at). To be called right before `fail`
   * where create fails because of that input: the error is then said at its
   * edge, with what both sides offer. port: copied at once; NULL: the input is
   * not wanted at all. The last one counts. [control thread, in create]
   */
  void (*takes)(struct weft_setup *setup, uint32_t input, const struct weft_port *port);
};

#define WEFT_POOL_ID "weft.pool/1"

/** The helpers of this process, for computing providers. */
struct weft_pool {
  /**
   * Calls fn(arg, chunk) for every chunk in [0, n_chunks), some of them on
   * other threads; the caller works too. Returns when all are done. A join
   * waits only for chunks that somebody has claimed. fn must not call it again.
   * [any thread]
   */
  void (*parallel)(uint32_t n_chunks, void (*fn)(void *arg, uint32_t chunk), void *arg);
  /** Threads that may work at once, the caller included: 1 or more. [any thread] */
  uint32_t (*n_threads)(void);
};

#ifdef __cplusplus
}
#endif
#endif
