/* SPDX-License-Identifier: Apache-2.0 */
#include "media.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

weft_status media_fail(struct media *media, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(media->reason, sizeof media->reason, format, arguments);
  va_end(arguments);
  return WEFT_BAD_INPUT;
}

weft_status media_open(struct media *media, const void *bytes, size_t n_bytes, const struct media_options *options)
{
  media->bytes = bytes;
  media->n_bytes = n_bytes;
  media->options = *options;
  if (!n_bytes)
    return media_fail(media, "the file is empty");
  if (n_bytes >= 12 && (!memcmp(bytes, "RIFF", 4) || !memcmp(bytes, "RIFX", 4) || !memcmp(bytes, "RF64", 4)))
    media->format = &media_wave;
  else if (n_bytes >= 6 && !memcmp(bytes, "\x93NUMPY", 6))
    media->format = &media_npy;
  else
    media->format = &media_csv;
  return media->format->open(media);
}

/* Exact for whole rates, however long the recording. */
static int64_t time_at(double rate_hz, int64_t row)
{
  if (rate_hz >= 1 && rate_hz <= 1e9 && rate_hz == floor(rate_hz)) {
    int64_t rate = (int64_t)rate_hz;
    return row / rate * 1000000000 + row % rate * 1000000000 / rate;
  }
  return (int64_t)llround((double)row / rate_hz * 1e9);
}

int64_t media_read(struct media *media, float *rows, int64_t *times, int64_t n)
{
  int64_t got = media->format->read(media, rows, times, n);
  for (int64_t i = 0; media->rate_hz > 0 && i < got; i++)
    times[i] = time_at(media->rate_hz, media->row + i);
  media->row += got > 0 ? got : 0;
  return got;
}

void media_rewind(struct media *media)
{
  media->row = 0;
  media->format->rewind(media);
}

void media_close(struct media *media)
{
  if (media->format)
    media->format->close(media);
  media->format = NULL;
}
