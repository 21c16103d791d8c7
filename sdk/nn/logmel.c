/* SPDX-License-Identifier: Apache-2.0 */
#include "logmel.h"

#include "fft.h"
#include "message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FFT_POINTS WEFT_FFT_POINTS
#define SPECTRUM (FFT_POINTS / 2 + 1)
#define LOWEST_HZ 20.0
#define PREEMPHASIS 0.97
#define FLOOR 1.192092955078125e-07

/* The bins of the spectrum under one triangle. */
struct triangle {
  int32_t first, n, weights;
};

struct weft_logmel {
  struct weft_logmel_settings settings;
  struct weft_fft fft;
  double window[WEFT_LOGMEL_FRAME];
  struct triangle *triangles; /* [n_bins] */
  double *weights;            /* of all triangles, one after another */
};

void weft_logmel_settings_read(struct weft_json *json, struct weft_logmel_settings *out)
{
  out->rate_hz = (int32_t)weft_json_int_or(json, "sampling_rate", 16000, 1000, 384000);
  out->n_bins = (int32_t)weft_json_int_or(json, "num_mel_bins", 128, 1, WEFT_LOGMEL_MAX_BINS);
  out->n_frames = (int32_t)weft_json_int_or(json, "max_length", 1024, 1, WEFT_LOGMEL_MAX_FRAMES);
  out->normalize = weft_json_bool_or(json, "do_normalize", 1);
  out->mean = weft_json_number_or(json, "mean", -4.2677393, -1e6, 1e6);
  out->std = weft_json_number_or(json, "std", 4.5689974, 1e-9, 1e6);
  out->has_level = weft_json_has(json, "weft_level_db");
  out->level_db = weft_json_number_or(json, "weft_level_db", 0, -100, 0);
}

static double mel_of(double hz)
{
  return 1127.0 * log(1.0 + hz / 700.0);
}

/* The weight of one bin of the spectrum under the triangle (left, middle, right), all in mel. */
static double weight_of(double mel, const double *corner)
{
  double up = (mel - corner[0]) / (corner[1] - corner[0]);
  double down = (corner[2] - mel) / (corner[2] - corner[1]);
  double weight = up < down ? up : down;
  return weight > 0.0 ? weight : 0.0;
}

static weft_status make_triangles(struct weft_logmel *mel, char *message)
{
  int32_t n_bins = mel->settings.n_bins, n_weights = 0;
  double low = mel_of(LOWEST_HZ), high = mel_of(mel->settings.rate_hz / 2);
  double step = (high - low) / (n_bins + 1), bin_hz = (double)mel->settings.rate_hz / FFT_POINTS;
  mel->triangles = calloc((size_t)n_bins, sizeof *mel->triangles);
  mel->weights = calloc((size_t)n_bins * SPECTRUM, sizeof *mel->weights);
  if (!mel->triangles || !mel->weights)
    return weft_message(message, WEFT_NO_MEMORY, "no memory for %d mel filters", n_bins);
  for (int32_t b = 0; b < n_bins; b++) {
    const double corner[] = {low + b * step, low + (b + 1) * step, b + 2 == n_bins + 1 ? high : low + (b + 2) * step};
    struct triangle *triangle = &mel->triangles[b];
    triangle->weights = n_weights;
    for (int32_t k = 0; k < SPECTRUM; k++) {
      double weight = weight_of(mel_of(bin_hz * k), corner);
      if (weight <= 0.0)
        continue;
      if (triangle->n == 0)
        triangle->first = k;
      triangle->n = k - triangle->first + 1;
      mel->weights[n_weights++] = weight;
    }
  }
  return WEFT_OK;
}

weft_status weft_logmel_new(const struct weft_logmel_settings *settings, struct weft_logmel **out, char *message)
{
  *out = NULL;
  struct weft_logmel *mel = calloc(1, sizeof *mel);
  if (!mel)
    return weft_message(message, WEFT_NO_MEMORY, "no memory for a log-mel spectrogram");
  mel->settings = *settings;
  for (int i = 0; i < WEFT_LOGMEL_FRAME; i++)
    mel->window[i] = 0.5 - 0.5 * cos(2.0 * M_PI * i / (WEFT_LOGMEL_FRAME - 1));
  weft_fft_init(&mel->fft);
  weft_status status = make_triangles(mel, message);
  if (status != WEFT_OK) {
    weft_logmel_free(mel);
    return status;
  }
  *out = mel;
  return WEFT_OK;
}

void weft_logmel_free(struct weft_logmel *mel)
{
  if (!mel)
    return;
  free(mel->triangles);
  free(mel->weights);
  free(mel);
}

struct work {
  double frame[WEFT_LOGMEL_FRAME];
  double points[FFT_POINTS];
  double power[SPECTRUM];
  double fft[WEFT_FFT_WORK];
};

size_t weft_logmel_scratch_bytes(const struct weft_logmel *mel)
{
  (void)mel;
  return sizeof(struct work);
}

/* Power spectrum of one frame. */
static void transform(const struct weft_logmel *mel, const float *samples, struct work *work)
{
  double mean = 0.0, before;
  for (int i = 0; i < WEFT_LOGMEL_FRAME; i++)
    mean += samples[i];
  mean /= WEFT_LOGMEL_FRAME;
  for (int i = 0; i < WEFT_LOGMEL_FRAME; i++)
    work->frame[i] = samples[i] - mean;
  before = work->frame[0];
  for (int i = 0; i < WEFT_LOGMEL_FRAME; i++) {
    double now = work->frame[i];
    work->points[i] = (now - PREEMPHASIS * before) * mel->window[i];
    before = now;
  }
  memset(work->points + WEFT_LOGMEL_FRAME, 0, sizeof work->points - sizeof work->frame);
  weft_fft_power(&mel->fft, work->points, work->power, work->fft);
}

/* What the power of n samples is multiplied with to reach the level; silence stays silence. */
static double level_factor(const struct weft_logmel_settings *settings, const float *samples, int64_t n)
{
  double sum = 0.0;
  if (!settings->has_level)
    return 1.0;
  for (int64_t i = 0; i < n; i++)
    sum += (double)samples[i] * samples[i];
  return sum > 0.0 ? pow(10.0, settings->level_db / 10.0) * (double)n / sum : 1.0;
}

static void frame_of(const struct weft_logmel *mel, const struct work *work, double factor, float *out)
{
  for (int32_t b = 0; b < mel->settings.n_bins; b++) {
    const struct triangle *triangle = &mel->triangles[b];
    double sum = 0.0;
    for (int32_t k = 0; k < triangle->n; k++)
      sum += mel->weights[triangle->weights + k] * work->power[triangle->first + k];
    sum *= factor;
    out[b] = (float)log(sum > FLOOR ? sum : FLOOR);
  }
}

static weft_status check_samples(const float *samples, int64_t n, char *message)
{
  if (n < WEFT_LOGMEL_FRAME)
    return weft_message(message, WEFT_BAD_INPUT,
                        "a recording of %lld samples is shorter than one frame (WEFT_LOGMEL_FRAME, %d samples)",
                        (long long)n, WEFT_LOGMEL_FRAME);
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(samples[i]))
      return weft_message(message, WEFT_BAD_INPUT, "sample %lld is not a finite number", (long long)i);
  return WEFT_OK;
}

weft_status weft_logmel_run(const struct weft_logmel *mel, const float *samples, int64_t n, float *out, void *scratch,
                            char *message)
{
  const struct weft_logmel_settings *s = &mel->settings;
  weft_status status = check_samples(samples, n, message);
  if (status != WEFT_OK)
    return status;
  struct work *work = scratch;
  double factor = level_factor(s, samples, n);
  int64_t n_frames = 1 + (n - WEFT_LOGMEL_FRAME) / WEFT_LOGMEL_HOP, n_bins = s->n_bins;
  if (n_frames > s->n_frames)
    n_frames = s->n_frames;
  for (int64_t t = 0; t < n_frames; t++) {
    transform(mel, samples + t * WEFT_LOGMEL_HOP, work);
    frame_of(mel, work, factor, out + t * n_bins);
  }
  memset(out + n_frames * n_bins, 0, (size_t)((s->n_frames - n_frames) * n_bins) * sizeof *out);
  float mean = (float)s->mean, width = (float)(s->std * 2);
  for (int64_t i = 0; s->normalize && i < s->n_frames * n_bins; i++)
    out[i] = (out[i] - mean) / width;
  return WEFT_OK;
}
