/* SPDX-License-Identifier: Apache-2.0 */
/* weft plugin disable, enable, release: the operator's decisions. */
#include "plugin-private.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  const char *id, *version;
  GPtrArray *rows; /* of WeftPluginLine, borrowed */
} Chosen;

/* Installed versions of the id that are in this state, in the whole search order. */
static WeftPluginLines *choose(WeftCatalogue *catalogue, Chosen *chosen, gboolean disabled, GError **error)
{
  const WeftLineFilter filter = {.pattern = chosen->id};
  g_autoptr(WeftPluginLines) all = weft_catalogue_lines(catalogue, &filter, error);
  for (guint i = 0; all && i < all->n; i++) {
    const WeftPluginLine *line = &all->lines[i];
    gboolean is_disabled = strcmp(line->state, "disabled") == 0;
    gboolean installed = is_disabled || !line->reason;
    if (installed && is_disabled == disabled && (!chosen->version || strcmp(chosen->version, line->version) == 0))
      g_ptr_array_add(chosen->rows, (gpointer)line);
  }
  return g_steal_pointer(&all);
}

/* None is in that state: is there one at all? */
static int say_none(const WeftActionOptions *options, WeftCatalogue *catalogue, const Chosen *chosen, gboolean enabling)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, chosen->id, chosen->version, &error);
  if (!row)
    return weft_action_fail(options, error);
  return weft_command_refuse(options->command, WEFT_EXIT_FAILED, enabling ? "exists" : "not-found", "%s@%s is %s", row->id,
                             row->version, enabling ? "enabled already" : "no exact version");
}

static gboolean change(const WeftActionOptions *options, WeftRegistrar *registrar, const WeftPluginLine *line,
                       gboolean enable, GError **error)
{
  if (enable)
    return weft_registrar_enable(registrar, line->id, line->version, line->sha256, error);
  return weft_registrar_disable(registrar, line->id, line->version, line->sha256, options->reason, error);
}

static int set_states(const WeftActionOptions *options, gboolean enable)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *id = NULL, *version = NULL, *folder = weft_action_folder(options);
  if (!weft_action_name(options, enable ? "enable" : "disable", &id, &version))
    return WEFT_EXIT_USAGE;
  g_autoptr(GPtrArray) rows = g_ptr_array_new();
  Chosen chosen = {id, version, rows};
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, &error);
  g_autoptr(WeftPluginLines) lines = catalogue ? choose(catalogue, &chosen, enable, &error) : NULL;
  if (!lines)
    return weft_action_fail(options, error);
  if (rows->len == 0)
    return say_none(options, catalogue, &chosen, enable);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; registrar && i < rows->len; i++) {
    const WeftPluginLine *line = g_ptr_array_index(rows, i);
    if (!change(options, registrar, line, enable, &error))
      break;
    g_ptr_array_add(names, g_strdup_printf("%s@%s", line->id, line->version));
  }
  if (error && (!names->len || options->json))
    return weft_action_fail(options, error);
  g_ptr_array_add(names, NULL);
  weft_action_print_names(options, enable ? "enabled" : "disabled", (char **)g_ptr_array_steal(names, NULL));
  return error ? weft_action_fail(options, error) : WEFT_EXIT_OK;
}

int weft_plugin_enable(const WeftActionOptions *options)
{
  return set_states(options, TRUE);
}

int weft_plugin_disable(const WeftActionOptions *options)
{
  return set_states(options, FALSE);
}

int weft_plugin_release(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *id = NULL, *version = NULL;
  char **names = NULL;
  int code = WEFT_EXIT_OK;
  if (!weft_action_name(options, "release", &id, &version))
    return WEFT_EXIT_USAGE;
  g_autoptr(WeftRegistrar) registrar = weft_action_registrar(options, TRUE, &code);
  if (!registrar)
    return code;
  if (!weft_registrar_release(registrar, id, version, options->reason, &names, &error))
    return weft_action_fail(options, error);
  weft_action_print_names(options, "released", names);
  return WEFT_EXIT_OK;
}
