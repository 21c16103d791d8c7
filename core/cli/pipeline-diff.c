/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"
#include "pipeline-private.h"

#include <stdio.h>

int weft_pipeline_diff(const WeftPipelineOptions *options)
{
  json_t *facts[2] = {NULL, NULL};
  int code = WEFT_EXIT_OK;
  if (options->n_words != 2)
    return weft_command_usage_error(&weft_command_pipeline, "diff: expected two pipelines");
  for (guint i = 0; i < 2 && code == WEFT_EXIT_OK; i++) {
    g_autoptr(WeftSession) session = weft_pipeline_session(options, options->words[i], &code);
    if (session)
      facts[i] = weft_revision_facts(weft_session_revision(session));
  }
  if (code == WEFT_EXIT_OK) {
    json_t *changes = weft_facts_compare(facts[0], facts[1]);
    gboolean same = json_array_size(changes) == 0;
    g_autofree char *text = weft_facts_changes_text(changes);
    code = same ? WEFT_EXIT_OK : WEFT_EXIT_FAILED;
    if (options->json)
      weft_command_print_json(json_pack("{s:s, s:b, s:O}", "schema", "weft.diff/1", "same", same, "changes", changes));
    else
      fputs(text, stdout);
    json_decref(changes);
  }
  json_decref(facts[0]);
  json_decref(facts[1]);
  return code;
}
