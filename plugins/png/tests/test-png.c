/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <png.h>
#include <string.h>

/* A WeftDriver that has run on the given files, NULL ones absent. */
static WeftDriver *run(GBytes *const *files, uint32_t n, const char *parameter, const char *value)
{
  WeftDriver *d = weft_driver_new("png", "png");
  if (parameter)
    weft_driver_set(d, parameter, value);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, n, files)};
  g_assert_cmpint(weft_driver_run(d, n, inputs), ==, WEFT_OK);
  return d;
}

static const uint8_t *picture_of(const WeftDriver *d, uint32_t item, int32_t *height, int32_t *width)
{
  const struct weft_tensor *pixels = weft_driver_output(d, "pixels");
  const int32_t *size = weft_driver_output(d, "pixels.size")->data;
  struct weft_rows rows = weft_rows_of(pixels, item);
  *height = size[2 * item];
  *width = size[2 * item + 1];
  g_assert_cmpint(rows.end - rows.begin, ==, (int64_t)*height * *width);
  return (const uint8_t *)pixels->data + 3 * rows.begin;
}

static uint64_t fnv(const uint8_t *bytes, gsize n)
{
  uint64_t hash = 0xCBF29CE484222325u;
  for (gsize i = 0; i < n; i++)
    hash = (hash ^ bytes[i]) * 0x100000001B3u;
  return hash;
}

/* What png_image_write wants; rows of any colour type and depth go through png_write_image. */
struct kind {
  int depth, colour, interlace;
};

static void append(png_structp png, png_bytep bytes, png_size_t n)
{
  g_byte_array_append(png_get_io_ptr(png), bytes, (guint)n);
}

static void flush(png_structp png)
{
}

/* A picture of 5 x 3 whose row bytes are all `fill`, but the first. */
static GBytes *make_png(const struct kind *kind, uint8_t fill)
{
  enum { HEIGHT = 3, WIDTH = 5 };
  GByteArray *out = g_byte_array_new();
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_color palette[4] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {7, 8, 9}};
  uint8_t rows[HEIGHT][WIDTH * 8], *pointers[HEIGHT];
  memset(rows, fill, sizeof rows);
  rows[0][0] = 0;
  for (int y = 0; y < HEIGHT; y++)
    pointers[y] = rows[y];
  png_set_write_fn(png, out, append, flush);
  png_set_IHDR(png, info, WIDTH, HEIGHT, kind->depth, kind->colour, kind->interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (kind->colour == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE(png, info, palette, 4);
  png_write_info(png, info);
  png_write_image(png, pointers);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return g_byte_array_free_to_bytes(out);
}

static GBytes *cut(GBytes *file, gsize n)
{
  return g_bytes_new(g_bytes_get_data(file, NULL), n);
}

static const struct kind KINDS[] = {
    {1, PNG_COLOR_TYPE_GRAY, 0},    {2, PNG_COLOR_TYPE_GRAY, 1},        {4, PNG_COLOR_TYPE_GRAY, 0},
    {8, PNG_COLOR_TYPE_GRAY, 1},    {16, PNG_COLOR_TYPE_GRAY, 0},       {8, PNG_COLOR_TYPE_RGB, 0},
    {16, PNG_COLOR_TYPE_RGB, 1},    {2, PNG_COLOR_TYPE_PALETTE, 0},     {8, PNG_COLOR_TYPE_GRAY_ALPHA, 0},
    {8, PNG_COLOR_TYPE_RGB_ALPHA, 1}, {16, PNG_COLOR_TYPE_RGB_ALPHA, 0},
};

static void test_png_kinds(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(KINDS); i++) {
    g_autoptr(GBytes) file = make_png(&KINDS[i], 0xFF);
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL, NULL);
    int32_t height, width;
    const uint8_t *pixels = picture_of(d, 0, &height, &width);
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
    g_assert_cmpint(height, ==, 3);
    g_assert_cmpint(width, ==, 5);
    const uint8_t *last = pixels + 3 * (3 * 5 - 1);
    gboolean palette = KINDS[i].colour == PNG_COLOR_TYPE_PALETTE;
    g_assert_cmpint(last[0], ==, palette ? 7 : 255);
    g_assert_cmpint(last[2], ==, palette ? 9 : 255);
    g_assert_cmpint(pixels[0], ==, KINDS[i].depth == 16 ? 1 : 0); /* 16 bits: 0x00FF, rounded */
  }
}

static void test_png_every_cut(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(KINDS); i++) {
    g_autoptr(GBytes) file = make_png(&KINDS[i], 0x5A);
    WeftDriver *d = weft_driver_new("png", "png");
    g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
    for (gsize n = 0; n < g_bytes_get_size(file); n++) {
      g_autoptr(GBytes) part = cut(file, n);
      const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 1, &part)};
      g_assert_cmpint(weft_driver_run(d, 1, inputs), ==, WEFT_OK);
      g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
      g_autofree char *ends = g_strdup_printf("the file ends after %u bytes", (guint)n);
      g_assert_nonnull(strstr(weft_driver_item_message(d, 0), n == 0 ? "found an empty file" : ends));
    }
    weft_driver_free(d);
  }
}

static void test_png_alpha(void)
{
  static const struct kind kind = {8, PNG_COLOR_TYPE_GRAY_ALPHA, 0};
  g_autoptr(GBytes) file = make_png(&kind, 100); /* grey 100, alpha 100 */
  const struct {
    const char *background;
    int grey, first;
  } cases[] = {{"black", (100 * 100 + 127) / 255, 0}, {"white", (100 * 100 + 155 * 255 + 127) / 255, 155}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, "background", cases[i].background);
    int32_t height, width;
    const uint8_t *pixels = picture_of(d, 0, &height, &width);
    g_assert_cmpint(pixels[3], ==, cases[i].grey);
    g_assert_cmpint(pixels[0], ==, cases[i].first);
  }
}

/* One bad picture does not fail its neighbours, and failed ones have no rows. */
static void test_png_batch(void)
{
  g_autoptr(GBytes) good = make_png(&KINDS[5], 9);
  g_autoptr(GBytes) jpeg = g_bytes_new_static("\xFF\xD8\xFF\xE0\0\20JFIF", 10);
  g_autoptr(GBytes) alpha = make_png(&KINDS[9], 9);
  g_autoptr(GBytes) half = cut(good, g_bytes_get_size(good) - 14);
  GBytes *files[] = {good, jpeg, alpha, half, good};
  g_autoptr(WeftDriver) d = run(files, 5, NULL, NULL);
  static const weft_status want[] = {WEFT_OK, WEFT_BAD_INPUT, WEFT_OK, WEFT_BAD_INPUT, WEFT_OK};
  for (uint32_t i = 0; i < 5; i++) {
    int32_t height, width;
    const uint8_t *pixels = picture_of(d, i, &height, &width);
    g_assert_cmpint(weft_driver_item_status(d, i), ==, want[i]);
    g_assert_cmpint(height, ==, want[i] == WEFT_OK ? 3 : 0);
    if (i == 4)
      g_assert_cmpint(pixels[3], ==, 9);
  }
  g_assert_cmpstr(weft_driver_item_message(d, 1), ==, "expected a PNG picture, found a JPEG picture");
}

static void test_png_messages(void)
{
  static const struct {
    const char *bytes;
    gsize n;
    const char *message;
  } cases[] = {
      {"", 0, "expected a PNG picture, found an empty file"},
      {"hello", 5, "expected a PNG picture, found text"},
      {"RIFF\0\0\0\0WAVEfmt ", 16, "expected a PNG picture, found a WAV recording"},
      {"\x89PNG\n\x1a\n\0\0\0", 10, "the PNG signature is damaged; was the file transferred as text?"},
      {"\x89PNG\r", 5, "the file ends after 5 bytes, within the PNG signature"},
      {"\1\2\3\4", 4, "expected a PNG picture, found bytes of an unknown kind"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GBytes) file = g_bytes_new(cases[i].bytes, cases[i].n);
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL, NULL);
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
    g_assert_cmpstr(weft_driver_item_message(d, 0), ==, cases[i].message);
  }
}

static void test_png_limits(void)
{
  static const struct {
    const char *parameter, *value;
    weft_status status;
    const char *message;
  } cases[] = {
      {"max_side", "5", WEFT_OK, ""},
      {"max_side", "4", WEFT_BAD_INPUT, "5 x 3 pixels: a side is beyond max_side (4)"},
      {"max_pixels", "15", WEFT_OK, ""},
      {"max_pixels", "14", WEFT_BAD_INPUT, "5 x 3 pixels are beyond max_pixels (14)"},
  };
  g_autoptr(GBytes) file = make_png(&KINDS[0], 1);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, cases[i].parameter, cases[i].value);
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, cases[i].status);
    g_assert_cmpstr(weft_driver_item_message(d, 0), ==, cases[i].message);
  }
}

static void test_png_no_room(void)
{
  g_autoptr(GBytes) file = make_png(&KINDS[5], 1);
  g_autoptr(WeftDriver) d = weft_driver_new("png", "png");
  weft_driver_dynamic_max(d, 3 * 15 * 2);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  GBytes *files[] = {file, file, file};
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 3, files)};
  g_assert_cmpint(weft_driver_run(d, 3, inputs), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 2), ==, WEFT_NO_MEMORY);
}

static void test_png_cancelled(void)
{
  g_autoptr(GBytes) file = make_png(&KINDS[5], 1);
  g_autoptr(WeftDriver) d = weft_driver_new("png", "png");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 1, &file)};
  weft_driver_cancel_next(d);
  g_assert_cmpint(weft_driver_run(d, 1, inputs), ==, WEFT_CANCELLED);
}

static void test_png_unwanted(void)
{
  g_autoptr(GBytes) file = make_png(&KINDS[5], 1);
  g_autoptr(WeftDriver) d = weft_driver_new("png", "png");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  weft_driver_unwanted(d, "pixels");
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 1, &file)};
  g_assert_cmpint(weft_driver_run(d, 1, inputs), ==, WEFT_OK);
  const int32_t *size = weft_driver_output(d, "pixels.size")->data;
  g_assert_cmpint(size[0], ==, 3);
  g_assert_cmpint(size[1], ==, 5);
}

/* Folder of PngSuite in the shared data, or NULL with the test skipped. */
static char *suite_folder(void)
{
  const char *data = g_getenv("WEFT_DATA") ? g_getenv("WEFT_DATA") : g_getenv("WEFT_DATA_DEFAULT");
  g_autofree char *folder = g_build_filename(data ? data : "", "pngsuite", "pngsuite", NULL);
  if (g_file_test(folder, G_FILE_TEST_IS_DIR))
    return g_steal_pointer(&folder);
  g_test_skip("PngSuite is not there (WEFT_DATA)");
  return NULL;
}

static GBytes *read_file(const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GError) error = NULL;
  char *data;
  gsize n;
  if (!g_file_get_contents(path, &data, &n, &error))
    g_error("%s", error->message);
  return g_bytes_new_take(data, n);
}

static void test_png_suite_good(void)
{
  g_autofree char *folder = suite_folder();
  if (!folder)
    return;
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "plugins", "png", "tests", "pngsuite.txt", NULL);
  g_autofree char *list = NULL;
  g_assert_true(g_file_get_contents(path, &list, NULL, NULL));
  g_auto(GStrv) lines = g_strsplit(g_strstrip(list), "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 160);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit(*line, " ", -1);
    g_autoptr(GBytes) file = read_file(folder, words[0]);
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL, NULL);
    int32_t height, width;
    if (weft_driver_item_status(d, 0) != WEFT_OK)
      g_error("%s: %s", words[0], weft_driver_item_message(d, 0));
    const uint8_t *pixels = picture_of(d, 0, &height, &width);
    g_autofree char *found = g_strdup_printf("%s %d %d %016" G_GINT64_MODIFIER "x", words[0], height, width,
                                             fnv(pixels, 3 * (gsize)height * (gsize)width));
    g_assert_cmpstr(found, ==, *line);
  }
}

static void test_png_suite_bad(gconstpointer sub)
{
  g_autofree char *suite = suite_folder();
  if (!suite)
    return;
  g_autofree char *folder = g_build_filename(suite, sub, NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  g_assert_nonnull(dir);
  guint n = 0;
  for (const char *name; (name = g_dir_read_name(dir));) {
    g_autoptr(GBytes) file = read_file(folder, name);
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL, NULL);
    g_test_message("%s: %s", name, weft_driver_item_message(d, 0));
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
    g_assert_cmpstr(weft_driver_item_message(d, 0), !=, "");
    n++;
  }
  g_assert_cmpuint(n, >=, 7);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/png/kinds", test_png_kinds);
  g_test_add_func("/png/every-cut", test_png_every_cut);
  g_test_add_func("/png/alpha", test_png_alpha);
  g_test_add_func("/png/batch", test_png_batch);
  g_test_add_func("/png/messages", test_png_messages);
  g_test_add_func("/png/limits", test_png_limits);
  g_test_add_func("/png/no-room", test_png_no_room);
  g_test_add_func("/png/cancelled", test_png_cancelled);
  g_test_add_func("/png/unwanted", test_png_unwanted);
  g_test_add_func("/png/suite/good", test_png_suite_good);
  g_test_add_data_func("/png/suite/corrupt", "corrupt", test_png_suite_bad);
  g_test_add_data_func("/png/suite/iphone", "iphone", test_png_suite_bad);
  return g_test_run();
}
