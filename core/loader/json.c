/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "catalogue.h"
#include "manifest.h"

#include <string.h>

gboolean weft_mjson_fail(WeftJson *json, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(json->error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: %s: %s", json->source,
              json->path->len ? json->path->str : "/", text);
  return FALSE;
}

gsize weft_mjson_enter(WeftJson *json, const char *key)
{
  gsize mark = json->path->len;
  g_string_append_c(json->path, '/');
  for (; *key; key++) {
    if (*key == '~' || *key == '/')
      g_string_append(json->path, *key == '~' ? "~0" : "~1");
    else
      g_string_append_c(json->path, *key);
  }
  return mark;
}

gsize weft_mjson_enter_index(WeftJson *json, gsize index)
{
  gsize mark = json->path->len;
  g_string_append_printf(json->path, "/%" G_GSIZE_FORMAT, index);
  return mark;
}

void weft_mjson_leave(WeftJson *json, gsize mark)
{
  g_string_truncate(json->path, mark);
}

char *weft_mjson_describe(const json_t *value)
{
  switch (json_typeof(value)) {
  case JSON_OBJECT: return g_strdup("an object");
  case JSON_ARRAY: return g_strdup("an array");
  case JSON_STRING: return g_strdup_printf("\"%.40s\"", json_string_value(value));
  case JSON_INTEGER: return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
  case JSON_REAL: return g_strdup_printf("%g", json_real_value(value));
  case JSON_TRUE: return g_strdup("true");
  case JSON_FALSE: return g_strdup("false");
  default: return g_strdup("null");
  }
}

static gboolean expected(WeftJson *json, const json_t *value, const char *what)
{
  g_autofree char *found = weft_mjson_describe(value);
  return weft_mjson_fail(json, "expected %s, found %s", what, found);
}

gboolean weft_mjson_object(WeftJson *json, const json_t *value, const char *const *known, gsize n_known)
{
  const char *key;
  json_t *member;
  if (!json_is_object(value))
    return expected(json, value, "an object");
  json_object_foreach((json_t *)value, key, member) {
    gboolean found = FALSE;
    for (gsize i = 0; i < n_known && !found; i++)
      found = strcmp(known[i], key) == 0;
    if (found)
      continue;
    const char *close = weft_closest(key, known, n_known);
    g_autofree char *list = NULL;
    if (close)
      return weft_mjson_fail(json, "unknown key \"%s\"; did you mean \"%s\"?", key, close);
    GString *all = g_string_new(NULL);
    for (gsize i = 0; i < n_known; i++)
      g_string_append_printf(all, "%s%s", i ? ", " : "", known[i]);
    list = g_string_free(all, FALSE);
    return weft_mjson_fail(json, "unknown key \"%.80s\"; known here: %s", key, list);
  }
  return TRUE;
}

gboolean weft_mjson_required(WeftJson *json, const json_t *object, const char *key)
{
  if (json_object_get(object, key))
    return TRUE;
  return weft_mjson_fail(json, "the key \"%s\" is missing", key);
}

static gboolean check_string(WeftJson *json, const json_t *value, gsize max, char **out)
{
  if (!json_is_string(value))
    return expected(json, value, "a string");
  if (json_string_length(value) == 0)
    return weft_mjson_fail(json, "expected a string with something in it, found \"\"");
  if (json_string_length(value) > max)
    return weft_mjson_fail(json, "expected at most %" G_GSIZE_FORMAT " bytes, found %" G_GSIZE_FORMAT, max,
                          json_string_length(value));
  g_free(*out);
  *out = g_strdup(json_string_value(value));
  return TRUE;
}

gboolean weft_mjson_string(WeftJson *json, const json_t *object, const char *key, gsize max, char **out)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  gboolean ok = check_string(json, value, max, out);
  weft_mjson_leave(json, mark);
  return ok;
}

static gboolean check_word(WeftJson *json, const json_t *value, const char *const *words, gsize n_words, guint *out)
{
  const char *text = json_is_string(value) ? json_string_value(value) : NULL;
  for (gsize i = 0; text && i < n_words; i++) {
    if (strcmp(words[i], text) != 0)
      continue;
    *out = (guint)i;
    return TRUE;
  }
  g_autofree char *found = weft_mjson_describe(value);
  g_autoptr(GString) all = g_string_new(NULL);
  for (gsize i = 0; i < n_words; i++)
    g_string_append_printf(all, "%s%s", i == 0 ? "" : i + 1 == n_words ? " or " : ", ", words[i]);
  return weft_mjson_fail(json, "expected %s, found %s", all->str, found);
}

gboolean weft_mjson_word(WeftJson *json, const json_t *object, const char *key, const char *const *words, gsize n_words,
                        guint *out)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  gboolean ok = check_word(json, value, words, n_words, out);
  weft_mjson_leave(json, mark);
  return ok;
}

gboolean weft_mjson_bool(WeftJson *json, const json_t *object, const char *key, gboolean *out)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  gboolean ok = json_is_boolean(value) || expected(json, value, "true or false");
  weft_mjson_leave(json, mark);
  if (ok)
    *out = json_is_true(value);
  return ok;
}

gboolean weft_mjson_int(WeftJson *json, const json_t *object, const char *key, gint64 min, gint64 max, gint64 *out)
{
  const json_t *value = json_object_get(object, key);
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  gboolean ok = json_is_integer(value) && json_integer_value(value) >= min && json_integer_value(value) <= max;
  if (!ok) {
    g_autofree char *what = g_strdup_printf("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    expected(json, value, what);
  }
  weft_mjson_leave(json, mark);
  if (ok)
    *out = json_integer_value(value);
  return ok;
}

gboolean weft_mjson_array(WeftJson *json, const json_t *object, const char *key, gsize max, json_t **out)
{
  json_t *value = json_object_get(object, key);
  *out = NULL;
  if (!value)
    return TRUE;
  gsize mark = weft_mjson_enter(json, key);
  gboolean ok = json_is_array(value) || expected(json, value, "an array");
  if (ok && json_array_size(value) > max)
    ok = weft_mjson_fail(json, "expected at most %" G_GSIZE_FORMAT " entries, found %" G_GSIZE_FORMAT, max,
                        json_array_size(value));
  weft_mjson_leave(json, mark);
  if (ok)
    *out = value;
  return ok;
}

gboolean weft_mjson_strings(WeftJson *json, const json_t *object, const char *key, gsize max, gsize max_bytes,
                           char ***out)
{
  json_t *array;
  if (!weft_mjson_array(json, object, key, max, &array))
    return FALSE;
  if (!array)
    return TRUE;
  g_strfreev(*out);
  *out = g_new0(char *, json_array_size(array) + 1);
  gsize mark = weft_mjson_enter(json, key);
  for (gsize i = 0; i < json_array_size(array); i++) {
    gsize inner = weft_mjson_enter_index(json, i);
    if (!check_string(json, json_array_get(array, i), max_bytes, &(*out)[i]))
      return FALSE;
    weft_mjson_leave(json, inner);
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}
