/* SPDX-License-Identifier: Apache-2.0 */
/** @file decode.h WAV files as mono f32: the only part of the plugin that knows libsndfile. */
#ifndef WEFT_WAV_DECODE_H
#define WEFT_WAV_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/errors.h>

#define DECODE_REASON_BYTES 200
/** Most channels of a file. */
#define DECODE_MAX_CHANNELS 64
/** Frames read at once: the scratch of a call holds them. */
#define DECODE_BLOCK_FRAMES 1024

/** One recording in progress: zeroed, then begin, samples (or not), end. */
struct decode {
  int64_t n_frames;
  int32_t rate_hz, n_channels;
  char reason[DECODE_REASON_BYTES]; /**< why a step failed */
  const uint8_t *bytes;
  int64_t n_bytes, at;
  void *file;
};

/**
 * Reads the header: n_frames, rate_hz, n_channels. bytes: borrowed until end.
 * Errors: WEFT_BAD_INPUT, with reason.
 */
weft_status decode_begin(struct decode *decode, const void *bytes, size_t n_bytes, int64_t max_duration_ms);

/**
 * Reads all frames. out: [n_frames] the mean of the channels, -1..1.
 * block: [DECODE_BLOCK_FRAMES * DECODE_MAX_CHANNELS] f32 of scratch.
 * Errors: WEFT_BAD_INPUT, WEFT_CANCELLED.
 */
weft_status decode_samples(struct decode *decode, float *out, float *block, const uint32_t *cancel);

/** Closes; may follow any step. */
void decode_end(struct decode *decode);

#endif
