/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#define READ_BYTES (1 << 18)

struct WeftDigest {
  crypto_hash_sha256_state state;
};

WeftDigest *weft_digest_new(void)
{
  WeftDigest *digest = g_new(WeftDigest, 1);
  crypto_hash_sha256_init(&digest->state);
  return digest;
}

void weft_digest_update(WeftDigest *digest, const void *data, gsize n_bytes)
{
  crypto_hash_sha256_update(&digest->state, data, n_bytes);
}

char *weft_digest_end(WeftDigest *digest)
{
  unsigned char raw[crypto_hash_sha256_BYTES];
  char *hex = g_malloc(WEFT_DIGEST_HEX + 1);
  crypto_hash_sha256_final(&digest->state, raw);
  sodium_bin2hex(hex, WEFT_DIGEST_HEX + 1, raw, sizeof raw);
  g_free(digest);
  return hex;
}

char *weft_digest_of(const void *data, gsize n_bytes)
{
  WeftDigest *digest = weft_digest_new();
  weft_digest_update(digest, data, n_bytes);
  return weft_digest_end(digest);
}

char *weft_digest_of_fd(int fd)
{
  g_autofree guint8 *buffer = g_malloc(READ_BYTES);
  WeftDigest *digest = weft_digest_new();
  gint64 offset = 0;
  for (;;) {
    gssize n = pread(fd, buffer, READ_BYTES, offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      g_free(digest);
      return NULL;
    }
    if (n == 0)
      return weft_digest_end(digest);
    weft_digest_update(digest, buffer, (gsize)n);
    offset += n;
  }
}
