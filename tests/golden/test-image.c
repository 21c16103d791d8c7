/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"
#include "image.h"

#include <math.h>
#include <stdio.h>

/* The bytes of make_media.py's picture(). */
static uint8_t *picture(int32_t height, int32_t width)
{
  uint8_t *pixels = g_malloc((gsize)height * (gsize)width * 3), *at = pixels;
  uint32_t state = (uint32_t)(height * 65537 + width * 257 + 1);
  for (int32_t y = 0; y < height; y++) {
    for (int32_t i = 0; i < width * 3; i++) {
      int32_t x = i / 3, c = i % 3;
      state = state * 1664525u + 1013904223u;
      uint32_t edge = (x / 5 + y / 7 + c) % 3 == 0 ? 255 : 0;
      uint32_t wave = (uint32_t)(x * (c + 3) + y * 5) & 255;
      *at++ = (uint8_t)((edge * 2 + wave + (state >> 24)) / 4);
    }
  }
  return pixels;
}

static void *scratch_of(const struct weft_image_settings *settings, int32_t height, int32_t width)
{
  return g_malloc(weft_image_scratch_bytes(settings, (int64_t)height * width));
}

static void test_image_resize(void)
{
  struct weft_resource bytes;
  struct weft_safetensors *golden = golden_safetensors("media/image.safetensors", &bytes);
  guint n_cases = 0;
  for (uint32_t i = 0; i < weft_safetensors_count(golden); i++) {
    const struct weft_safetensors_tensor *expected = weft_safetensors_at(golden, i);
    struct weft_image_settings s = {.resize = 1};
    int32_t height, width;
    if (sscanf(expected->name, "resize.%dx%d.%dx%d.%d.%d", &height, &width, &s.height, &s.width, &s.resample,
               &s.n_channels) != 6)
      continue;
    char message[WEFT_MESSAGE_BYTES];
    g_autofree uint8_t *pixels = picture(height, width);
    g_autofree void *scratch = scratch_of(&s, height, width);
    g_autofree uint8_t *out = g_malloc(expected->n_bytes);
    g_assert_cmpint(weft_image_resize(&s, &(struct weft_picture){pixels, height, width}, out, scratch, message), ==, WEFT_OK);
    const uint8_t *want = expected->data;
    for (uint64_t k = 0; k < expected->n_bytes; k++)
      if (out[k] != want[k])
        g_error("%s: byte %u is %u, expected %u", expected->name, (guint)k, out[k], want[k]);
    n_cases++;
  }
  g_test_message("%u cases, the same bytes", n_cases);
  g_assert_cmpuint(n_cases, >=, 50);
  weft_safetensors_close(golden);
  g_free((void *)bytes.data);
}

static void test_image_processor(void)
{
  struct weft_resource bytes;
  struct weft_safetensors *golden = golden_safetensors("media/image.safetensors", &bytes);
  guint n_cases = 0;
  for (uint32_t i = 0; i < weft_safetensors_count(golden); i++) {
    const struct weft_safetensors_tensor *tensor = weft_safetensors_at(golden, i);
    int32_t number, height, width;
    if (sscanf(tensor->name, "process.%d.%dx%d", &number, &height, &width) != 3)
      continue;
    char message[WEFT_MESSAGE_BYTES];
    struct weft_image_settings s;
    struct weft_weights_f32 expected;
    g_autofree char *name = g_strdup_printf("media/image-%d.json", number);
    struct weft_json *json = golden_json(name);
    weft_image_settings_read(json, (int32_t)tensor->dims[0], &s);
    g_assert_cmpint(weft_json_status(json, message), ==, WEFT_OK);
    weft_json_close(json);
    g_assert_cmpint(s.height, ==, tensor->dims[1]);
    g_assert_cmpint(s.width, ==, tensor->dims[2]);
    g_assert_cmpint(weft_safetensors_f32(tensor, &expected, message), ==, WEFT_OK);
    g_autofree uint8_t *pixels = picture(height, width);
    g_autofree void *scratch = scratch_of(&s, height, width);
    g_autofree float *out = g_new(float, expected.n);
    g_assert_cmpint(weft_image_run(&s, &(struct weft_picture){pixels, height, width}, out, scratch, message), ==, WEFT_OK);
    for (uint64_t k = 0; k < expected.n; k++)
      if (out[k] != expected.data[k])
        g_error("%s: value %u is %.9g, expected %.9g", tensor->name, (guint)k, (double)out[k],
                (double)expected.data[k]);
    weft_weights_f32_clear(&expected);
    n_cases++;
  }
  g_assert_cmpuint(n_cases, ==, 12);
  weft_safetensors_close(golden);
  g_free((void *)bytes.data);
}

static weft_status resize_of(int32_t resize, int32_t height, int32_t width, char *message)
{
  struct weft_image_settings s = {.n_channels = 1, .height = 2, .width = 2, .resize = resize, .resample = 2};
  g_autofree uint8_t *pixels = g_malloc0((gsize)MAX(height, 1) * (gsize)MAX(width, 1) * 3);
  g_autofree void *scratch = scratch_of(&s, height, width);
  uint8_t out[4];
  return weft_image_resize(&s, &(struct weft_picture){pixels, height, width}, out, scratch, message);
}

static void test_image_bad_size(void)
{
  char message[WEFT_MESSAGE_BYTES];
  g_assert_cmpint(resize_of(1, WEFT_IMAGE_MAX_SIDE, 1, message), ==, WEFT_OK);
  g_assert_cmpint(resize_of(1, 1, WEFT_IMAGE_MAX_SIDE, message), ==, WEFT_OK);
  g_assert_cmpint(resize_of(1, WEFT_IMAGE_MAX_SIDE + 1, 1, message), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(message, ==, "a picture of 1 x 16385 is beyond WEFT_IMAGE_MAX_SIDE (16384)");
  g_assert_cmpint(resize_of(1, 0, 1, message), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(resize_of(0, 2, 2, message), ==, WEFT_OK);
  g_assert_cmpint(resize_of(0, 2, 3, message), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(message, ==, "the model wants 2 x 2 pixels and resizes nothing; found 3 x 2");
}

static void test_image_settings(void)
{
  static const struct {
    const char *json, *message;
  } cases[] = {
      {"{}", NULL},
      {"{\"size\": 8}", NULL},
      {"{\"size\": 8.5}", "p.json: 'size': expected an integer, found a number with a fraction"},
      {"{\"size\": {\"height\": 8}, \"image_mean\": 0.5, \"image_std\": 0.5}", NULL},
      {"{\"size\": {\"shortest_edge\": 8}}",
       "p.json: 'size' by shortest or longest edge is not supported; expected height and width"},
      {"{\"image_mean\": [0.5]}", "p.json: 'image_mean' has 1 values for 3 channels"},
      {"{\"image_std\": [0.5, 0, 1]}", "p.json: 'image_std.1': expected a number from 1e-09 to 1e+09, found 0"},
      {"{\"resample\": 6}", "p.json: 'resample': expected an integer from 0 to 5, found 6"},
      {"{\"do_resize\": 1}", "p.json: 'do_resize': expected true or false, found an integer"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES] = "";
    struct weft_resource file = {cases[i].json, strlen(cases[i].json), 0};
    struct weft_image_settings settings;
    struct weft_json *json;
    g_assert_cmpint(weft_json_open(&file, "p.json", &json, message), ==, WEFT_OK);
    weft_image_settings_read(json, 3, &settings);
    weft_json_status(json, message);
    g_assert_cmpstr(message, ==, cases[i].message ? cases[i].message : "");
    weft_json_close(json);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/image/resize", test_image_resize);
  g_test_add_func("/image/processor", test_image_processor);
  g_test_add_func("/image/bad-size", test_image_bad_size);
  g_test_add_func("/image/settings", test_image_settings);
  return g_test_run();
}
