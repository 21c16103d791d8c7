/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <string.h>

static WeftDriver *run(GBytes *const *files, uint32_t n, const char *max_bytes)
{
  WeftDriver *d = weft_driver_new("text", "text");
  if (max_bytes)
    weft_driver_set(d, "max_bytes", max_bytes);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, n, files)};
  g_assert_cmpint(weft_driver_run(d, n, inputs), ==, WEFT_OK);
  return d;
}

static char *text_of(const WeftDriver *d, uint32_t item)
{
  const struct weft_tensor *text = weft_driver_output(d, "text");
  struct weft_rows rows = weft_rows_of(text, item);
  return g_strndup((const char *)text->data + rows.begin, (gsize)(rows.end - rows.begin));
}

static void test_text_good(void)
{
  static const char *const texts[] = {"", "one", "\xEF\xBB\xBFtwo", "\xEF\xBB\xBF", "a\r\n\xE4\xB8\xAD\xF0\x9F\x98\x80"};
  static const char *const want[] = {"", "one", "two", "", "a\r\n\xE4\xB8\xAD\xF0\x9F\x98\x80"};
  GBytes *files[G_N_ELEMENTS(texts)];
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    files[i] = g_bytes_new_static(texts[i], strlen(texts[i]));
  g_autoptr(WeftDriver) d = run(files, G_N_ELEMENTS(texts), NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autofree char *text = text_of(d, i);
    g_assert_cmpint(weft_driver_item_status(d, i), ==, WEFT_OK);
    g_assert_cmpstr(text, ==, want[i]);
    g_bytes_unref(files[i]);
  }
}

static void test_text_bad(void)
{
  static const struct {
    const char *bytes;
    gsize n;
    const char *message;
  } cases[] = {
      {"abc\xFFx", 5, "expected UTF-8 text, found the byte 0xFF at offset 3; the file looks like bytes of an unknown kind"},
      {"caf\xE9", 4, "expected UTF-8 text, found the byte 0xE9 at offset 3; the file looks like text in another encoding"},
      {"\xEF\xBB\xBF\xC0", 4, "expected UTF-8 text, found the byte 0xC0 at offset 3; the file looks like bytes of an unknown kind"},
      {"a\0b", 3, "expected UTF-8 text, found a NUL byte at offset 1; the file looks like bytes of an unknown kind"},
      {"\0\xFF", 2, "expected UTF-8 text, found a NUL byte at offset 0; the file looks like bytes of an unknown kind"},
      {"\xFF\xFEh\0", 4, "expected UTF-8 text, found the byte 0xFF at offset 0; the file looks like UTF-16 text"},
      {"\x89PNG\r\n\x1a\n", 8, "expected UTF-8 text, found the byte 0x89 at offset 0; the file looks like a PNG picture"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GBytes) file = g_bytes_new(cases[i].bytes, cases[i].n);
    g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL);
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
    g_assert_cmpstr(weft_driver_item_message(d, 0), ==, cases[i].message);
    g_assert_cmpint(weft_driver_output(d, "text")->dims[0], ==, 0);
  }
}

static void test_text_batch(void)
{
  GBytes *files[] = {g_bytes_new_static("one", 3), g_bytes_new_static("\xFF", 1), g_bytes_new_static("two", 3)};
  g_autoptr(WeftDriver) d = run(files, 3, NULL);
  g_autofree char *last = text_of(d, 2), *bad = text_of(d, 1);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(last, ==, "two");
  g_assert_cmpstr(bad, ==, "");
  for (gsize i = 0; i < 3; i++)
    g_bytes_unref(files[i]);
}

static void test_text_max_bytes(void)
{
  g_autoptr(GBytes) file = g_bytes_new_static("12345", 5);
  g_autoptr(WeftDriver) fits = run((GBytes *[]){file}, 1, "5");
  g_assert_cmpint(weft_driver_item_status(fits, 0), ==, WEFT_OK);
  g_autoptr(WeftDriver) beyond = run((GBytes *[]){file}, 1, "4");
  g_assert_cmpint(weft_driver_item_status(beyond, 0), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(weft_driver_item_message(beyond, 0), ==, "5 bytes of text are beyond max_bytes (4)");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/text/good", test_text_good);
  g_test_add_func("/text/bad", test_text_bad);
  g_test_add_func("/text/batch", test_text_batch);
  g_test_add_func("/text/max-bytes", test_text_max_bytes);
  return g_test_run();
}
