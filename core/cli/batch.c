/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include "command.h"
#include "given.h"
#include "lines.h"
#include "progress.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  WeftSession *session;
  const WeftBatch *batch;
  guint64 n_failed;
} Reading;

static gboolean print_answer(Reading *reading, json_t *answer, json_t *id)
{
  if (id)
    json_object_set(answer, "$id", id);
  if (strcmp(json_string_value(json_object_get(answer, "status")), "ok") != 0)
    reading->n_failed++;
  gboolean written = json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
  return putchar('\n') != EOF && written;
}

static gboolean run_lines(Reading *reading, WeftLine *lines, guint n, guint64 first)
{
  g_autofree WeftQuery *queries = g_new0(WeftQuery, n);
  g_autofree json_t **answers = g_new0(json_t *, n);
  for (guint i = 0; i < n; i++) {
    weft_line_settle(&lines[i]);
    weft_line_query(&lines[i], &queries[i]);
    queries[i].seed = reading->batch->seed + first + i;
    queries[i].timeout_ns = reading->batch->timeout_ns;
  }
  weft_session_run(reading->session, queries, n, answers);
  gboolean written = TRUE;
  for (guint i = 0; i < n; i++) {
    written = print_answer(reading, answers[i], weft_line_id(&lines[i])) && written;
    json_decref(answers[i]);
  }
  return written;
}

/* Everything, in frames; FALSE: an answer could not be written. */
static gboolean run_all(Reading *reading, WeftLines *file, guint64 *n_answered)
{
  guint most = weft_session_n_items_max(reading->session);
  g_autofree WeftLine *lines = g_new0(WeftLine, most);
  WeftProgress progress;
  weft_progress_begin(&progress, weft_lines_n_bytes(file));
  gboolean written = TRUE;
  for (guint n = most; n == most && written;) {
    for (n = 0; n < most && weft_lines_next(file, &lines[n]); n++) {
      lines[n].context = weft_context_copy(reading->batch->context);
      weft_line_take(&lines[n], weft_session_revision(reading->session), NULL);
    }
    if (n > 0)
      written = run_lines(reading, lines, n, *n_answered);
    *n_answered += n;
    for (guint i = 0; i < n; i++)
      weft_line_clear(&lines[i]);
    weft_progress_at(&progress, weft_lines_n_bytes_read(file), *n_answered, reading->n_failed);
  }
  written = fflush(stdout) == 0 && written;
  weft_progress_end(&progress);
  return written;
}

int weft_batch_run(WeftSession *session, const WeftBatch *batch)
{
  Reading reading = {session, batch, 0};
  guint64 n_answered = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftLines) file = weft_lines_open(batch->path, &error);
  if (!file) {
    fprintf(stderr, "weft run: --batch %s\n", error->message);
    return WEFT_EXIT_USAGE;
  }
  if (!run_all(&reading, file, &n_answered)) {
    fprintf(stderr, "weft run: answers cannot be written to standard output: %s\n", g_strerror(errno));
    return WEFT_EXIT_FAILED;
  }
  if (!weft_lines_check(file, &error)) {
    fprintf(stderr, "weft run: %s\n", error->message);
    return WEFT_EXIT_USAGE;
  }
  if (reading.n_failed > 0)
    fprintf(stderr, "weft run: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " requests failed; their answers say why\n",
            reading.n_failed, n_answered);
  return reading.n_failed > 0 ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}
