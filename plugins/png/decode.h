/* SPDX-License-Identifier: Apache-2.0 */
/** @file decode.h PNG files as 8-bit RGB: the only part of the plugin that knows libpng. */
#ifndef WEFT_PNG_DECODE_H
#define WEFT_PNG_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/errors.h>

/** Longest reason kept, bytes with its final zero. */
#define DECODE_REASON_BYTES 240

struct decode_limits {
  uint32_t side;    /**< largest height and width */
  uint64_t n_pixels;
  uint8_t background; /**< grey level that transparent pixels are laid over */
};

/** One picture in progress: zeroed, then begin, pixels (or not), end. */
struct decode {
  uint32_t height, width;
  int has_alpha;
  char reason[DECODE_REASON_BYTES]; /**< why a step failed */
  char warning[64];                 /**< the last one of libpng's */
  const uint8_t *bytes;
  size_t n_bytes, at;
  struct decode_limits limits;
  void *png, *info;
};

/**
 * Reads the header: height, width, has_alpha. bytes: borrowed until end.
 * Errors: WEFT_BAD_INPUT, WEFT_NO_MEMORY, with reason.
 */
weft_status decode_begin(struct decode *decode, const void *bytes, size_t n_bytes, const struct decode_limits *limits);

/** Bytes that decode_pixels needs: four a pixel while there is alpha, else three. */
size_t decode_room(const struct decode *decode);

/**
 * Reads the picture to the file's end. out: [decode_room]; afterwards its
 * first 3 * height * width bytes are RGB, row-major.
 * Errors: WEFT_BAD_INPUT, WEFT_NO_MEMORY, WEFT_CANCELLED.
 */
weft_status decode_pixels(struct decode *decode, uint8_t *out, const uint32_t *cancel);

/** Frees what libpng holds; may follow any step. */
void decode_end(struct decode *decode);

#endif
