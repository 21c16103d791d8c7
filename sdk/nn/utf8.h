/* SPDX-License-Identifier: Apache-2.0 */
/** @file utf8.h UTF-8 that is known to be valid, one character at a time. Internal. [any thread] */
#ifndef WEFT_NN_UTF8_H
#define WEFT_NN_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Bytes of the character that begins with this byte. */
static inline unsigned weft_utf8_length(unsigned char first)
{
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/** The character at `text`, which is valid UTF-8. */
static inline uint32_t weft_utf8_decode(const char *text)
{
  const unsigned char *b = (const unsigned char *)text;
  switch (weft_utf8_length(b[0])) {
  case 1:
    return b[0];
  case 2:
    return (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
  case 3:
    return (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
  default:
    return (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 | (uint32_t)(b[2] & 0x3F) << 6 |
           (b[3] & 0x3F);
  }
}

/** Writes a character; to: [4]. Answers its bytes. */
static inline unsigned weft_utf8_encode(uint32_t code, char *to)
{
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (unsigned i = n - 1; i > 0; i--, code >>= 6)
    to[i] = (char)(0x80 | (code & 0x3F));
  to[0] = (char)(code | (n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0));
  return n;
}

/** Offset of the character before `at`, which is > 0. */
static inline size_t weft_utf8_before(const char *text, size_t at)
{
  do
    at--;
  while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
  return at;
}

#endif
