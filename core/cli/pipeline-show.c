/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline-private.h"
#include "print.h"

#include <stdio.h>

/* Only read: what is installed does not matter. */
int weft_pipeline_show(const WeftPipelineOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftSession) session = weft_session_new(&options->session, &error);
  if (!session)
    return weft_command_refuse_error(&weft_command_pipeline, WEFT_EXIT_PIPELINE, error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(options->words[0]);
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_open(options->words[0], weft_session_catalogue(session),
                                                        options->session.variables, diagnostics);
  weft_print_diagnostics(diagnostics, FALSE);
  if (!pipeline || !weft_pipeline_is_sound(pipeline))
    return WEFT_EXIT_PIPELINE;
  g_autofree char *text = weft_pipeline_yaml(pipeline);
  fputs(text, stdout);
  return WEFT_EXIT_OK;
}
