/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "message.h"
#include "sniff.h"

#include <glib.h>
#include <string.h>

static struct weft_json *open_text(const char *text)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource file = {text, strlen(text), 0};
  struct weft_json *json;
  if (weft_json_open(&file, "config.json", &json, message) != WEFT_OK)
    g_error("%s", message);
  return json;
}

static void test_model_json_values(void)
{
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_json *json = open_text("{\"a\": 3, \"b\": {\"c\": 0.5, \"d\": [true, \"x\", null]}, \"n\": null}");
  g_assert_cmpint(weft_json_int(json, "a", 3, 3), ==, 3);
  g_assert_cmpfloat(weft_json_number(json, "a", 0, 10), ==, 3.0);
  g_assert_cmpfloat(weft_json_number(json, "b.c", 0, 1), ==, 0.5);
  g_assert_true(weft_json_bool(json, "b.d.0"));
  g_assert_cmpstr(weft_json_text(json, "b.d.1"), ==, "x");
  g_assert_cmpint(weft_json_count(json, "b.d"), ==, 3);
  g_assert_cmpint(weft_json_count(json, "b"), ==, 2);
  g_assert_cmpint(weft_json_count(json, "a"), ==, -1);
  g_assert_true(weft_json_has(json, "a"));
  g_assert_false(weft_json_has(json, "n"));
  g_assert_false(weft_json_has(json, "b.d.2"));
  g_assert_false(weft_json_has(json, "b.d.3"));
  g_assert_false(weft_json_has(json, "b.d.x"));
  g_assert_cmpint(weft_json_int_or(json, "n", 7, 0, 9), ==, 7);
  g_assert_cmpfloat(weft_json_number_or(json, "z", 0.25, 0, 1), ==, 0.25);
  g_assert_cmpint(weft_json_bool_or(json, "z", 1), ==, 1);
  g_assert_cmpstr(weft_json_text_or(json, "z", "fallback"), ==, "fallback");
  g_assert_cmpint(weft_json_status(json, message), ==, WEFT_OK);
  weft_json_close(json);
}

static void test_model_json_first_error(void)
{
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"{}", "config.json: 'a' is missing; expected an integer"},
      {"{\"a\": \"3\"}", "config.json: 'a': expected an integer, found a string"},
      {"{\"a\": 3.0}", "config.json: 'a': expected an integer, found a number with a fraction"},
      {"{\"a\": 11}", "config.json: 'a': expected an integer from 1 to 10, found 11"},
      {"{\"a\": 0}", "config.json: 'a': expected an integer from 1 to 10, found 0"},
      {"{\"a\": 1}", "config.json: 'b' is missing; expected a string"},
      {"{\"a\": 10, \"b\": \"\", \"c\": [2]}", "config.json: 'c.0': expected a number from 0 to 1, found 2"},
      {"{\"a\": 10, \"b\": \"\", \"c\": [1], \"d\": 1}", "config.json: 'd': expected true or false, found an integer"},
      {"{\"a\": 10, \"b\": \"\", \"c\": [0], \"d\": false}", "config.json: it's 5 o'clock"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES] = "";
    struct weft_json *json = open_text(cases[i].text);
    weft_json_int(json, "a", 1, 10);
    weft_json_text(json, "b");
    weft_json_number(json, "c.0", 0, 1);
    weft_json_bool_or(json, "d", 0);
    weft_json_fail(json, WEFT_UNSUPPORTED, "it's %d o'clock", 5);
    gboolean own = i == G_N_ELEMENTS(cases) - 1;
    g_assert_cmpint(weft_json_status(json, message), ==, own ? WEFT_UNSUPPORTED : WEFT_BAD_CONFIG);
    g_assert_cmpstr(message, ==, cases[i].message);
    weft_json_close(json);
  }
}

static weft_status open_status(const char *text, gsize n, char *message)
{
  struct weft_resource file = {text, n, 0};
  struct weft_json *json;
  weft_status status = weft_json_open(&file, "config.json", &json, message);
  weft_json_close(json);
  return status;
}

static void test_model_json_bad_files(void)
{
  char message[WEFT_MESSAGE_BYTES];
  g_assert_cmpint(open_status("", 0, message), ==, WEFT_BAD_CONFIG);
  g_assert_cmpint(open_status("{\"a\":1,\"a\":2}", 13, message), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(message, "config.json:1:"));
  g_assert_cmpint(open_status("{\n\"a\" 1}", 8, message), ==, WEFT_BAD_CONFIG);
  g_assert_nonnull(strstr(message, "config.json:2:"));
  g_assert_cmpint(open_status("{\"a\":\"\xFF\"}", 9, message), ==, WEFT_BAD_CONFIG);
  for (guint extra = 0; extra < 2; extra++) {
    g_autoptr(GString) text = g_string_new("{\"]\\\"[[[\":");
    guint depth = WEFT_JSON_MAX_DEPTH - 1 + extra;
    for (guint i = 0; i < depth; i++)
      g_string_append_c(text, '[');
    for (guint i = 0; i < depth; i++)
      g_string_append_c(text, ']');
    g_string_append_c(text, '}');
    g_assert_cmpint(open_status(text->str, text->len, message), ==, extra ? WEFT_BAD_CONFIG : WEFT_OK);
    if (extra)
      g_assert_cmpstr(message, ==, "config.json: JSON nested 33 deep, beyond the limit of 32");
  }
}

static void test_model_json_max_bytes(void)
{
  char message[WEFT_MESSAGE_BYTES];
  gsize n = WEFT_JSON_MAX_BYTES;
  g_autofree char *text = g_malloc(n + 1);
  memset(text, ' ', n + 1);
  memcpy(text, "{}", 2);
  g_assert_cmpint(open_status(text, n, message), ==, WEFT_OK);
  g_assert_cmpint(open_status(text, n + 1, message), ==, WEFT_BAD_CONFIG);
}

static void test_model_json_message(void)
{
  char message[WEFT_MESSAGE_BYTES];
  weft_message(message, WEFT_OK, "a%cb%s", '\n', "\x1b[31m\x7f");
  g_assert_cmpstr(message, ==, "a?b?[31m?");
  g_autofree char *prefix = g_strnfill(WEFT_MESSAGE_BYTES - 3, 'x');
  weft_message(message, WEFT_OK, "%s\xE4\xB8\xAD", prefix);
  g_assert_cmpstr(message, ==, prefix);
  weft_message(message, WEFT_OK, "%s\xC3\xA9", prefix);
  g_assert_cmpuint(strlen(message), ==, WEFT_MESSAGE_BYTES - 1);
  g_assert_true(g_utf8_validate(message, -1, NULL));
}

static void test_model_json_sniff(void)
{
  static const struct {
    const char *bytes;
    gsize n;
    const char *phrase;
  } cases[] = {
      {"", 0, "an empty file"},
      {"\x89PNG\r\n\x1a\n", 8, "a PNG picture"},
      {"\xFF\xD8\xFF\xE0", 4, "a JPEG picture"},
      {"RIFF\0\0\0\0WAVE", 12, "a WAV recording"},
      {"RIFF\0\0\0\0WEBP", 12, "a WebP picture"},
      {"\0\0\0\x18" "ftypmp42", 12, "an MP4 file"},
      {"hello\n", 6, "text"},
      {"\xE4\xB8\xAD", 3, "text"},
      {"\0\0\0\0", 4, "bytes that are all zero"},
      {"\1\2\3", 3, "bytes of an unknown kind"},
      {"PK\3\4", 4, "a ZIP archive or office document"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *exact = g_memdup2(cases[i].bytes, cases[i].n);
    g_assert_cmpstr(weft_sniff(exact, cases[i].n), ==, cases[i].phrase);
  }
  char dicom[132] = {0};
  memcpy(dicom + 128, "DICM", 4);
  g_assert_cmpstr(weft_sniff(dicom, sizeof dicom), ==, "a DICOM file");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model-json/values", test_model_json_values);
  g_test_add_func("/model-json/first-error", test_model_json_first_error);
  g_test_add_func("/model-json/bad-files", test_model_json_bad_files);
  g_test_add_func("/model-json/max-bytes", test_model_json_max_bytes);
  g_test_add_func("/model-json/message", test_model_json_message);
  g_test_add_func("/model-json/sniff", test_model_json_sniff);
  return g_test_run();
}
