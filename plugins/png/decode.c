/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpng reports errors by jumping out of its calls. Everything that must
 * survive a jump lies in struct decode, so that decode_end frees it in any
 * case and no local variable is read after one.
 */
#include "decode.h"

#include "sniff.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_BYTES 8
/* Text and colour profiles: none is used, so none needs room. */
#define MAX_CHUNK_BYTES (4u << 20)
#define MAX_CACHED_CHUNKS 64

static void on_error(png_structp png, png_const_charp text)
{
  struct decode *decode = png_get_error_ptr(png);
  const char *between = decode->warning[0] ? ": " : "";
  if (!decode->reason[0])
    snprintf(decode->reason, sizeof decode->reason, "the PNG is damaged: %s%s%.64s", text, between, decode->warning);
  png_longjmp(png, 1);
}

/* Errors of libpng are terse; the warning before one often says what it is about. */
static void on_warning(png_structp png, png_const_charp text)
{
  struct decode *decode = png_get_error_ptr(png);
  snprintf(decode->warning, sizeof decode->warning, "%s", text);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
  struct decode *decode = png_get_io_ptr(png);
  if (n > decode->n_bytes - decode->at) {
    snprintf(decode->reason, sizeof decode->reason, "the file ends after %zu bytes, in the middle of the picture",
             decode->n_bytes);
    png_error(png, "end of file");
  }
  memcpy(to, decode->bytes + decode->at, n);
  decode->at += n;
}

static weft_status fail(struct decode *decode, weft_status status, const char *text)
{
  snprintf(decode->reason, sizeof decode->reason, "%s", text);
  return status;
}

static weft_status check_signature(struct decode *decode)
{
  static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  size_t n = decode->n_bytes < SIGNATURE_BYTES ? decode->n_bytes : SIGNATURE_BYTES;
  if (n > 0 && memcmp(decode->bytes, signature, n) == 0) {
    if (n == SIGNATURE_BYTES)
      return WEFT_OK;
    snprintf(decode->reason, sizeof decode->reason, "the file ends after %zu bytes, within the PNG signature", n);
    return WEFT_BAD_INPUT;
  }
  /* The signature's line ends are there to be damaged by a transfer as text. */
  if (n >= 4 && memcmp(decode->bytes + 1, "PNG", 3) == 0)
    return fail(decode, WEFT_BAD_INPUT, "the PNG signature is damaged; was the file transferred as text?");
  snprintf(decode->reason, sizeof decode->reason, "expected a PNG picture, found %s",
           weft_sniff(decode->bytes, decode->n_bytes));
  return WEFT_BAD_INPUT;
}

static weft_status check_size(struct decode *decode)
{
  uint32_t side = decode->limits.side;
  uint64_t n = (uint64_t)decode->height * decode->width;
  if (decode->height > side || decode->width > side) {
    snprintf(decode->reason, sizeof decode->reason, "%u x %u pixels: a side is beyond max_side (%u)", decode->width,
             decode->height, side);
    return WEFT_BAD_INPUT;
  }
  if (n > decode->limits.n_pixels) {
    snprintf(decode->reason, sizeof decode->reason, "%u x %u pixels are beyond max_pixels (%llu)", decode->width,
             decode->height, (unsigned long long)decode->limits.n_pixels);
    return WEFT_BAD_INPUT;
  }
  return WEFT_OK;
}

/* What libpng is to deliver: 8 bits, RGB or RGBA, whatever the file holds. */
static void set_transforms(png_structp png, png_infop info, struct decode *decode)
{
  decode->has_alpha = (png_get_color_type(png, info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
}

/* The header, to where the pixels begin. */
static weft_status read_header(struct decode *decode)
{
  if (setjmp(png_jmpbuf(decode->png)))
    return WEFT_BAD_INPUT;
  /* Sizes are judged later, in our own words, before anything is allocated for them. */
  png_set_user_limits(decode->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(decode->png, MAX_CHUNK_BYTES);
  png_set_chunk_cache_max(decode->png, MAX_CACHED_CHUNKS);
  png_set_read_fn(decode->png, decode, on_read);
  png_read_info(decode->png, decode->info);
  decode->height = png_get_image_height(decode->png, decode->info);
  decode->width = png_get_image_width(decode->png, decode->info);
  set_transforms(decode->png, decode->info, decode);
  return WEFT_OK;
}

weft_status decode_begin(struct decode *decode, const void *bytes, size_t n_bytes, const struct decode_limits *limits)
{
  decode->bytes = bytes;
  decode->n_bytes = n_bytes;
  decode->limits = *limits;
  weft_status status = check_signature(decode);
  if (status != WEFT_OK)
    return status;
  decode->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decode, on_error, on_warning);
  decode->info = decode->png ? png_create_info_struct(decode->png) : NULL;
  if (!decode->info)
    return fail(decode, WEFT_NO_MEMORY, "no memory to read a picture");
  status = read_header(decode);
  return status == WEFT_OK ? check_size(decode) : status;
}

size_t decode_room(const struct decode *decode)
{
  return (size_t)decode->height * decode->width * (decode->has_alpha ? 4 : 3);
}

/* RGBA over the background, in place: what is written lies before what is read. */
static void lay_over(uint8_t *pixels, size_t n, uint32_t background)
{
  const uint8_t *from = pixels;
  for (size_t i = 0; i < n; i++, from += 4) {
    uint32_t alpha = from[3], rest = (255 - alpha) * background + 127;
    for (int c = 0; c < 3; c++)
      *pixels++ = (uint8_t)((from[c] * alpha + rest) / 255);
  }
}

/* May jump: whoever calls it has called setjmp. */
static weft_status read_rows(struct decode *decode, uint8_t *out, const uint32_t *cancel)
{
  size_t row_bytes = (size_t)decode->width * (decode->has_alpha ? 4 : 3);
  int n_passes = png_set_interlace_handling(decode->png);
  png_read_update_info(decode->png, decode->info);
  if (png_get_rowbytes(decode->png, decode->info) != row_bytes)
    return fail(decode, WEFT_INTERNAL, "libpng delivers another layout than was asked of it");
  for (int pass = 0; pass < n_passes; pass++) {
    for (uint32_t y = 0; y < decode->height; y++) {
      if (__atomic_load_n(cancel, __ATOMIC_RELAXED))
        return WEFT_CANCELLED;
      png_read_row(decode->png, out + y * row_bytes, NULL);
    }
  }
  png_read_end(decode->png, NULL);
  return WEFT_OK;
}

static weft_status read_picture(struct decode *decode, uint8_t *out, const uint32_t *cancel)
{
  if (setjmp(png_jmpbuf(decode->png)))
    return WEFT_BAD_INPUT;
  return read_rows(decode, out, cancel);
}

weft_status decode_pixels(struct decode *decode, uint8_t *out, const uint32_t *cancel)
{
  weft_status status = read_picture(decode, out, cancel);
  if (status == WEFT_OK && decode->has_alpha)
    lay_over(out, (size_t)decode->height * decode->width, decode->limits.background);
  return status;
}

void decode_end(struct decode *decode)
{
  png_structp png = decode->png;
  png_infop info = decode->info;
  if (png)
    png_destroy_read_struct(&png, info ? &info : NULL, NULL);
  decode->png = decode->info = NULL;
}
