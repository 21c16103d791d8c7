/* SPDX-License-Identifier: Apache-2.0 */
/* weft plugin remove, gc. */
#include "plugin-private.h"

#include <stdio.h>

/* It is not where it would be removed: say where it is. */
static void say_where(const WeftActionOptions *options, const char *id, const char *version)
{
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, NULL);
  g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, id, version, NULL) : NULL;
  if (row && row->bundled)
    fprintf(stderr, "%s@%s came with Weft and goes with it\n", row->id, row->version);
  else if (row)
    fprintf(stderr, "%s@%s stands in %s; name that with --catalogue\n", row->id, row->version, row->catalogue);
}

int weft_plugin_remove(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *id = NULL, *version = NULL;
  char **names = NULL;
  int code = WEFT_EXIT_OK;
  if (!weft_action_name(options, "remove", &id, &version))
    return WEFT_EXIT_USAGE;
  g_autoptr(WeftRegistrar) registrar = weft_action_registrar(options, TRUE, &code);
  if (registrar && weft_registrar_remove(registrar, id, version, &names, &error)) {
    weft_action_print_names(options, "removed", names);
    return WEFT_EXIT_OK;
  }
  if (error)
    code = weft_action_fail(options, error);
  if (!options->catalogue || registrar)
    say_where(options, id, version);
  return code;
}

static json_t *garbage_json(const WeftGarbage *garbage)
{
  return json_pack("{s:o, s:o, s:o, s:I}", "sha256", weft_command_text(garbage->sha256), "what",
                   weft_command_text(garbage->what), "plugins", weft_command_text(garbage->plugins), "bytes",
                   (json_int_t)garbage->n_bytes);
}

int weft_plugin_gc(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  gint64 n_bytes = 0;
  int code = WEFT_EXIT_OK;
  if (options->words->len)
    return weft_command_usage_error(options->command, "gc takes no argument");
  g_autoptr(WeftRegistrar) registrar = weft_action_registrar(options, FALSE, &code);
  if (!registrar)
    return code;
  g_autoptr(GPtrArray) garbage = weft_registrar_gc(registrar, options->quarantine, options->dry_run, &error);
  if (!garbage)
    return weft_action_fail(options, error);
  json_t *all = json_array();
  for (guint i = 0; i < garbage->len; i++) {
    const WeftGarbage *each = g_ptr_array_index(garbage, i);
    n_bytes += each->n_bytes;
    if (options->json)
      json_array_append_new(all, garbage_json(each));
    else
      printf("%s %.12s (%s%s%s), %" G_GINT64_FORMAT " bytes\n", options->dry_run ? "would remove" : "removed", each->sha256,
             each->what, each->plugins ? ": " : "", each->plugins ? each->plugins : "", each->n_bytes);
  }
  if (options->json)
    weft_command_print_json(json_incref(all));
  else
    printf("%s %u files, %" G_GINT64_FORMAT " bytes\n", options->dry_run ? "would remove" : "removed", garbage->len, n_bytes);
  json_decref(all);
  return WEFT_EXIT_OK;
}
