/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines in the catalogue. */
#include "pipeline-private.h"
#include "print.h"
#include "shelf.h"

#include <stdio.h>
#include <string.h>

/* Its own name; in the catalogue it has no folder that a path could be relative to. */
static char *name_of(const WeftArtifactOptions *options, const char *path)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftCatalogue) catalogue = weft_artifact_catalogue(options, NULL);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(path);
  g_autoptr(WeftVariables) variables = weft_variables_new();
  if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
    weft_command_refuse(&weft_command_pipeline, WEFT_EXIT_FAILED, "not-found", "%s: expected a pipeline file", path);
    return NULL;
  }
  g_autoptr(WeftPipeline) pipeline = weft_pipeline_open(path, catalogue, variables, diagnostics);
  gboolean sound = pipeline && weft_pipeline_is_sound(pipeline);
  weft_print_diagnostics(diagnostics, options->json && !sound);
  if (!sound)
    return NULL;
  g_autofree char *file = weft_pipeline_first_path(pipeline);
  if (!file)
    return g_strdup(weft_pipeline_name(pipeline));
  weft_command_refuse(&weft_command_pipeline, WEFT_EXIT_FAILED, "path", "%s: names the path \"%s\", and in the "
                      "catalogue there is no folder to which it is "
                  "relative; add it too (`weft model add`, `weft asset add`, `weft pipeline add`) and name it as "
                  "NAME@RANGE", path, file);
  return NULL;
}

int weft_pipeline_shelf(int argc, char **argv)
{
  WeftArtifactOptions options = {.command = &weft_command_pipeline, .kind = WEFT_ARTIFACT_PIPELINE};
  int code = weft_artifact_parse(&options, argc, argv);
  if (code == WEFT_EXIT_OK && options.help)
    code = weft_command_help(&weft_command_pipeline);
  else if (code == WEFT_EXIT_OK && strcmp(argv[1], "add") == 0)
    code = weft_artifact_command_add(&options, name_of);
  else if (code == WEFT_EXIT_OK && strcmp(argv[1], "list") == 0)
    code = weft_artifact_command_list(&options);
  else if (code == WEFT_EXIT_OK)
    code = weft_artifact_command_remove(&options);
  g_ptr_array_unref(options.words);
  return code;
}
