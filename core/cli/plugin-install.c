/* SPDX-License-Identifier: Apache-2.0 */
#include "install.h"
#include "places.h"
#include "plugin-private.h"

#include <stdio.h>

static json_t *result_json(const WeftInstallResult *result)
{
  static const char *const outcomes[] = {"installed", "unchanged", "refused"};
  json_t *plugins = json_array();
  for (char **name = result->plugins; *name; name++)
    json_array_append_new(plugins, json_string(*name));
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "outcome", outcomes[result->outcome], "file",
                   weft_command_text(result->path), "sha256", weft_command_text(result->sha256), "plugins", plugins, "code",
                   weft_command_text(result->code), "reason", weft_command_text(result->reason));
}

static void print_result(const WeftInstallResult *result)
{
  g_autofree char *names = g_strjoinv(", ", result->plugins);
  if (result->outcome == WEFT_INSTALL_DONE)
    printf("installed %s\n", names);
  else if (result->outcome == WEFT_INSTALL_UNCHANGED)
    printf("unchanged %s: the same file is installed already\n", names);
  else
    fprintf(stderr, "refused (%s) %s\n", result->code, result->reason);
}

/* A group at a time: what is printed is durable. */
static int install_group(const WeftActionOptions *options, WeftRegistrar *registrar, guint first, json_t *all,
                         const WeftInstallOptions *how, GError **error)
{
  int code = WEFT_EXIT_OK;
  const char *const *paths = (const char *const *)options->words->pdata + first;
  guint n = MIN(options->words->len - first, WEFT_INSTALL_GROUP);
  g_autoptr(GPtrArray) results = weft_install_files(registrar, paths, n, how, error);
  for (guint i = 0; results && i < results->len; i++) {
    const WeftInstallResult *result = g_ptr_array_index(results, i);
    if (result->outcome == WEFT_INSTALL_REFUSED)
      code = WEFT_EXIT_FAILED;
    if (options->json)
      json_array_append_new(all, result_json(result));
    else
      print_result(result);
  }
  fflush(stdout);
  return code;
}

int weft_plugin_install(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *probe = weft_place_probe_program();
  if (options->words->len == 0)
    return weft_command_usage_error(options->command, "install: the file is missing");
  if (!probe)
    return weft_command_refuse(options->command, WEFT_EXIT_PIPELINE, "no-probe",
                               "the program weft-probe is missing beside this one; install Weft again");
  const WeftInstallOptions how = {.probe_program = probe, .probe_timeout_ms = options->timeout_ms};
  g_autofree char *folder = weft_action_folder(options);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  json_t *all = json_array();
  int code = WEFT_EXIT_OK;
  for (guint i = 0; registrar && !error && i < options->words->len; i += WEFT_INSTALL_GROUP)
    if (install_group(options, registrar, i, all, &how, &error) != WEFT_EXIT_OK)
      code = WEFT_EXIT_FAILED;
  if (options->json && (!error || json_array_size(all))) /* what was installed before is told */
    weft_command_print_json(json_incref(all));
  json_decref(all);
  return error ? weft_action_fail(options, error) : code;
}
