/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin-private.h"
#include "stats.h"

#include <stdio.h>
#include <string.h>

static json_t *event_json(const WeftInstallEvent *event)
{
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at", (json_int_t)event->at, "what",
                   weft_command_text(event->what), "user", weft_command_text(event->user), "file",
                   weft_command_text(event->path), "sha256", weft_command_text(event->sha256),
                   "plugins", weft_command_text(event->plugins), "code", weft_command_text(event->code), "reason",
                   weft_command_text(event->reason), "catalogue", weft_command_text(event->catalogue));
}

static void print_event(const WeftInstallEvent *event)
{
  g_autofree char *when = weft_action_time(event->at);
  gboolean refused = strcmp(event->what, "refused") == 0 || strcmp(event->what, "lost") == 0;
  printf("%s  %s", when, event->what);
  if (event->plugins)
    printf(" %s", event->plugins);
  if (refused)
    printf(" (%s) %s", event->code, event->reason);
  else if (*event->path)
    printf(" from %s", event->path);
  if (!refused && event->user)
    printf(" by %s", event->user);
  if (!refused && event->reason)
    printf(": %s", event->reason);
  putchar('\n');
}

/* What runs have seen last, where the word is the id of a plugin that is installed: an event without a row. */
static json_t *crash_of(WeftCatalogue *catalogue, const char *word, gboolean as_json)
{
  WeftPluginStats seen;
  g_autoptr(WeftPluginRow) row = weft_catalogue_find(catalogue, word, NULL, NULL);
  if (!row)
    return NULL;
  json_t *out = NULL;
  weft_catalogue_learned(catalogue, row->sha256, row->id, &seen);
  g_autofree char *last = (char *)seen.last_crash, *when = weft_action_time(seen.last_crash_at);
  g_autofree char *name = g_strdup_printf("%s@%s", row->id, row->version);
  if (last && as_json)
    out = json_pack("{s:I, s:s, s:n, s:o, s:o, s:s, s:s, s:o, s:o}", "at", (json_int_t)seen.last_crash_at, "what", "crashed",
                    "user", "file", weft_command_text(row->path), "sha256", weft_command_text(row->sha256), "plugins", name,
                    "code", "crashed", "reason", weft_command_text(last), "catalogue", weft_command_text(row->catalogue));
  else if (last)
    printf("%s  crashed %s in use, %" G_GINT64_FORMAT " times: %s\n", when, name, seen.n_crashes, last);
  return out;
}

int weft_plugin_why(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(options->command, "why: expected one ID or FILE");
  const char *word = g_ptr_array_index(options->words, 0);
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, &error);
  g_autoptr(GPtrArray) events = catalogue ? weft_catalogue_events(catalogue, word, &error) : NULL;
  if (!events)
    return weft_action_fail(options, error);
  json_t *all = json_array(), *crash = crash_of(catalogue, word, options->json);
  if (crash)
    json_array_append_new(all, crash);
  for (guint i = 0; i < events->len; i++) {
    if (options->json)
      json_array_append_new(all, event_json(g_ptr_array_index(events, i)));
    else
      print_event(g_ptr_array_index(events, i));
  }
  if (options->json && events->len)
    weft_command_print_json(json_incref(all));
  json_decref(all);
  if (events->len)
    return WEFT_EXIT_OK;
  return weft_command_refuse(options->command, WEFT_EXIT_FAILED, "not-found", "nothing is known of \"%s\"; `weft plugin "
                             "list` shows what is installed", word);
}
