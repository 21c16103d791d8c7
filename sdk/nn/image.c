/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizing follows Pillow's two passes (src/libImaging/Resample.c): weights in
 * fixed point of 22 bits, rounded to bytes between the passes. Pillow 13 runs
 * the vertical pass first where that loses more than twice as many rows as
 * columns, and so do we (older ones never do; the difference is one level).
 * To need no room for a whole intermediate picture, the usual order resizes
 * every input row horizontally once and adds it to the output rows that it
 * contributes to; sums of integers are the same in any order.
 */
#include "image.h"

#include "message.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PRECISION_BITS (32 - 8 - 2)
#define HALF (1 << (PRECISION_BITS - 1))

static double sinc(double x)
{
  if (x == 0.0)
    return 1.0;
  x *= M_PI;
  return sin(x) / x;
}

static double box(double x)
{
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
  x = fabs(x);
  if (x == 0.0)
    return 1.0;
  if (x >= 1.0)
    return 0.0;
  x *= M_PI;
  return sin(x) / x * (0.54f + 0.46f * cos(x)); /* Pillow has these in float */
}

static double bicubic(double x)
{
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

static double lanczos(double x)
{
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct filter {
  double (*weight)(double x);
  double support;
} FILTERS[] = {
    [WEFT_RESAMPLE_LANCZOS] = {lanczos, 3.0}, [WEFT_RESAMPLE_BILINEAR] = {bilinear, 1.0},
    [WEFT_RESAMPLE_BICUBIC] = {bicubic, 2.0}, [WEFT_RESAMPLE_BOX] = {box, 0.5},
    [WEFT_RESAMPLE_HAMMING] = {hamming, 1.0},
};

/* The input positions that one output position is made of. */
struct window {
  int32_t first, n;
};

/* Where one pass lies in scratch. */
struct pass {
  struct window *windows; /* [n_out] */
  int32_t *weights;       /* [n_out, n_taps] */
  int32_t n_taps;
};

static size_t aligned(size_t n)
{
  return (n + 15) / 16 * 16;
}

static int32_t taps_of(int32_t resample, double n_in, double n_out)
{
  double scale = n_in / n_out < 1.0 ? 1.0 : n_in / n_out;
  return (int32_t)ceil(FILTERS[resample].support * scale) * 2 + 1;
}

/* Weights of one pass; `row` holds a window's weights before they are rounded. */
static void plan_pass(struct pass *pass, const struct filter *filter, int32_t n_in, int32_t n_out, double *row)
{
  double scale = (double)n_in / n_out, stretch = scale < 1.0 ? 1.0 : scale;
  double support = filter->support * stretch, shrink = 1.0 / stretch;
  for (int32_t i = 0; i < n_out; i++) {
    double centre = (i + 0.5) * scale, sum = 0.0;
    int32_t first = (int32_t)(centre - support + 0.5), last = (int32_t)(centre + support + 0.5);
    first = first < 0 ? 0 : first;
    last = last > n_in ? n_in : last;
    int32_t n = last - first;
    for (int32_t k = 0; k < n; k++) {
      row[k] = filter->weight((k + first - centre + 0.5) * shrink);
      sum += row[k];
    }
    int32_t *weights = pass->weights + (size_t)i * (size_t)pass->n_taps;
    for (int32_t k = 0; k < n; k++) {
      double w = sum != 0.0 ? row[k] / sum : row[k];
      weights[k] = (int32_t)(w * (1 << PRECISION_BITS) + (w < 0 ? -0.5 : 0.5));
    }
    pass->windows[i] = (struct window){first, n};
  }
}

static uint8_t to_byte(int32_t sum)
{
  sum >>= PRECISION_BITS;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One row in the model's channels. L is Pillow's: ITU-R 601 in 16 bits, rounded. */
static void load_row(const uint8_t *pixels, int32_t width, int32_t n_channels, uint8_t *row)
{
  if (n_channels == 3) {
    memcpy(row, pixels, (size_t)width * 3);
    return;
  }
  for (int32_t x = 0; x < width; x++, pixels += 3)
    row[x] = (uint8_t)((pixels[0] * 19595u + pixels[1] * 38470u + pixels[2] * 7471u + 0x8000u) >> 16);
}

static void resize_row(const struct pass *pass, const uint8_t *row, int32_t n_out, int32_t n_channels, uint8_t *out)
{
  for (int32_t x = 0; x < n_out; x++) {
    const struct window window = pass->windows[x];
    const int32_t *weights = pass->weights + (size_t)x * (size_t)pass->n_taps;
    const uint8_t *in = row + (size_t)window.first * (size_t)n_channels;
    for (int32_t c = 0; c < n_channels; c++) {
      int32_t sum = HALF;
      for (int32_t k = 0; k < window.n; k++)
        sum += in[k * n_channels + c] * weights[k];
      *out++ = to_byte(sum);
    }
  }
}

/* Everything a picture of given size needs in scratch, laid out one after another. */
struct work {
  struct pass across, down;
  double *row_weights; /* [most taps] */
  uint8_t *source;     /* one input row in the model's channels */
  uint8_t *resized;    /* the same, resized horizontally */
  int32_t *sums;       /* [height, width, channels] of the output, or one input row */
};

static size_t lay_out(const struct weft_image_settings *s, int32_t height, int32_t width, char *base,
                      struct work *work)
{
  size_t out_w = (size_t)s->width, out_h = (size_t)s->height, channels = (size_t)s->n_channels, at = 0;
  size_t taps_x = 1, taps_y = 1;
  if (s->resample != WEFT_RESAMPLE_NEAREST) {
    taps_x = (size_t)taps_of(s->resample, width, s->width);
    taps_y = (size_t)taps_of(s->resample, height, s->height);
  }
  const size_t sizes[] = {out_w * sizeof(struct window), out_h * sizeof(struct window),
                          out_w * taps_x * sizeof(int32_t), out_h * taps_y * sizeof(int32_t),
                          (taps_x > taps_y ? taps_x : taps_y) * sizeof(double), (size_t)width * channels,
                          (out_w > (size_t)width ? out_w : (size_t)width) * channels,
                          (out_h * out_w > (size_t)width ? out_h * out_w : (size_t)width) * channels *
                              sizeof(int32_t)};
  char *parts[8];
  for (int i = 0; i < 8; i++) {
    parts[i] = base ? base + at : NULL;
    at += aligned(sizes[i]);
  }
  if (work)
    *work = (struct work){{(void *)parts[0], (void *)parts[2], (int32_t)taps_x},
                          {(void *)parts[1], (void *)parts[3], (int32_t)taps_y},
                          (void *)parts[4], (void *)parts[5], (void *)parts[6], (void *)parts[7]};
  return at;
}

size_t weft_image_scratch_bytes(const struct weft_image_settings *settings, int64_t n_pixels)
{
  int64_t side = n_pixels < 1 ? 1 : n_pixels > WEFT_IMAGE_MAX_SIDE ? WEFT_IMAGE_MAX_SIDE : n_pixels;
  size_t out = (size_t)settings->height * (size_t)settings->width * (size_t)settings->n_channels;
  return lay_out(settings, (int32_t)side, (int32_t)side, NULL, NULL) + aligned(out) + 16;
}

/* Adds a horizontally resized row to every output row whose window holds it. */
static void add_row(const struct work *work, const struct weft_image_settings *s, int32_t y, int32_t *first_open)
{
  int32_t n = s->width * s->n_channels;
  while (*first_open < s->height &&
         work->down.windows[*first_open].first + work->down.windows[*first_open].n <= y)
    (*first_open)++;
  for (int32_t i = *first_open; i < s->height && work->down.windows[i].first <= y; i++) {
    int32_t k = y - work->down.windows[i].first;
    if (k >= work->down.windows[i].n)
      continue;
    int32_t weight = work->down.weights[(size_t)i * (size_t)work->down.n_taps + (size_t)k];
    int32_t *sums = work->sums + (size_t)i * (size_t)n;
    for (int32_t j = 0; j < n; j++)
      sums[j] += work->resized[j] * weight;
  }
}

static void across_first(const struct weft_image_settings *s, const struct weft_picture *picture,
                         const struct work *work, uint8_t *out)
{
  int32_t height = picture->height, width = picture->width;
  size_t n = (size_t)s->width * (size_t)s->n_channels, n_out = (size_t)s->height * n;
  for (size_t i = 0; i < n_out; i++)
    work->sums[i] = HALF;
  int32_t first_open = 0;
  for (int32_t y = 0; y < height; y++) {
    load_row(picture->pixels + (size_t)y * (size_t)width * 3, width, s->n_channels, work->source);
    if (width != s->width)
      resize_row(&work->across, work->source, s->width, s->n_channels, work->resized);
    else
      memcpy(work->resized, work->source, n);
    if (height == s->height)
      memcpy(out + (size_t)y * n, work->resized, n);
    else
      add_row(work, s, y, &first_open);
  }
  for (size_t i = 0; height != s->height && i < n_out; i++)
    out[i] = to_byte(work->sums[i]);
}

static void down_first(const struct weft_image_settings *s, const struct weft_picture *picture,
                       const struct work *work, uint8_t *out)
{
  int32_t width = picture->width;
  size_t n_in = (size_t)width * (size_t)s->n_channels, n_out = (size_t)s->width * (size_t)s->n_channels;
  for (int32_t y = 0; y < s->height; y++, out += n_out) {
    const struct window window = work->down.windows[y];
    for (size_t i = 0; i < n_in; i++)
      work->sums[i] = HALF;
    for (int32_t k = 0; k < window.n; k++) {
      int32_t weight = work->down.weights[(size_t)y * (size_t)work->down.n_taps + (size_t)k];
      load_row(picture->pixels + (size_t)(window.first + k) * (size_t)width * 3, width, s->n_channels, work->source);
      for (size_t i = 0; i < n_in; i++)
        work->sums[i] += work->source[i] * weight;
    }
    for (size_t i = 0; i < n_in; i++)
      work->resized[i] = to_byte(work->sums[i]);
    if (width != s->width)
      resize_row(&work->across, work->resized, s->width, s->n_channels, out);
    else
      memcpy(out, work->resized, n_out);
  }
}

static void resample(const struct weft_image_settings *s, const struct weft_picture *picture, struct work *work,
                     uint8_t *out)
{
  int32_t height = picture->height, width = picture->width;
  const struct filter *filter = &FILTERS[s->resample];
  if (width != s->width)
    plan_pass(&work->across, filter, width, s->width, work->row_weights);
  if (height != s->height)
    plan_pass(&work->down, filter, height, s->height, work->row_weights);
  if (s->height < height && height - s->height > 2 * (width - s->width))
    down_first(s, picture, work, out);
  else
    across_first(s, picture, work, out);
}

/* Pillow's nearest neighbour: positions are added up, not multiplied, and truncated. */
static void nearest(const struct weft_image_settings *s, const struct weft_picture *picture, const struct work *work,
                    uint8_t *out)
{
  int32_t height = picture->height, width = picture->width;
  double step_x = (double)width / s->width, step_y = (double)height / s->height, at = step_x * 0.5;
  int32_t *columns = (int32_t *)(void *)work->across.windows;
  for (int32_t x = 0; x < s->width; x++, at += step_x)
    columns[x] = (int32_t)at < width ? (int32_t)at : width - 1;
  at = step_y * 0.5;
  for (int32_t y = 0; y < s->height; y++, at += step_y) {
    int32_t from = (int32_t)at < height ? (int32_t)at : height - 1;
    load_row(picture->pixels + (size_t)from * (size_t)width * 3, width, s->n_channels, work->source);
    for (int32_t x = 0; x < s->width; x++)
      for (int32_t c = 0; c < s->n_channels; c++)
        *out++ = work->source[columns[x] * s->n_channels + c];
  }
}

weft_status weft_image_resize(const struct weft_image_settings *s, const struct weft_picture *picture, uint8_t *out,
                              void *scratch, char *message)
{
  int32_t height = picture->height, width = picture->width;
  if (height < 1 || width < 1)
    return weft_message(message, WEFT_BAD_INPUT, "a picture of %d x %d has no pixels", width, height);
  if (height > WEFT_IMAGE_MAX_SIDE || width > WEFT_IMAGE_MAX_SIDE)
    return weft_message(message, WEFT_BAD_INPUT, "a picture of %d x %d is beyond WEFT_IMAGE_MAX_SIDE (%d)", width,
                        height, WEFT_IMAGE_MAX_SIDE);
  if (!s->resize && (height != s->height || width != s->width))
    return weft_message(message, WEFT_BAD_INPUT, "the model wants %d x %d pixels and resizes nothing; found %d x %d",
                        s->width, s->height, width, height);
  struct work work;
  lay_out(s, height, width, scratch, &work);
  if (s->resample == WEFT_RESAMPLE_NEAREST)
    nearest(s, picture, &work, out);
  else
    resample(s, picture, &work, out);
  return WEFT_OK;
}

weft_status weft_image_run(const struct weft_image_settings *s, const struct weft_picture *picture, float *out,
                           void *scratch, char *message)
{
  size_t n_plane = (size_t)s->height * (size_t)s->width, n_channels = (size_t)s->n_channels;
  uint8_t *bytes = scratch;
  weft_status status = weft_image_resize(s, picture, bytes, bytes + aligned(n_plane * n_channels), message);
  for (size_t c = 0; status == WEFT_OK && c < n_channels; c++)
    for (size_t i = 0; i < n_plane; i++)
      out[c * n_plane + i] = s->table[c][bytes[i * n_channels + c]];
  return status;
}

static void read_size(struct weft_json *json, struct weft_image_settings *out)
{
  const char *height = "size.height", *width = "size.width";
  if (weft_json_has(json, "size.shortest_edge") || weft_json_has(json, "size.longest_edge")) {
    weft_json_fail(json, WEFT_UNSUPPORTED, "'size' by shortest or longest edge is not supported; expected height and "
                   "width");
    return;
  }
  if (weft_json_has(json, "size") && weft_json_count(json, "size") < 0)
    height = width = "size"; /* one number: a square, as older files have it */
  out->height = (int32_t)weft_json_int_or(json, height, 224, 1, WEFT_IMAGE_MAX_SIDE);
  out->width = (int32_t)weft_json_int_or(json, width, 224, 1, WEFT_IMAGE_MAX_SIDE);
}

static double read_channel(struct weft_json *json, const char *key, int32_t n_channels, int32_t c, double min)
{
  char path[64];
  snprintf(path, sizeof path, "%s.%d", key, c);
  int64_t n = weft_json_count(json, key);
  if (n < 0 && !weft_json_has(json, key))
    return 0.5;
  if (n >= 0 && n != n_channels) {
    weft_json_fail(json, WEFT_BAD_CONFIG, "'%s' has %lld values for %d channels", key, (long long)n, n_channels);
    return 0.5;
  }
  return weft_json_number(json, n < 0 ? key : path, min, 1e9);
}

void weft_image_settings_read(struct weft_json *json, int32_t n_channels, struct weft_image_settings *out)
{
  memset(out, 0, sizeof *out);
  out->n_channels = n_channels;
  if (n_channels != 1 && n_channels != 3)
    weft_json_fail(json, WEFT_UNSUPPORTED, "pictures of %d channels are not supported; expected 1 or 3", n_channels);
  read_size(json, out);
  out->resize = weft_json_bool_or(json, "do_resize", 1);
  out->resample = (int32_t)weft_json_int_or(json, "resample", WEFT_RESAMPLE_BILINEAR, 0, WEFT_RESAMPLE_HAMMING);
  if (weft_json_bool_or(json, "do_center_crop", 0))
    weft_json_fail(json, WEFT_UNSUPPORTED, "'do_center_crop' is not supported");
  double factor = 1.0;
  if (weft_json_bool_or(json, "do_rescale", 1))
    factor = weft_json_number_or(json, "rescale_factor", 1.0 / 255.0, 0.0, 1e9);
  int normalize = weft_json_bool_or(json, "do_normalize", 1);
  for (int32_t c = 0; c < (n_channels == 3 ? 3 : 1); c++) {
    float mean = 0.0f, std = 1.0f;
    if (normalize) {
      mean = (float)read_channel(json, "image_mean", n_channels, c, -1e9);
      std = (float)read_channel(json, "image_std", n_channels, c, 1e-9);
    }
    /* In the steps of the reference: the product in double, the rest in float. */
    for (int i = 0; i < 256; i++)
      out->table[c][i] = ((float)(i * factor) - mean) / std;
  }
}
