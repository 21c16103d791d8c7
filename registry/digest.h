/* SPDX-License-Identifier: Apache-2.0 */
/** @file digest.h  SHA-256 as hex; the only file that knows the library behind it. */
#ifndef WEFT_DIGEST_H
#define WEFT_DIGEST_H

#include <glib.h>

#define WEFT_DIGEST_HEX 64

typedef struct WeftDigest WeftDigest;

WeftDigest *weft_digest_new(void);
void weft_digest_update(WeftDigest *digest, const void *data, gsize n_bytes);
/** Frees digest; caller frees the hex text with g_free. */
char *weft_digest_end(WeftDigest *digest);
/** Of bytes in memory. Caller frees with g_free. */
char *weft_digest_of(const void *data, gsize n_bytes);
/** Of everything behind an open descriptor, from its start. NULL with errno set when it cannot be read. */
char *weft_digest_of_fd(int fd);

#endif
