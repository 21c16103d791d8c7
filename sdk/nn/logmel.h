/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file logmel.h
 * Log-mel spectrogram of the audio spectrogram transformer: what transformers'
 * ASTFeatureExtractor computes without torchaudio (Gong et al. 2021, "AST",
 * section 2.1; mel filters as Kaldi triangularises them).
 *
 *     struct weft_json *json = ... preprocessor_config.json ...;
 *     struct weft_logmel_settings settings;
 *     weft_logmel_settings_read(json, &settings);   (errors: weft_json_status)
 *     weft_logmel_new(&settings, &mel, message);
 *     (activate) weft_logmel_scratch_bytes(mel)
 *     (process)  weft_logmel_run(mel, samples, n, out, scratch, message);
 *
 * Frames of 400 samples every 160; mean removed, pre-emphasis 0.97, Hann
 * window, power spectrum of 512 points, mel filters from 20 Hz to half the
 * rate, natural logarithm not below that of 1.192e-07. Cut or filled with zeros
 * to `n_frames`, then (x - mean) / (2 std).
 *
 * A key of Weft's own, `weft_level_db` (-100..0, dB of full scale), brings each
 * recording to that root mean square first, so that neither its level nor a
 * quiet background is left to see: what lies far below the level falls to the
 * floor. Without the key the samples are taken as they are.
 * [new, free: control thread; others: any thread]
 */
#ifndef WEFT_NN_LOGMEL_H
#define WEFT_NN_LOGMEL_H

#include "json.h"

/** Samples of one frame, and between frames. */
#define WEFT_LOGMEL_FRAME 400
#define WEFT_LOGMEL_HOP 160
#define WEFT_LOGMEL_MAX_BINS 512
#define WEFT_LOGMEL_MAX_FRAMES 65536

struct weft_logmel_settings {
  int32_t rate_hz;   /**< sampling_rate */
  int32_t n_bins;    /**< num_mel_bins */
  int32_t n_frames;  /**< max_length */
  int32_t normalize; /**< do_normalize */
  double mean, std;
  int32_t has_level; /**< weft_level_db is given */
  double level_db;
};

/** Reads preprocessor_config.json; errors are remembered in json. Defaults as transformers'. */
void weft_logmel_settings_read(struct weft_json *json, struct weft_logmel_settings *out);

struct weft_logmel;

/** out: caller frees with weft_logmel_free. Errors: WEFT_NO_MEMORY, WEFT_BAD_CONFIG. */
weft_status weft_logmel_new(const struct weft_logmel_settings *settings, struct weft_logmel **out, char *message);
/** NULL is allowed. */
void weft_logmel_free(struct weft_logmel *mel);

/** Scratch of one run, bytes. */
size_t weft_logmel_scratch_bytes(const struct weft_logmel *mel);

/**
 * samples: [n] f32, mono, -1..1, at rate_hz, borrowed until return.
 * out: [n_frames, n_bins] f32, row-major, caller's. scratch: 8-byte aligned.
 * Errors: WEFT_BAD_INPUT (less than one frame; a value that is not finite).
 */
weft_status weft_logmel_run(const struct weft_logmel *mel, const float *samples, int64_t n, float *out, void *scratch,
                            char *message);

#endif
