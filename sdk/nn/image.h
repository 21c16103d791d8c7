/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file image.h
 * From a picture of any size to the input of a vision model: what
 * transformers' ViTImageProcessor computes with Pillow, the same bytes.
 *
 *     struct weft_json *json = ... preprocessor_config.json ...;
 *     struct weft_image_settings settings;
 *     weft_image_settings_read(json, n_channels, &settings);  (errors: weft_json_status)
 *     (activate) weft_image_scratch_bytes(&settings, n_pixels_max)
 *     (process)  struct weft_picture picture = {pixels, height, width};
 *                weft_image_run(&settings, &picture, out, scratch, message);
 *
 * Steps: grey as Pillow's "L" where the model has one channel; resize in two
 * passes of 8-bit fixed point with antialiasing; rescale; normalise; planes
 * [channels, height, width]. [any thread]
 */
#ifndef WEFT_NN_IMAGE_H
#define WEFT_NN_IMAGE_H

#include "json.h"

/** Largest height and width, of input and output. */
#define WEFT_IMAGE_MAX_SIDE 16384

/** Filters, by Pillow's numbers. */
#define WEFT_RESAMPLE_NEAREST 0
#define WEFT_RESAMPLE_LANCZOS 1
#define WEFT_RESAMPLE_BILINEAR 2
#define WEFT_RESAMPLE_BICUBIC 3
#define WEFT_RESAMPLE_BOX 4
#define WEFT_RESAMPLE_HAMMING 5

struct weft_image_settings {
  int32_t n_channels;     /**< 1 or 3 */
  int32_t height, width;  /**< of the output */
  int32_t resize;         /**< do_resize; 0: the input must have that size */
  int32_t resample;       /**< WEFT_RESAMPLE_* */
  float table[3][256];    /**< value of a byte after rescaling and normalising, by channel */
};

/**
 * Reads preprocessor_config.json (size, do_resize, resample, do_rescale,
 * rescale_factor, do_normalize, image_mean, image_std); errors are remembered
 * in json. n_channels: of the model, 1 or 3.
 */
void weft_image_settings_read(struct weft_json *json, int32_t n_channels, struct weft_image_settings *out);

/** Scratch of one run for pictures of up to n_pixels, bytes. */
size_t weft_image_scratch_bytes(const struct weft_image_settings *settings, int64_t n_pixels);

/** A picture as image readers give it: pixels [height * width, 3] u8 RGB, row-major, borrowed. */
struct weft_picture {
  const uint8_t *pixels;
  int32_t height, width;
};

/**
 * picture: borrowed until return.
 * out: [n_channels, settings.height, settings.width] f32, caller's.
 * scratch: 8-byte aligned. Errors: WEFT_BAD_INPUT (a side of 0 or beyond
 * WEFT_IMAGE_MAX_SIDE; another size where nothing is resized).
 */
weft_status weft_image_run(const struct weft_image_settings *settings, const struct weft_picture *picture, float *out,
                           void *scratch, char *message);

/** The first steps alone. out: [settings.height, settings.width, n_channels] u8, interleaved. */
weft_status weft_image_resize(const struct weft_image_settings *settings, const struct weft_picture *picture,
                              uint8_t *out, void *scratch, char *message);

#endif
