/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's format 1.0 to 3.0: a header that is a Python dict, then the numbers. */
#include "media.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What stands behind 'KEY': in the header, blanks skipped; NULL: nothing. */
static const char *value_of(const char *header, const char *key)
{
  const char *at = strstr(header, key);
  if (!at)
    return NULL;
  at += strlen(key);
  while (*at == ' ' || *at == ':')
    at++;
  return at;
}

/* How much of it a message shows. */
static int shown(const char *value, const char *end)
{
  size_t n = strcspn(value, end);
  return (int)(n < 24 ? n : 24);
}

static weft_status take_type(struct media *media, const char *descr)
{
  static const struct {
    const char *name;
    char kind;
    size_t n_bytes;
  } types[] = {{"'<f4'", 'f', 4}, {"'<f8'", 'd', 8}, {"'<i2'", 'h', 2}};
  for (size_t i = 0; descr && i < sizeof types / sizeof *types; i++)
    if (strncmp(descr, types[i].name, strlen(types[i].name)) == 0) {
      media->kind = types[i].kind;
      media->item_bytes = types[i].n_bytes;
      return WEFT_OK;
    }
  return media_fail(media, "byte 10: the numbers are %.*s; expected '<f4', '<f8' or '<i2'",
                    descr ? shown(descr, ",") : 8, descr ? descr : "not said");
}

/* "(60000,)" or "(60000, 3)": the sizes; how many, or -1. */
static int take_shape(const char *shape, int64_t sizes[2])
{
  int n = 0;
  if (!shape || *shape++ != '(')
    return -1;
  for (;;) {
    while (*shape == ' ' || *shape == ',')
      shape++;
    if (*shape == ')')
      return n;
    if (n == 2 || *shape < '0' || *shape > '9')
      return -1;
    for (sizes[n] = 0; *shape >= '0' && *shape <= '9'; shape++) {
      if (sizes[n] > INT64_MAX / 64)
        return -1;
      sizes[n] = sizes[n] * 10 + (*shape - '0');
    }
    n++;
  }
}

static weft_status take_sizes(struct media *media, const char *shape)
{
  int64_t sizes[2] = {0, 1}, n_items = 0;
  int n = take_shape(shape, sizes);
  if (n < 1)
    return media_fail(media, "byte 10: the shape is %.*s; expected (n,) or (n, channels)",
                      shape ? shown(shape, ")") + 1 : 8, shape ? shape : "not said");
  int first = media->options.channels_first && n == 2;
  media->n_rows = sizes[first];
  if (sizes[!first] < 1 || sizes[!first] > MEDIA_MAX_CHANNELS)
    return media_fail(media, "byte 10: %lld channels; expected 1 to %d (MEDIA_MAX_CHANNELS)%s", (long long)sizes[!first],
                      MEDIA_MAX_CHANNELS, n == 2 && !first ? "; channels_first: true reads [channels, n]" : "");
  media->n_channels = (int32_t)sizes[!first];
  size_t n_there = (media->n_bytes - media->begin) / media->item_bytes;
  if (__builtin_mul_overflow(sizes[0], sizes[1], &n_items) || (uint64_t)n_items > n_there)
    return media_fail(media, "byte %zu: the file is cut: %lld numbers are announced, %zu are there", media->begin,
                      (long long)n_items, n_there);
  return WEFT_OK;
}

static weft_status npy_open(struct media *media)
{
  char header[MEDIA_MAX_HEADER + 1];
  const uint8_t *b = media->bytes;
  size_t at = media->n_bytes > 6 && b[6] >= 2 ? 12 : 10;
  if (media->n_bytes < at || b[6] < 1 || b[6] > 3)
    return media_fail(media, "byte 6: no NPY header of version 1 to 3");
  size_t n = (size_t)b[8] | (size_t)b[9] << 8;
  if (at == 12)
    n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  if (n > MEDIA_MAX_HEADER || n > media->n_bytes - at)
    return media_fail(media, "byte 8: a header of %zu bytes; at most %d are read, %zu are there", n, MEDIA_MAX_HEADER,
                      media->n_bytes - at);
  memcpy(header, b + at, n);
  header[n] = 0;
  media->begin = at + n;
  const char *order = value_of(header, "'fortran_order'");
  weft_status status = take_type(media, value_of(header, "'descr'"));
  if (status == WEFT_OK && (!order || strncmp(order, "False", 5) != 0))
    status = media_fail(media, "byte 10: fortran_order is %.*s; save the array in C order", order ? shown(order, ",") : 8,
                        order ? order : "not said");
  if (status == WEFT_OK)
    status = take_sizes(media, value_of(header, "'shape'"));
  if (status != WEFT_OK)
    return status;
  media->rate_hz = media->options.rate_hz;
  return media->rate_hz > 0 ? WEFT_OK : media_fail(media, "NPY has no times: give the parameter rate, such as rate: 12 kHz");
}

static float number_at(const struct media *media, int64_t index)
{
  const uint8_t *at = media->bytes + media->begin + (size_t)index * media->item_bytes;
  float f;
  double d;
  int16_t h;
  switch (media->kind) {
  case 'f': memcpy(&f, at, sizeof f); return f;
  case 'd': memcpy(&d, at, sizeof d); return (float)d;
  default: memcpy(&h, at, sizeof h); return (float)h;
  }
}

static int64_t npy_read(struct media *media, float *rows, int64_t *times, int64_t n)
{
  int64_t rest = media->n_rows - media->row;
  n = n < rest ? n : rest;
  int64_t row_step = media->options.channels_first ? 1 : media->n_channels;
  int64_t channel_step = media->options.channels_first ? media->n_rows : 1;
  for (int64_t i = 0; i < n; i++)
    for (int32_t c = 0; c < media->n_channels; c++)
      rows[i * media->n_channels + c] = number_at(media, (media->row + i) * row_step + c * channel_step);
  return n;
}

static void npy_rewind(struct media *media)
{
}

const struct media_format media_npy = {npy_open, npy_read, npy_rewind, npy_rewind};
