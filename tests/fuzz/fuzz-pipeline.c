/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a pipeline file: parsed and wired, or refused with at least one message. What is faulty ends well too. */
#include "pipeline.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("fuzz.yaml");
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_parse((const char *)data, size, "fuzz.yaml", NULL, diagnostics);
  g_autofree char *text = weft_diagnostics_text(diagnostics);
  gboolean good = pipeline && weft_pipeline_is_sound(pipeline);
  if (good != (diagnostics->n_errors == 0) || !g_utf8_validate(text, -1, NULL))
    abort();
  if (good) {
    g_autofree char *dot = weft_pipeline_dot(pipeline, NULL);
    gboolean present[1] = {FALSE};
    if (pipeline->inputs->len == 1 && pipeline->require)
      weft_expr_eval(pipeline->require, present);
    if (!g_utf8_validate(dot, -1, NULL))
      abort();
  }
  return 0;
}
