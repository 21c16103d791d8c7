/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "given.h"
#include "input.h"
#include "manifest.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BOM "\xef\xbb\xbf"

struct WeftLines {
  char *path;
  FILE *file;
  char *buffer;
  size_t n_buffer;
  guint64 n_lines, n_bytes, n_bytes_read;
  int problem; /* errno of a read that failed */
};

WeftLines *weft_lines_open(const char *path, GError **error)
{
  gboolean standard = strcmp(path, "-") == 0;
  FILE *file = standard ? stdin : fopen(path, "re");
  struct stat info = {0};
  if (!file || fstat(fileno(file), &info) != 0) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "%s: cannot be opened: %s", path, g_strerror(errno));
    return NULL;
  }
  if (S_ISDIR(info.st_mode)) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "%s: is a directory; give a file of JSON lines", path);
    fclose(file);
    return NULL;
  }
  WeftLines *lines = g_new0(WeftLines, 1);
  lines->path = g_strdup(path);
  lines->file = file;
  lines->n_bytes = S_ISREG(info.st_mode) ? (guint64)info.st_size : 0;
  return lines;
}

void weft_lines_free(WeftLines *lines)
{
  if (!lines)
    return;
  if (lines->file != stdin)
    fclose(lines->file);
  free(lines->buffer);
  g_free(lines->path);
  g_free(lines);
}

static void line_fail(WeftLine *line, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void line_fail(WeftLine *line, const char *format, ...)
{
  if (line->error)
    return;
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(&line->error, WEFT_ERROR, WEFT_BAD_INPUT, "line %" G_GUINT64_FORMAT ": %s", line->number, message);
}

static void parse(WeftLine *line, const char *text, gsize n_bytes)
{
  json_error_t problem;
  line->object = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &problem);
  if (!line->object) {
    line_fail(line, "column %d: not JSON: %s", problem.column, problem.text);
  } else if (!json_is_object(line->object)) {
    g_clear_pointer(&line->object, json_decref);
    line_fail(line, "expected an object of inputs");
  }
}

gboolean weft_lines_next(WeftLines *lines, WeftLine *line)
{
  for (;;) {
    ssize_t n = getline(&lines->buffer, &lines->n_buffer, lines->file);
    if (n < 0) {
      lines->problem = ferror(lines->file) ? errno : 0;
      return FALSE;
    }
    line->number = ++lines->n_lines;
    lines->n_bytes_read += (guint64)n;
    const char *text = lines->buffer;
    if (lines->n_lines == 1 && n >= 3 && memcmp(text, BOM, 3) == 0) {
      text += 3;
      n -= 3;
    }
    while (n > 0 && g_ascii_isspace(text[n - 1]))
      n--;
    if (n == 0)
      continue;
    if ((gsize)n > WEFT_BATCH_LINE_MAX)
      line_fail(line, "has %zd bytes, the most is %u", n, WEFT_BATCH_LINE_MAX);
    else
      parse(line, text, (gsize)n);
    return TRUE;
  }
}

gboolean weft_lines_check(const WeftLines *lines, GError **error)
{
  if (!lines->problem)
    return TRUE;
  g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "%s: cannot be read beyond line %" G_GUINT64_FORMAT ": %s", lines->path,
              lines->n_lines, g_strerror(lines->problem));
  return FALSE;
}

int weft_lines_fd(const WeftLines *lines)
{
  return fileno(lines->file);
}

guint64 weft_lines_n_bytes(const WeftLines *lines)
{
  return lines->n_bytes;
}

guint64 weft_lines_n_bytes_read(const WeftLines *lines)
{
  return lines->n_bytes_read;
}

static void unknown_key(WeftLine *line, const char *key, const WeftRevisionInput *inputs, guint n)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(names, (gpointer)inputs[i].name);
  const char *closest = weft_closest(key, (const char *const *)names->pdata, names->len);
  line_fail(line, "\"%s\" is not an input of the pipeline%s%s%s", key, closest ? "; did you mean \"" : "",
            closest ? closest : "", closest ? "\"?" : "");
}

static void take_key(WeftLine *line, const char *key, const json_t *value, const WeftRevisionInput *inputs)
{
  if (strcmp(key, "$id") == 0 || strcmp(key, "$expect") == 0)
    return;
  if (strcmp(key, "$context") == 0) {
    g_autoptr(GError) error = NULL;
    if (!weft_context_take_json(value, line->context, &error))
      line_fail(line, "%s", error->message);
    return;
  }
  if (key[0] == '$') {
    line_fail(line, "\"%s\": this version knows $id, $context and $expect", key);
    return;
  }
  for (guint i = 0; i < line->n_values; i++) {
    if (strcmp(inputs[i].name, key) != 0)
      continue;
    line->values[i].bytes = weft_input_json(key, inputs[i].type, value, &line->values[i].error);
    if (line->values[i].error)
      g_prefix_error(&line->values[i].error, "line %" G_GUINT64_FORMAT ": ", line->number);
    return;
  }
  unknown_key(line, key, inputs, line->n_values);
}

void weft_line_take(WeftLine *line, WeftRevision *revision, const char *const *other)
{
  const WeftRevisionInput *inputs = weft_revision_inputs(revision, &line->n_values);
  line->values = g_new0(WeftValue, line->n_values + 1);
  if (!line->context)
    line->context = weft_context_new();
  const char *key;
  json_t *value;
  json_object_foreach(line->object, key, value)
  {
    if (!other || !g_strv_contains(other, key))
      take_key(line, key, value, inputs);
  }
}

void weft_line_query(const WeftLine *line, WeftQuery *query)
{
  query->inputs = line->values;
  query->context = (const struct weft_context_entry *)(const void *)line->context->data;
  query->n_context = line->context->len;
}

void weft_line_settle(WeftLine *line)
{
  if (!line->error || line->values[0].error)
    return;
  g_clear_pointer(&line->values[0].bytes, g_bytes_unref);
  line->values[0].error = g_steal_pointer(&line->error);
}

json_t *weft_line_id(const WeftLine *line)
{
  return json_object_get(line->object, "$id");
}

void weft_line_clear(WeftLine *line)
{
  for (guint i = 0; line->values && i < line->n_values; i++) {
    if (line->values[i].bytes)
      g_bytes_unref(line->values[i].bytes);
    g_clear_error(&line->values[i].error);
  }
  g_free(line->values);
  g_clear_pointer(&line->context, g_array_unref);
  json_decref(line->object);
  g_clear_error(&line->error);
  memset(line, 0, sizeof *line);
}
