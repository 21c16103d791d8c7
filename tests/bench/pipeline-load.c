/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline-load.h"

#include <stdio.h>
#include <string.h>

int bench_load(struct bench_pipeline *b, const char *path, const char *text)
{
  const char *work = b->work ? b->work : "";
  g_autofree char *catalogue = g_build_filename(work, "catalogue", NULL), *file = g_build_filename(work, "p.yaml", NULL);
  WeftSessionOptions options = {.catalogue = b->work ? catalogue : NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(path ? path : file);
  if (text && !g_file_set_contents(file, text, -1, &error)) {
    fprintf(stderr, "bench: %s\n", error->message);
    return 0;
  }
  b->session = weft_session_new(&options, &error);
  if (!b->session) {
    fprintf(stderr, "bench: %s\n", error->message);
    return 0;
  }
  if (!weft_session_load(b->session, path ? path : file, diagnostics)) {
    g_autofree char *problem = weft_diagnostics_text(diagnostics);
    fputs(problem, stderr);
    return 0;
  }
  b->graph = weft_revision_graph(weft_session_revision(b->session));
  return 1;
}

void bench_unload(struct bench_pipeline *b)
{
  weft_session_free(b->session);
  b->session = NULL;
}

static guint input_of(const struct bench_pipeline *b, const char *name)
{
  guint n = 0;
  const WeftRevisionInput *inputs = weft_revision_inputs(weft_session_revision(b->session), &n);
  for (guint i = 0; i < n; i++)
    if (strcmp(inputs[i].name, name) == 0)
      return i;
  g_error("there is no input %s", name);
}

guint bench_value(const struct bench_pipeline *b, const char *name)
{
  guint n = 0;
  const WeftRevisionOutput *outputs = weft_revision_outputs(weft_session_revision(b->session), &n);
  for (guint i = 0; i < n; i++)
    if (strcmp(outputs[i].name, name) == 0)
      return outputs[i].value;
  g_error("there is no output %s", name);
}

struct weft_request *bench_requests(const struct bench_pipeline *b, const char *input, GBytes *const *values, guint n)
{
  guint n_inputs = 0, at = input_of(b, input);
  weft_revision_inputs(weft_session_revision(b->session), &n_inputs);
  gsize n_blobs = (gsize)n * n_inputs * sizeof(struct weft_blob);
  struct weft_request *requests = g_malloc0(n * sizeof *requests + n_blobs);
  struct weft_blob *blobs = (struct weft_blob *)(void *)(requests + n);
  for (guint i = 0; i < n; i++) {
    gsize n_bytes = 0;
    const void *data = g_bytes_get_data(values[i], &n_bytes);
    blobs[(gsize)i * n_inputs + at] = (struct weft_blob){data, n_bytes, 1};
    requests[i].inputs = blobs + (gsize)i * n_inputs;
  }
  return requests;
}
