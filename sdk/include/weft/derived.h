/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file derived.h
 * `weft.derived/1`: bytes that a provider makes out of a model's files (packed
 * weights), kept by the host beside the model so that the next start maps them
 * and processes share their pages. They are a cache: a function of the model's
 * bytes and of the key, and whoever finds nothing makes them anew.
 *
 *     const struct weft_derived *derived = host->get_extension(WEFT_DERIVED_ID);   NULL: nothing is kept
 *     struct weft_resource found;
 *     if (!derived || !derived->find(setup, &key, &found)) {
 *       make the bytes in memory of your own;
 *       if (derived && derived->keep(setup, &key, bytes, &found)) free that memory;
 *     }
 *
 * Only a model of the catalogue has them. A node in a process of its own finds
 * what is there and never writes.
 */
#ifndef WEFT_DERIVED_H
#define WEFT_DERIVED_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_DERIVED_ID "weft.derived/1"

/** Longest layout and content, bytes; longer ones are not kept. */
#define WEFT_DERIVED_MAX_LAYOUT 128
#define WEFT_DERIVED_MAX_CONTENT (UINT64_C(16) << 20)

/** What the bytes are. Bytes are found only by a key that is equal in everything. Borrowed until return. */
struct weft_derived_key {
  const char *layout;   /**< who lays them out, and how, such as "compute-cpu/1 avx2-int8": for people too */
  const void *content;  /**< [n_content] which bytes of the model go where: whatever else decides the result */
  uint64_t n_content;
  uint64_t n_bytes;     /**< of the result, > 0 */
};

struct weft_derived {
  uint32_t size;  /**< sizeof(struct weft_derived) */
  uint32_t flags; /**< 0 */

  /** 1: out holds them, 64-byte aligned, read only, until the instance is destroyed; 0: make them. [control thread, in create] */
  int (*find)(struct weft_setup *setup, const struct weft_derived_key *key, struct weft_resource *out);

  /**
   * Keeps key->n_bytes bytes. 1: out holds the kept ones, as find would; 0: they are not kept (no model of the
   * catalogue, one that may only be read, a full disk: the host has said so), and the caller's memory it is.
   * May block on the disk. [control thread, in create]
   */
  int (*keep)(struct weft_setup *setup, const struct weft_derived_key *key, const void *bytes,
              struct weft_resource *out);
};

#ifdef __cplusplus
}
#endif
#endif
