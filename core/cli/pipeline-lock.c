/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"
#include "pipeline-private.h"

#include <stdio.h>
#include <string.h>

int weft_pipeline_lock(const WeftPipelineOptions *options)
{
  int code = WEFT_EXIT_OK;
  const char *file = options->words[0];
  if (!options->output && strchr(file, '!') && !g_file_test(file, G_FILE_TEST_EXISTS))
    return weft_command_usage_error(&weft_command_pipeline, "a pipeline in one line has no file beside which "
                                    "its lock could lie; give -o FILE");
  g_autoptr(WeftSession) session = weft_pipeline_session(options, file, &code);
  if (!session)
    return code;
  g_autofree char *beside = weft_lock_path(file);
  const char *path = options->output ? options->output : beside;
  json_t *lock = weft_lock_of(session);
  char *text = json_dumps(lock, JSON_INDENT(2) | JSON_SORT_KEYS);
  g_autofree char *whole = g_strconcat(text, "\n", NULL);
  g_autoptr(GError) error = NULL;
  free(text);
  json_decref(lock);
  if (strcmp(path, "-") == 0) {
    fputs(whole, stdout);
    return WEFT_EXIT_OK;
  }
  if (!g_file_set_contents(path, whole, -1, &error))
    return weft_command_refuse_error(&weft_command_pipeline, WEFT_EXIT_FAILED, error);
  WeftRevision *revision = weft_session_revision(session);
  printf("locked %s@%.12s in %s\n", weft_revision_name(revision), weft_revision_digest(revision), path);
  return WEFT_EXIT_OK;
}
