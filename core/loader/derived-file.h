/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file derived-file.h
 * How a derived file is laid out, and `weft.derived/1` over the resolver of a
 * set-up: the file KEY of the node's model is its resource `derived/KEY`,
 * header and all. Without GLib; in the host and in a worker alike.
 */
#ifndef WEFT_CORE_DERIVED_FILE_H
#define WEFT_CORE_DERIVED_FILE_H

#include "hosttable.h"

#include <weft/derived.h>

#define WEFT_DERIVED_MAGIC "weftdrv1"
/** A key as text: hex and a zero. */
#define WEFT_DERIVED_KEY_BYTES 33
/** Payload and file begin on a page. */
#define WEFT_DERIVED_PAGE 4096u

/** The file begins with it; then layout with its zero, content, zeros up to n_header. */
struct weft_derived_header {
  char magic[8];
  uint64_t n_header;    /**< bytes before the payload, whole pages */
  uint64_t n_bytes;     /**< of the payload, which ends the file */
  uint64_t n_content;
  uint32_t n_layout;    /**< with its zero */
  uint32_t reserved;    /**< 0 */
  char digest[64];      /**< sha256 of the payload, hex: `weft model check` compares, opening does not */
};

/** out: WEFT_DERIVED_KEY_BYTES. A hash that names the file; the header holds what it is. */
void weft_derived_name(const struct weft_derived_key *key, char *out);
/** Whether text can be one. */
int weft_derived_is_name(const char *text);
/** Bytes before the payload. */
uint64_t weft_derived_header_bytes(const struct weft_derived_key *key);
/** Writes the header: weft_derived_header_bytes(key) bytes. digest: 64 hex letters. */
void weft_derived_put_header(const struct weft_derived_key *key, const char *digest, void *out);
/** The header of a whole file of n bytes; NULL: it is none, or cut. layout: its text. */
const struct weft_derived_header *weft_derived_look(const void *file, uint64_t n, const char **layout);
/** The payload of a file under this key; 0: it is not that. */
int weft_derived_payload(const struct weft_resource *file, const struct weft_derived_key *key, struct weft_resource *out);

/** The table. Shared, lives as long as the process. [any thread] */
const struct weft_derived *weft_derived_table(void);

#endif
