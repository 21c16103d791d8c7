/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "json-parse.h"
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_json {
  json_t *root;
  char *name;
  weft_status status;
  char message[WEFT_MESSAGE_BYTES];
};

/* jansson recurses while it parses, so depth is measured before it runs. */
static uint32_t depth_of(const char *text, uint64_t n)
{
  uint32_t depth = 0, deepest = 0;
  int in_string = 0;
  for (uint64_t i = 0; i < n; i++) {
    char c = text[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = 0;
    } else if (c == '"') {
      in_string = 1;
    } else if (c == '[' || c == '{') {
      if (++depth > deepest)
        deepest = depth;
    } else if ((c == ']' || c == '}') && depth > 0) {
      depth--;
    }
  }
  return deepest;
}

weft_status weft_json_parse(const void *data, uint64_t n_bytes, const char *name, const struct weft_json_limits *limits,
                            json_t **out, char *message)
{
  *out = NULL;
  if (n_bytes == 0 || !data)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: the JSON is empty", name);
  if (n_bytes > limits->n_bytes)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: %llu bytes of JSON are beyond the limit of %llu", name,
                        (unsigned long long)n_bytes, (unsigned long long)limits->n_bytes);
  uint32_t depth = depth_of(data, n_bytes);
  if (depth > limits->depth)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: JSON nested %u deep, beyond the limit of %u", name, depth,
                        limits->depth);
  json_error_t error;
  json_t *root = json_loadb(data, n_bytes, JSON_REJECT_DUPLICATES, &error);
  if (!root) {
    if (json_error_code(&error) == json_error_out_of_memory)
      return weft_message(message, WEFT_NO_MEMORY, "%s: no memory to parse %llu bytes of JSON", name,
                          (unsigned long long)n_bytes);
    return weft_message(message, WEFT_BAD_CONFIG, "%s:%d:%d: not the JSON expected: %s", name, error.line,
                        error.column, error.text);
  }
  if (!json_is_object(root)) {
    weft_message(message, WEFT_BAD_CONFIG, "%s: expected a JSON object, found %s", name, weft_json_kind(root));
    json_decref(root);
    return WEFT_BAD_CONFIG;
  }
  *out = root;
  return WEFT_OK;
}

const char *weft_json_kind(const json_t *value)
{
  if (!value)
    return "nothing";
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "an array";
  case JSON_STRING:
    return "a string";
  case JSON_INTEGER:
    return "an integer";
  case JSON_REAL:
    return "a number with a fraction";
  case JSON_TRUE:
    return "true";
  case JSON_FALSE:
    return "false";
  default:
    return "null";
  }
}

weft_status weft_json_open(const struct weft_resource *resource, const char *name, struct weft_json **out,
                           char *message)
{
  static const struct weft_json_limits limits = {WEFT_JSON_MAX_BYTES, WEFT_JSON_MAX_DEPTH};
  *out = NULL;
  json_t *root;
  weft_status status = weft_json_parse(resource->data, resource->n_bytes, name, &limits, &root, message);
  if (status != WEFT_OK)
    return status;
  struct weft_json *json = calloc(1, sizeof *json);
  if (json)
    json->name = strdup(name);
  if (!json || !json->name) {
    free(json);
    json_decref(root);
    return weft_message(message, WEFT_NO_MEMORY, "%s: no memory", name);
  }
  json->root = root;
  *out = json;
  return WEFT_OK;
}

void weft_json_close(struct weft_json *json)
{
  if (!json)
    return;
  json_decref(json->root);
  free(json->name);
  free(json);
}

weft_status weft_json_status(const struct weft_json *json, char *message)
{
  if (json->status != WEFT_OK)
    memcpy(message, json->message, sizeof json->message);
  return json->status;
}

weft_status weft_json_fail(struct weft_json *json, weft_status status, const char *format, ...)
{
  if (json->status != WEFT_OK)
    return status;
  char text[WEFT_MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  json->status = status;
  weft_message(json->message, status, "%s: %s", json->name, text);
  return status;
}

/* Index of an array written as a path segment; -1: not a number. */
static long index_of(const char *segment, size_t n)
{
  long index = 0;
  if (n == 0 || n > 9)
    return -1;
  for (size_t i = 0; i < n; i++) {
    if (segment[i] < '0' || segment[i] > '9')
      return -1;
    index = index * 10 + (segment[i] - '0');
  }
  return index;
}

static json_t *child_of(json_t *value, const char *segment, size_t n)
{
  char key[128];
  if (json_is_array(value)) {
    long index = index_of(segment, n);
    return index < 0 ? NULL : json_array_get(value, (size_t)index);
  }
  if (!json_is_object(value) || n >= sizeof key)
    return NULL;
  memcpy(key, segment, n);
  key[n] = 0;
  return json_object_get(value, key);
}

/* The value of a path; NULL where it is missing or null. */
static json_t *value_of(const struct weft_json *json, const char *path)
{
  json_t *value = json->root;
  while (value && *path) {
    size_t n = strcspn(path, ".");
    value = child_of(value, path, n);
    path += n;
    if (*path == '.')
      path++;
  }
  return json_is_null(value) ? NULL : value;
}

int weft_json_has(const struct weft_json *json, const char *key)
{
  return value_of(json, key) != NULL;
}

int64_t weft_json_count(const struct weft_json *json, const char *key)
{
  json_t *value = value_of(json, key);
  if (json_is_array(value))
    return (int64_t)json_array_size(value);
  if (json_is_object(value))
    return (int64_t)json_object_size(value);
  return -1;
}

static void expected(struct weft_json *json, const char *key, const char *what, const json_t *found)
{
  if (!found)
    weft_json_fail(json, WEFT_BAD_CONFIG, "'%s' is missing; expected %s", key, what);
  else
    weft_json_fail(json, WEFT_BAD_CONFIG, "'%s': expected %s, found %s", key, what, weft_json_kind(found));
}

static int64_t int_in(struct weft_json *json, const char *key, const json_t *value, int64_t min, int64_t max)
{
  if (!json_is_integer(value)) {
    expected(json, key, "an integer", value);
    return min;
  }
  int64_t found = json_integer_value(value);
  if (found < min || found > max) {
    weft_json_fail(json, WEFT_BAD_CONFIG, "'%s': expected an integer from %lld to %lld, found %lld", key,
                   (long long)min, (long long)max, (long long)found);
    return min;
  }
  return found;
}

static double number_in(struct weft_json *json, const char *key, const json_t *value, double min, double max)
{
  if (!json_is_number(value)) {
    expected(json, key, "a number", value);
    return min;
  }
  double found = json_number_value(value);
  if (!(found >= min && found <= max)) {
    weft_json_fail(json, WEFT_BAD_CONFIG, "'%s': expected a number from %g to %g, found %g", key, min, max, found);
    return min;
  }
  return found;
}

static int bool_in(struct weft_json *json, const char *key, const json_t *value)
{
  if (!json_is_boolean(value))
    expected(json, key, "true or false", value);
  return json_is_true(value);
}

static const char *text_in(struct weft_json *json, const char *key, const json_t *value)
{
  if (json_is_string(value))
    return json_string_value(value);
  expected(json, key, "a string", value);
  return "";
}

int64_t weft_json_int(struct weft_json *json, const char *key, int64_t min, int64_t max)
{
  return int_in(json, key, value_of(json, key), min, max);
}

double weft_json_number(struct weft_json *json, const char *key, double min, double max)
{
  return number_in(json, key, value_of(json, key), min, max);
}

int weft_json_bool(struct weft_json *json, const char *key)
{
  return bool_in(json, key, value_of(json, key));
}

const char *weft_json_text(struct weft_json *json, const char *key)
{
  return text_in(json, key, value_of(json, key));
}

int64_t weft_json_int_or(struct weft_json *json, const char *key, int64_t fallback, int64_t min, int64_t max)
{
  json_t *value = value_of(json, key);
  return value ? int_in(json, key, value, min, max) : fallback;
}

double weft_json_number_or(struct weft_json *json, const char *key, double fallback, double min, double max)
{
  json_t *value = value_of(json, key);
  return value ? number_in(json, key, value, min, max) : fallback;
}

int weft_json_bool_or(struct weft_json *json, const char *key, int fallback)
{
  json_t *value = value_of(json, key);
  return value ? bool_in(json, key, value) : fallback;
}

const char *weft_json_text_or(struct weft_json *json, const char *key, const char *fallback)
{
  json_t *value = value_of(json, key);
  return value ? text_in(json, key, value) : fallback;
}
