/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"
#include "pipeline-private.h"
#include "print.h"

#include <stdio.h>

static void print_good(WeftSession *session, const char *file)
{
  WeftRevision *revision = weft_session_revision(session);
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  printf("%s: good, revision %s@%.12s\n", file, weft_revision_name(revision), weft_revision_digest(revision));
  for (guint i = 0; i < n; i++) {
    printf("  %-12s %s@%s%s  <-", nodes[i].name, nodes[i].plugin, nodes[i].version,
           nodes[i].isolated ? " (worker)" : "");
    for (guint k = 0; nodes[i].inputs && nodes[i].inputs[k]; k++)
      printf(" %s", nodes[i].inputs[k]);
    putchar('\n');
  }
}

int weft_pipeline_check(const WeftPipelineOptions *options)
{
  g_autoptr(GError) error = NULL;
  const char *file = options->words[0];
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_pipeline, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(file);
  gboolean good = weft_session_load(session, file, diagnostics);
  if (good)
    weft_pipeline_warn_options(weft_session_pipeline(session), weft_run_options, diagnostics);
  weft_print_diagnostics(diagnostics, options->json);
  if (good && options->locked)
    good = weft_lock_check(session, file);
  if (good && !options->json)
    print_good(session, diagnostics->file);
  return good ? WEFT_EXIT_OK : WEFT_EXIT_PIPELINE;
}
