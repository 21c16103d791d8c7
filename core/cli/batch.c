/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include "command.h"
#include "input.h"
#include "manifest.h"
#include "progress.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One line and what became of it. */
typedef struct {
  GError *error;  /* of the line as a whole */
  json_t *id;     /* of "$id", or NULL */
  WeftValue *values;
} Line;

typedef struct {
  WeftSession *session;
  const WeftBatch *batch;
  const WeftRevisionInput *inputs;
  guint n_inputs;
  FILE *file;
  char *buffer;
  size_t n_buffer;
  guint64 n_lines, n_failed;
  guint64 n_bytes_read;
} Reading;

static void line_clear(Line *line, guint n_inputs)
{
  for (guint i = 0; i < n_inputs; i++) {
    if (line->values[i].bytes)
      g_bytes_unref(line->values[i].bytes);
    g_clear_error(&line->values[i].error);
  }
  g_free(line->values);
  json_decref(line->id);
  g_clear_error(&line->error);
}

static void line_fail(Line *line, guint64 number, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void line_fail(Line *line, guint64 number, const char *format, ...)
{
  if (line->error)
    return;
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(&line->error, WEFT_ERROR, WEFT_BAD_INPUT, "line %" G_GUINT64_FORMAT ": %s", number, message);
}

static void take_key(Reading *reading, Line *line, const char *key, json_t *value)
{
  guint64 number = reading->n_lines;
  if (strcmp(key, "$id") == 0) {
    line->id = json_incref(value);
    return;
  }
  if (strcmp(key, "$expect") == 0)
    return;
  if (key[0] == '$') {
    line_fail(line, number, "\"%s\": this version knows $id and $expect", key);
    return;
  }
  for (guint i = 0; i < reading->n_inputs; i++) {
    if (strcmp(reading->inputs[i].name, key) != 0)
      continue;
    line->values[i].bytes = weft_input_json(key, reading->inputs[i].type, value, &line->values[i].error);
    if (line->values[i].error)
      g_prefix_error(&line->values[i].error, "line %" G_GUINT64_FORMAT ": ", number);
    return;
  }
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < reading->n_inputs; i++)
    g_ptr_array_add(names, (gpointer)reading->inputs[i].name);
  const char *closest = weft_closest(key, (const char *const *)names->pdata, names->len);
  line_fail(line, number, "\"%s\" is not an input of the pipeline%s%s%s", key, closest ? "; did you mean \"" : "",
            closest ? closest : "", closest ? "\"?" : "");
}

static void parse_line(Reading *reading, const char *text, gsize n_bytes, Line *line)
{
  line->values = g_new0(WeftValue, reading->n_inputs + 1);
  json_error_t problem;
  json_t *object = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &problem);
  if (!object) {
    line_fail(line, reading->n_lines, "column %d: not JSON: %s", problem.column, problem.text);
    return;
  }
  if (!json_is_object(object))
    line_fail(line, reading->n_lines, "expected an object of inputs");
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value)
  {
    take_key(reading, line, key, value);
  }
  json_decref(object);
}

#define BOM "\xef\xbb\xbf"

/* TRUE: a line was read. Blank lines and a byte order mark are skipped. */
static gboolean next_line(Reading *reading, Line *line)
{
  for (;;) {
    ssize_t n = getline(&reading->buffer, &reading->n_buffer, reading->file);
    if (n < 0)
      return FALSE;
    reading->n_lines++;
    reading->n_bytes_read += (guint64)n;
    const char *text = reading->buffer;
    if (reading->n_lines == 1 && n >= 3 && memcmp(text, BOM, 3) == 0) {
      text += 3;
      n -= 3;
    }
    while (n > 0 && g_ascii_isspace(text[n - 1]))
      n--;
    if (n == 0)
      continue;
    if ((gsize)n > WEFT_BATCH_LINE_MAX) {
      line->values = g_new0(WeftValue, reading->n_inputs + 1);
      line_fail(line, reading->n_lines, "has %zd bytes, the most is %u", n, WEFT_BATCH_LINE_MAX);
    } else {
      parse_line(reading, text, (gsize)n, line);
    }
    return TRUE;
  }
}

/* A line's own error stands in its first value, so that the session answers it like any other. */
static void fill_query(const Reading *reading, Line *line, guint index, guint64 first, WeftQuery *query)
{
  if (line->error && !line->values[0].error) {
    g_clear_pointer(&line->values[0].bytes, g_bytes_unref);
    line->values[0].error = g_steal_pointer(&line->error);
  }
  query->inputs = line->values;
  query->seed = reading->batch->seed + first + index;
  query->timeout_ns = reading->batch->timeout_ns;
}

static gboolean print_answer(Reading *reading, json_t *answer, json_t *id)
{
  if (id)
    json_object_set(answer, "$id", id);
  if (strcmp(json_string_value(json_object_get(answer, "status")), "ok") != 0)
    reading->n_failed++;
  gboolean written = json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
  return putchar('\n') != EOF && written;
}

static gboolean run_lines(Reading *reading, Line *lines, guint n, guint64 first)
{
  g_autofree WeftQuery *queries = g_new0(WeftQuery, n);
  g_autofree json_t **answers = g_new0(json_t *, n);
  for (guint i = 0; i < n; i++)
    fill_query(reading, &lines[i], i, first, &queries[i]);
  weft_session_run(reading->session, queries, n, answers);
  gboolean written = TRUE;
  for (guint i = 0; i < n; i++) {
    written = print_answer(reading, answers[i], lines[i].id) && written;
    json_decref(answers[i]);
  }
  return written;
}

static int read_all(Reading *reading, guint64 n_bytes)
{
  guint most = weft_session_n_items_max(reading->session);
  g_autofree Line *lines = g_new0(Line, most);
  WeftProgress progress;
  weft_progress_begin(&progress, n_bytes);
  guint64 n_answered = 0;
  gboolean written = TRUE;
  for (guint n = most; n == most && written;) {
    memset(lines, 0, most * sizeof *lines);
    for (n = 0; n < most && next_line(reading, &lines[n]);)
      n++;
    if (n > 0)
      written = run_lines(reading, lines, n, n_answered);
    n_answered += n;
    for (guint i = 0; i < n; i++)
      line_clear(&lines[i], reading->n_inputs);
    weft_progress_at(&progress, reading->n_bytes_read, n_answered, reading->n_failed);
  }
  written = fflush(stdout) == 0 && written;
  weft_progress_end(&progress);
  if (!written) {
    fprintf(stderr, "weft run: answers cannot be written to standard output: %s\n", g_strerror(errno));
    return WEFT_EXIT_FAILED;
  }
  if (ferror(reading->file)) {
    fprintf(stderr, "weft run: %s: cannot be read beyond line %" G_GUINT64_FORMAT ": %s\n", reading->batch->path,
            reading->n_lines, g_strerror(errno));
    return WEFT_EXIT_USAGE;
  }
  if (reading->n_failed > 0)
    fprintf(stderr, "weft run: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " requests failed; their answers say why\n",
            reading->n_failed, n_answered);
  return reading->n_failed > 0 ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}

int weft_batch_run(WeftSession *session, const WeftBatch *batch)
{
  Reading reading = {session, batch, NULL, 0, NULL, NULL, 0, 0, 0, 0};
  reading.inputs = weft_revision_inputs(weft_session_revision(session), &reading.n_inputs);
  gboolean standard = strcmp(batch->path, "-") == 0;
  reading.file = standard ? stdin : fopen(batch->path, "re");
  struct stat info = {0};
  if (!reading.file || fstat(fileno(reading.file), &info) != 0) {
    fprintf(stderr, "weft run: --batch %s: cannot be opened: %s\n", batch->path, g_strerror(errno));
    return WEFT_EXIT_USAGE;
  }
  int code;
  if (S_ISDIR(info.st_mode)) {
    fprintf(stderr, "weft run: --batch %s: is a directory; give a file of JSON lines\n", batch->path);
    code = WEFT_EXIT_USAGE;
  } else {
    code = read_all(&reading, S_ISREG(info.st_mode) ? (guint64)info.st_size : 0);
  }
  free(reading.buffer);
  if (!standard)
    fclose(reading.file);
  return code;
}
