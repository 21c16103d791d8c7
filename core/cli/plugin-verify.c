/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"
#include "plugin-private.h"
#include "verify.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  const WeftActionOptions *options;
  WeftCatalogue *catalogue;
  WeftVerifyOptions how;
  json_t *all;
  guint n, n_wrong;
} Verify;

static void tell(Verify *verify, const WeftPluginRow *row, const char *code, const char *reason)
{
  verify->n++;
  verify->n_wrong += code != NULL;
  if (verify->options->json)
    json_array_append_new(verify->all, json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "id", weft_command_text(row->id),
                                                 "version", weft_command_text(row->version), "sha256",
                                                 weft_command_text(row->sha256), "catalogue",
                                                 weft_command_text(row->catalogue), "ok", code == NULL, "code",
                                                 weft_command_text(code), "reason", weft_command_text(reason)));
  else if (code)
    fprintf(stderr, "%s@%s (%s) %s\n", row->id, row->version, code, reason);
}

static gboolean verify_rows(Verify *verify, const GPtrArray *rows, const char *id, const char *version, GError **error)
{
  for (guint i = 0; i < rows->len; i++) {
    const WeftPluginRow *row = g_ptr_array_index(rows, i);
    g_autofree char *code = NULL, *reason = NULL;
    if (!row->path || (id && strcmp(id, row->id) != 0) || (version && strcmp(version, row->version) != 0))
      continue;
    if (!weft_verify_plugin(verify->catalogue, row, &verify->how, &code, &reason, error))
      return FALSE;
    tell(verify, row, code, reason);
  }
  return TRUE;
}

static int finish(Verify *verify, const char *id)
{
  gboolean none = id && verify->n == 0;
  if (verify->options->json && !none)
    weft_command_print_json(json_incref(verify->all));
  json_decref(verify->all);
  if (none)
    return weft_command_refuse(verify->options->command, WEFT_EXIT_FAILED, "not-found", "no plugin \"%s\" is installed in "
                               "that version; `weft plugin list` shows what is", id);
  if (!verify->options->json)
    printf("%u of %u plugins are as they were installed\n", verify->n - verify->n_wrong, verify->n);
  return verify->n_wrong ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
}

int weft_plugin_verify(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *id = NULL, *version = NULL, *probe = options->quick ? NULL : weft_place_probe_program();
  if (options->words->len && !weft_action_name(options, "verify", &id, &version))
    return WEFT_EXIT_USAGE;
  if (!probe && !options->quick)
    return weft_command_refuse(options->command, WEFT_EXIT_PIPELINE, "no-probe",
                               "the program weft-probe is missing beside this one; install Weft again");
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, &error);
  g_autoptr(GPtrArray) rows = catalogue ? weft_catalogue_list(catalogue, &error) : NULL;
  if (!rows)
    return weft_action_fail(options, error);
  Verify verify = {.options = options, .catalogue = catalogue, .how = {probe, options->timeout_ms}, .all = json_array()};
  if (!verify_rows(&verify, rows, id, version, &error)) {
    json_decref(verify.all);
    return weft_action_fail(options, error);
  }
  return finish(&verify, id);
}
