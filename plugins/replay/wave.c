/* SPDX-License-Identifier: Apache-2.0 */
/* WAV: the only part that knows libsndfile. */
#include "media.h"

#include <pthread.h>
#include <sndfile.h>
#include <string.h>

/* libsndfile keeps the reason of a failed open in variables of the process. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static sf_count_t io_length(void *data)
{
  return (sf_count_t)((struct media *)data)->n_bytes;
}

static sf_count_t io_seek(sf_count_t offset, int whence, void *data)
{
  struct media *media = data;
  int64_t base = whence == SEEK_CUR ? media->position : whence == SEEK_END ? (int64_t)media->n_bytes : 0;
  if (offset < -base || offset > (int64_t)media->n_bytes - base)
    return -1;
  media->position = base + offset;
  return media->position;
}

static sf_count_t io_read(void *to, sf_count_t n, void *data)
{
  struct media *media = data;
  int64_t rest = (int64_t)media->n_bytes - media->position;
  n = n < rest ? n : rest;
  if (n <= 0)
    return 0;
  memcpy(to, media->bytes + media->position, (size_t)n);
  media->position += n;
  return n;
}

static sf_count_t io_write(const void *from, sf_count_t n, void *data)
{
  return 0;
}

static sf_count_t io_tell(void *data)
{
  return ((struct media *)data)->position;
}

static uint32_t read_u32(const uint8_t *b)
{
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* libsndfile reads a cut file as far as it goes and says nothing. RIFX and RF64 keep sizes elsewhere. */
static weft_status check_length(struct media *media)
{
  size_t at = 12;
  while (memcmp(media->bytes, "RIFF", 4) == 0 && at + 8 <= media->n_bytes) {
    uint32_t size = read_u32(media->bytes + at + 4);
    size_t rest = media->n_bytes - at - 8;
    if (memcmp(media->bytes + at, "data", 4) == 0 && size != UINT32_MAX && size > rest)
      return media_fail(media, "byte %zu: the file is cut: %u bytes of samples are announced, %zu are there", at, size, rest);
    at += 8 + (size_t)size + (size & 1);
  }
  return WEFT_OK;
}

static weft_status wave_open(struct media *media)
{
  SF_VIRTUAL_IO io = {io_length, io_seek, io_read, io_write, io_tell};
  SF_INFO info = {0};
  weft_status status = check_length(media);
  if (status != WEFT_OK)
    return status;
  pthread_mutex_lock(&open_lock);
  media->file = sf_open_virtual(&io, SFM_READ, &info, media);
  if (!media->file)
    media_fail(media, "byte 0: the WAV header is not understood: %s", sf_strerror(NULL));
  pthread_mutex_unlock(&open_lock);
  if (!media->file)
    return WEFT_BAD_INPUT;
  media->n_channels = info.channels;
  media->rate_hz = media->options.rate_hz > 0 ? media->options.rate_hz : info.samplerate;
  if (info.channels < 1 || info.channels > MEDIA_MAX_CHANNELS)
    return media_fail(media, "byte 22: %d channels; expected 1 to %d (MEDIA_MAX_CHANNELS)", info.channels,
                      MEDIA_MAX_CHANNELS);
  return media->rate_hz > 0 ? WEFT_OK : media_fail(media, "byte 24: the header says %d samples a second", info.samplerate);
}

static int64_t wave_read(struct media *media, float *rows, int64_t *times, int64_t n)
{
  return sf_readf_float(media->file, rows, n);
}

static void wave_rewind(struct media *media)
{
  sf_seek(media->file, 0, SEEK_SET);
}

static void wave_close(struct media *media)
{
  if (media->file)
    sf_close(media->file);
  media->file = NULL;
}

const struct media_format media_wave = {wave_open, wave_read, wave_rewind, wave_close};
