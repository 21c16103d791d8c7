/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include "sniff.h"

#include <math.h>
#include <pthread.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>

#define RIFF_BYTES 12
#define CHUNK_BYTES 8
/* A size that a program writes when it does not know the end yet: all there is. */
#define SIZE_UNKNOWN 0xFFFFFFFFu

/* libsndfile keeps the reason of a failed open in variables of the process. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static sf_count_t io_length(void *data)
{
  return ((struct decode *)data)->n_bytes;
}

static sf_count_t io_seek(sf_count_t offset, int whence, void *data)
{
  struct decode *decode = data;
  int64_t base = whence == SEEK_CUR ? decode->at : whence == SEEK_END ? decode->n_bytes : 0;
  if (offset < -base || offset > decode->n_bytes - base)
    return -1;
  decode->at = base + offset;
  return decode->at;
}

static sf_count_t io_read(void *to, sf_count_t n, void *data)
{
  struct decode *decode = data;
  if (n > decode->n_bytes - decode->at)
    n = decode->n_bytes - decode->at;
  if (n <= 0)
    return 0;
  memcpy(to, decode->bytes + decode->at, (size_t)n);
  decode->at += n;
  return n;
}

static sf_count_t io_write(const void *from, sf_count_t n, void *data)
{
  return 0;
}

static sf_count_t io_tell(void *data)
{
  return ((struct decode *)data)->at;
}

static uint32_t read_u32(const uint8_t *b)
{
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static int is_wave(const uint8_t *b, int64_t n)
{
  return n >= RIFF_BYTES && (memcmp(b, "RIFF", 4) == 0 || memcmp(b, "RIFX", 4) == 0 || memcmp(b, "RF64", 4) == 0) &&
         memcmp(b + 8, "WAVE", 4) == 0;
}

static weft_status check_kind(struct decode *decode)
{
  if (is_wave(decode->bytes, decode->n_bytes))
    return WEFT_OK;
  if (decode->n_bytes > 0 && decode->n_bytes < RIFF_BYTES && decode->bytes[0] == 'R')
    snprintf(decode->reason, sizeof decode->reason, "the file ends after %lld bytes; a WAV header alone has more",
             (long long)decode->n_bytes);
  else
    snprintf(decode->reason, sizeof decode->reason, "expected a WAV recording, found %s",
             weft_sniff(decode->bytes, (uint64_t)decode->n_bytes));
  return WEFT_BAD_INPUT;
}

/* libsndfile reads a cut file as far as it goes and says nothing; a recording that lost its end is an error here. */
static weft_status check_length(struct decode *decode)
{
  int64_t at = RIFF_BYTES;
  if (decode->bytes[3] != 'F' || decode->bytes[0] != 'R')
    return WEFT_OK; /* RIFX and RF64 keep sizes elsewhere */
  while (at + CHUNK_BYTES <= decode->n_bytes) {
    uint32_t size = read_u32(decode->bytes + at + 4);
    int64_t rest = decode->n_bytes - at - CHUNK_BYTES;
    if (memcmp(decode->bytes + at, "data", 4) == 0) {
      if (size == SIZE_UNKNOWN || size <= rest)
        return WEFT_OK;
      snprintf(decode->reason, sizeof decode->reason,
               "the file is cut: %u bytes of samples are announced, %lld are there", size, (long long)rest);
      return WEFT_BAD_INPUT;
    }
    at += CHUNK_BYTES + (int64_t)size + (size & 1);
  }
  return WEFT_OK;
}

static weft_status open_file(struct decode *decode)
{
  SF_VIRTUAL_IO io = {io_length, io_seek, io_read, io_write, io_tell};
  SF_INFO info = {0};
  pthread_mutex_lock(&open_lock);
  decode->file = sf_open_virtual(&io, SFM_READ, &info, decode);
  if (!decode->file)
    snprintf(decode->reason, sizeof decode->reason, "the WAV header is not understood: %s", sf_strerror(NULL));
  pthread_mutex_unlock(&open_lock);
  if (!decode->file)
    return WEFT_BAD_INPUT;
  decode->n_frames = info.frames;
  decode->rate_hz = info.samplerate;
  decode->n_channels = info.channels;
  return WEFT_OK;
}

static weft_status check_size(struct decode *decode, int64_t max_duration_ms)
{
  int64_t max_frames = (int64_t)((double)max_duration_ms * decode->rate_hz / 1000.0);
  if (decode->n_frames <= 0)
    snprintf(decode->reason, sizeof decode->reason, "the recording holds no samples");
  else if (decode->rate_hz <= 0)
    snprintf(decode->reason, sizeof decode->reason, "the header says %d samples a second", decode->rate_hz);
  else if (decode->n_channels < 1 || decode->n_channels > DECODE_MAX_CHANNELS)
    snprintf(decode->reason, sizeof decode->reason, "%d channels; expected 1 to DECODE_MAX_CHANNELS (%d)",
             decode->n_channels, DECODE_MAX_CHANNELS);
  else if (decode->n_frames > max_frames)
    snprintf(decode->reason, sizeof decode->reason, "%.3f s of %d Hz are longer than max_duration (%lld ms)",
             (double)decode->n_frames / decode->rate_hz, decode->rate_hz, (long long)max_duration_ms);
  else
    return WEFT_OK;
  return WEFT_BAD_INPUT;
}

weft_status decode_begin(struct decode *decode, const void *bytes, size_t n_bytes, int64_t max_duration_ms)
{
  decode->bytes = bytes;
  decode->n_bytes = (int64_t)n_bytes;
  weft_status status = check_kind(decode);
  if (status == WEFT_OK)
    status = check_length(decode);
  if (status == WEFT_OK)
    status = open_file(decode);
  return status == WEFT_OK ? check_size(decode, max_duration_ms) : status;
}

/* Mean of the channels; floats beyond -1..1 are cut, since that is the range promised. */
static int mix(const float *block, int64_t n, int32_t n_channels, float *out)
{
  for (int64_t i = 0; i < n; i++) {
    float sum = 0.0f;
    for (int32_t c = 0; c < n_channels; c++)
      sum += *block++;
    float mean = sum / (float)n_channels;
    if (!isfinite(mean))
      return 0;
    out[i] = mean < -1.0f ? -1.0f : mean > 1.0f ? 1.0f : mean;
  }
  return 1;
}

weft_status decode_samples(struct decode *decode, float *out, float *block, const uint32_t *cancel)
{
  for (int64_t at = 0; at < decode->n_frames;) {
    if (__atomic_load_n(cancel, __ATOMIC_RELAXED))
      return WEFT_CANCELLED;
    int64_t most = decode->n_frames - at < DECODE_BLOCK_FRAMES ? decode->n_frames - at : DECODE_BLOCK_FRAMES;
    int64_t n = sf_readf_float(decode->file, block, most);
    if (n <= 0) {
      snprintf(decode->reason, sizeof decode->reason, "the samples end after %lld of %lld: %s", (long long)at,
               (long long)decode->n_frames, sf_strerror(decode->file));
      return WEFT_BAD_INPUT;
    }
    if (!mix(block, n, decode->n_channels, out + at)) {
      snprintf(decode->reason, sizeof decode->reason, "a sample between %lld and %lld is not a finite number",
               (long long)at, (long long)(at + n));
      return WEFT_BAD_INPUT;
    }
    at += n;
  }
  return WEFT_OK;
}

void decode_end(struct decode *decode)
{
  if (decode->file)
    sf_close(decode->file);
  decode->file = NULL;
}
