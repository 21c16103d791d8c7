/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline-private.h"

#include <stdio.h>

int weft_pipeline_draw(const WeftPipelineOptions *options)
{
  int code = WEFT_EXIT_OK;
  g_autoptr(WeftSession) session = weft_pipeline_session(options, options->words[0], &code);
  if (!session)
    return code;
  g_autofree char *dot = weft_pipeline_dot(weft_session_pipeline(session), weft_session_revision(session));
  fputs(dot, stdout);
  return WEFT_EXIT_OK;
}
