/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline-private.h"

#include <stdio.h>

int weft_pipeline_explain(const WeftPipelineOptions *options)
{
  int code = WEFT_EXIT_OK;
  g_autoptr(WeftSession) session = weft_pipeline_session(options, options->words[0], &code);
  if (!session)
    return code;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = weft_revision_explain_text(weft_session_revision(session), weft_session_catalogue(session),
                                                     options->n_words > 1 ? options->words[1] : NULL, &error);
  if (!text)
    return weft_command_usage_error(&weft_command_pipeline, "%s", error->message);
  fputs(text, stdout);
  return WEFT_EXIT_OK;
}
