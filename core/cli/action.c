/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on a catalogue share: options, opening, printing. */
#include "places.h"
#include "plugin-private.h"

#include <stdio.h>
#include <string.h>

#define MAX_TIMEOUT_S 600
#define MAX_LAST 1000000

int weft_action_fail(const WeftActionOptions *options, const GError *error)
{
  gboolean usage = g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE);
  gboolean missing = g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND);
  return weft_command_refuse_error(options->command, usage     ? WEFT_EXIT_USAGE
                                                     : missing ? WEFT_EXIT_FAILED
                                                               : WEFT_EXIT_PIPELINE, error);
}

WeftCatalogue *weft_action_open(const WeftActionOptions *options, GError **error)
{
  g_autofree char *bundled = options->catalogue ? NULL : weft_place_bundled_catalogue();
  if (options->catalogue)
    g_setenv("WEFT_CATALOGUE", options->catalogue, TRUE);
  return weft_catalogue_open(bundled, error);
}

char *weft_action_folder(const WeftActionOptions *options)
{
  return options->catalogue ? g_strdup(options->catalogue) : weft_catalogue_default_folder();
}

WeftRegistrar *weft_action_registrar(const WeftActionOptions *options, gboolean swept, int *code)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = weft_action_folder(options);
  WeftRegistrar *registrar = NULL;
  if (weft_catalogue_is_there(folder, &error))
    registrar = swept ? weft_registrar_open(folder, FALSE, &error) : weft_registrar_open_unswept(folder, &error);
  if (!registrar)
    *code = weft_action_fail(options, error);
  return registrar;
}

gboolean weft_action_name(const WeftActionOptions *options, const char *action, char **id, char **version)
{
  if (options->words->len != 1) {
    weft_command_usage_error(options->command, "%s: expected one ID[@VERSION]", action);
    return FALSE;
  }
  g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(options->words, 0), "@", 2);
  *id = g_strdup(parts[0] ? parts[0] : "");
  *version = g_strdup(parts[0] ? parts[1] : NULL);
  return TRUE;
}

void weft_action_print_names(const WeftActionOptions *options, const char *did, char **names)
{
  json_t *all = json_array();
  for (char **name = names; *name; name++) {
    if (options->json)
      json_array_append_new(all, json_string(*name));
    else
      printf("%s %s\n", did, *name);
  }
  if (options->json)
    weft_command_print_json(json_incref(all));
  json_decref(all);
  g_strfreev(names);
}

char *weft_action_time(gint64 at)
{
  g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(at);
  char *text = when ? g_date_time_format(when, "%F %T") : NULL;
  return text ? text : g_strdup("?");
}

void weft_action_append_json(GString *out, const char *text)
{
  if (!text) {
    g_string_append(out, "null");
    return;
  }
  g_autofree char *valid = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
  const char *plain = valid ? valid : text;
  g_string_append_c(out, '"');
  for (const char *c = plain; *c;) {
    gsize n = 0;
    while (c[n] && c[n] != '"' && c[n] != '\\' && !g_ascii_iscntrl(c[n]))
      n++;
    g_string_append_len(out, c, (gssize)n);
    c += n;
    if (*c == '"' || *c == '\\')
      g_string_append_printf(out, "\\%c", *c++);
    else if (*c)
      g_string_append_printf(out, "\\u%04x", (guint)(guchar)*c++);
  }
  g_string_append_c(out, '"');
}

/* ---- options ---- */

static int unknown(const WeftCommand *command, const char *what, const char *word, const char *const *names,
                   gsize n_names)
{
  const char *closest = weft_closest(word, names, n_names);
  return weft_command_usage_error(command, "%s is not %s%s%s%s", word, what, closest ? "; did you mean " : "",
                                  closest ? closest : "", closest ? "?" : "");
}

/* The option's place for a text or a flag; NULL: it is neither. */
static const char **text_of(WeftActionOptions *options, const char *word)
{
  return strcmp(word, "--catalogue") == 0 ? &options->catalogue
         : strcmp(word, "--kind") == 0    ? &options->kind
         : strcmp(word, "--reason") == 0  ? &options->reason
                                          : NULL;
}

static gboolean *flag_of(WeftActionOptions *options, const char *word)
{
  return strcmp(word, "--json") == 0         ? &options->json
         : strcmp(word, "--help") == 0       ? &options->help
         : strcmp(word, "--dry-run") == 0    ? &options->dry_run
         : strcmp(word, "--quarantine") == 0 ? &options->quarantine
         : strcmp(word, "--force") == 0      ? &options->force
         : strcmp(word, "--quick") == 0      ? &options->quick
                                             : NULL;
}

static int set_number(WeftActionOptions *options, const char *word, const char *value)
{
  gboolean is_timeout = strcmp(word, "--timeout") == 0;
  guint64 number, most = is_timeout ? MAX_TIMEOUT_S : MAX_LAST;
  if (!g_ascii_string_to_unsigned(value, 10, 1, most, &number, NULL))
    return weft_command_usage_error(options->command, "%s: expected %s from 1 to %d, found %s", word,
                                    is_timeout ? "seconds" : "a number", (int)most, value);
  if (is_timeout)
    options->timeout_ms = (guint)number * 1000;
  else
    options->last = (guint)number;
  return WEFT_EXIT_OK;
}

/* Takes argv[*i], and its value where it has one. */
static int take_option(WeftActionOptions *options, char **names, int argc, char **argv, int *i)
{
  const char *word = argv[*i];
  gboolean *flag = flag_of(options, word);
  const char **text = text_of(options, word);
  if (!g_strv_contains((const char *const *)names, word))
    return unknown(options->command, "an option here", word, (const char *const *)names, g_strv_length(names));
  if (flag) {
    *flag = TRUE;
    return WEFT_EXIT_OK;
  }
  if (*i + 1 == argc)
    return weft_command_usage_error(options->command, "%s: a value is missing", word);
  const char *value = argv[++*i];
  if (!text)
    return set_number(options, word, value);
  if (!*value)
    return weft_command_usage_error(options->command, "%s: expected %s", word,
                                    strcmp(word, "--catalogue") == 0 ? "a folder" : "a text");
  *text = value;
  return WEFT_EXIT_OK;
}

static int parse(WeftActionOptions *options, const WeftAction *action, int argc, char **argv)
{
  g_autofree char *all = g_strconcat("--json --catalogue --help ", action->options, NULL);
  g_auto(GStrv) names = g_strsplit(g_strchomp(all), " ", -1);
  gboolean literal = FALSE;
  for (int i = 2; i < argc; i++) {
    if (!literal && strcmp(argv[i], "--") == 0) {
      literal = TRUE;
    } else if (literal || argv[i][0] != '-') {
      g_ptr_array_add(options->words, argv[i]);
    } else {
      int code = take_option(options, names, argc, argv, &i);
      if (code != WEFT_EXIT_OK)
        return code;
    }
  }
  return WEFT_EXIT_OK;
}

static char *listed(const WeftAction *actions, guint n)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", actions[i].name);
  return g_string_free(text, FALSE);
}

int weft_action_run(const WeftCommand *command, const WeftAction *actions, guint n, int argc, char **argv)
{
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  g_autofree const char **names = g_new0(const char *, n);
  WeftActionOptions options = {.command = command, .words = words};
  if (argc < 2) {
    g_autofree char *all = listed(actions, n);
    return weft_command_usage_error(command, "what to do is missing: %s", all);
  }
  for (guint i = 0; i < n; i++) {
    names[i] = actions[i].name;
    if (strcmp(argv[1], names[i]) != 0)
      continue;
    int code = parse(&options, &actions[i], argc, argv);
    if (code != WEFT_EXIT_OK)
      return code;
    return options.help ? weft_command_help(command) : actions[i].run(&options);
  }
  return unknown(command, "an action", argv[1], names, n);
}
