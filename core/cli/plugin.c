/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"
#include "install.h"
#include "manifest.h"
#include "places.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "  install FILE.so...    looks at each file, probes it in a process of its own, and puts it into the catalogue;\n"
    "                        a file that is refused leaves a row with the reason (weft plugin why)\n"
    "  list                  what is installed, and what was refused\n"
    "  show ID[@VERSION]     ports, parameters and manners of a plugin\n"
    "  why ID|FILE           what happened to it: installed, refused and why, removed\n"
    "  remove ID[@VERSION]   removes the file that holds it, with every plugin in that file\n\n"
    "  --catalogue DIR       install, remove: that catalogue (made when missing) instead of the first of\n"
    "                        WEFT_CATALOGUE or the user's; list, show, why: that one alone\n"
    "  --json                the same as JSON\n"
    "  --timeout SECONDS     install: how long a probe may take (default 10, at most 600)\n\n"
    "exit codes: 0 done; 1 a file was refused, or there is no such plugin; 2 options or arguments are wrong;\n"
    "            4 the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_plugin = {"plugin", "install|list|show|why|remove [ARGUMENT...] [OPTION]...",
                                         "Installs plugins, and tells what is installed.", help, run};

#define MAX_TIMEOUT_S 600

typedef struct {
  const char *catalogue;
  gboolean json, help;
  guint timeout_ms;
  GPtrArray *words; /* of const char *: arguments after the action */
} Options;

static int report(const GError *error)
{
  fprintf(stderr, "weft plugin: %s\n", error->message);
  if (g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_RANGE))
    return WEFT_EXIT_USAGE;
  gboolean missing = g_error_matches(error, WEFT_CATALOGUE_ERROR, WEFT_CATALOGUE_ERROR_NOT_FOUND);
  return missing ? WEFT_EXIT_FAILED : WEFT_EXIT_PIPELINE;
}

static void print_json(json_t *value)
{
  json_dumpf(value, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(value);
}

/* The search order, or one catalogue alone. */
static WeftCatalogue *open_catalogue(const Options *options, GError **error)
{
  g_autofree char *bundled = options->catalogue ? NULL : weft_place_bundled_catalogue();
  if (options->catalogue)
    g_setenv("WEFT_CATALOGUE", options->catalogue, TRUE);
  return weft_catalogue_open(bundled, error);
}

/* The catalogue that is written. Caller frees with g_free. */
static char *own_folder(const Options *options)
{
  return options->catalogue ? g_strdup(options->catalogue) : weft_catalogue_default_folder();
}

/* ---- install ---- */

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

static int install(const Options *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *probe = weft_place_probe_program();
  if (options->words->len == 0)
    return weft_command_usage_error(&weft_command_plugin, "install: the file is missing");
  if (!probe) {
    fprintf(stderr, "weft plugin: the program weft-probe is missing beside this one; install Weft again\n");
    return WEFT_EXIT_PIPELINE;
  }
  const WeftInstallOptions how = {.probe_program = probe, .probe_timeout_ms = options->timeout_ms};
  g_autofree char *folder = own_folder(options);
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  json_t *all = json_array();
  int code = WEFT_EXIT_OK;
  for (guint i = 0; registrar && i < options->words->len; i++) {
    g_autoptr(WeftInstallResult) result =
        weft_install_file(registrar, g_ptr_array_index(options->words, i), &how, &error);
    if (!result)
      break;
    if (result->outcome == WEFT_INSTALL_REFUSED)
      code = WEFT_EXIT_FAILED;
    if (options->json)
      json_array_append_new(all, result_json(result));
    else
      print_result(result);
  }
  if (options->json)
    print_json(json_incref(all));
  json_decref(all);
  return error ? report(error) : code;
}

/* ---- list ---- */

static json_t *row_json(const WeftPluginRow *row)
{
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "id", weft_command_text(row->id), "version",
                   weft_command_text(row->version), "kind", weft_command_text(row->kind), "summary",
                   weft_command_text(row->summary),
                   "sha256", weft_command_text(row->sha256), "path", weft_command_text(row->path), "catalogue",
                   weft_command_text(row->catalogue), "bundled", row->bundled, "usable", row->usable, "reason",
                   weft_command_text(row->reason));
}

static const char *origin(const WeftPluginRow *row)
{
  if (!row->usable)
    return "refused";
  return row->bundled ? "bundled" : "installed";
}

static void print_rows(const GPtrArray *rows)
{
  int id = 2, version = 7, kind = 4;
  for (guint i = 0; i < rows->len; i++) {
    const WeftPluginRow *row = g_ptr_array_index(rows, i);
    id = MAX(id, (int)strlen(row->id));
    version = MAX(version, (int)strlen(row->version));
    kind = MAX(kind, (int)strlen(row->kind));
  }
  printf("%-*s  %-*s  %-*s  %-9s  %s\n", id, "ID", version, "VERSION", kind, "KIND", "STATE", "SUMMARY");
  for (guint i = 0; i < rows->len; i++) {
    const WeftPluginRow *row = g_ptr_array_index(rows, i);
    const char *text = row->usable ? row->summary : row->reason;
    printf("%-*s  %-*s  %-*s  %-9s  %s\n", id, row->id, version, row->version, kind, row->kind, origin(row),
           text ? text : "");
  }
}

static int list(const Options *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len)
    return weft_command_usage_error(&weft_command_plugin, "list takes no argument: %s",
                                    (const char *)g_ptr_array_index(options->words, 0));
  g_autoptr(WeftCatalogue) catalogue = open_catalogue(options, &error);
  g_autoptr(GPtrArray) rows = catalogue ? weft_catalogue_list(catalogue, &error) : NULL;
  if (!rows)
    return report(error);
  if (!options->json) {
    print_rows(rows);
    return WEFT_EXIT_OK;
  }
  json_t *all = json_array();
  for (guint i = 0; i < rows->len; i++)
    json_array_append_new(all, row_json(g_ptr_array_index(rows, i)));
  print_json(all);
  return WEFT_EXIT_OK;
}

/* ---- show ---- */

static void print_port(const WeftPortSpec *port)
{
  GString *line = g_string_new("[");
  for (guint d = 0; d < port->rank; d++) {
    const WeftDim *dim = &port->dims[d];
    g_string_append(line, d ? ", " : "");
    if (dim->size > 0)
      g_string_append_printf(line, "%" G_GINT64_FORMAT, dim->size);
    else
      g_string_append(line, dim->name ? dim->name : "*");
  }
  g_string_append_printf(line, "] %s", weft_dtype_name(port->dtype));
  g_string_append(line, port->n_splits == 0 ? "" : port->n_splits == 1 ? ", ragged" : ", ragged groups");
  g_string_append(line, port->optional ? ", optional" : "");
  g_string_append(line, port->explain ? ", explain" : "");
  for (guint i = 0; i < port->attributes->len; i++) {
    const WeftAttribute *attribute = g_ptr_array_index(port->attributes, i);
    g_string_append_printf(line, ", %s %s", attribute->key, attribute->value);
  }
  printf("  %s%s: %s\n", port->name, port->variadic ? "[]" : "", line->str);
  g_string_free(line, TRUE);
}

static void print_ports(const char *title, const GPtrArray *ports)
{
  if (ports->len)
    printf("%s\n", title);
  for (guint i = 0; i < ports->len; i++)
    print_port(g_ptr_array_index(ports, i));
}

static void print_parameter(const WeftParamSpec *param)
{
  static const char *const types[] = {"text", "int", "number", "bool"};
  printf("  %s: %s%s%s, ", param->name, types[param->type], param->unit ? " in " : "", param->unit ? param->unit : "");
  if (param->has_default)
    printf("default %s", param->default_text);
  else
    printf("must be given");
  if (param->has_min)
    printf(", from %g", param->min);
  if (param->has_max)
    printf(", up to %g", param->max);
  for (char **choice = param->choices; choice && *choice; choice++)
    printf("%s%s", choice == param->choices ? ", one of " : " | ", *choice);
  printf("%s%s\n", param->doc ? ": " : "", param->doc ? param->doc : "");
}

static void print_plugin(const WeftPluginRow *row, const WeftManifest *manifest, const WeftPluginSpec *plugin)
{
  static const char *const models[] = {"none", "optional", "required"};
  printf("%s@%s, %s%s%s\n", row->id, row->version, row->kind, plugin->summary ? ": " : "",
         plugin->summary ? plugin->summary : "");
  print_ports("inputs", plugin->inputs);
  print_ports("outputs", plugin->outputs);
  if (plugin->params->len)
    printf("parameters\n");
  for (guint i = 0; i < plugin->params->len; i++)
    print_parameter(g_ptr_array_index(plugin->params, i));
  if (plugin->reads_type)
    printf("reads       %s%s%s\n", plugin->reads_type, plugin->reads_format ? ", " : "",
           plugin->reads_format ? plugin->reads_format : "");
  printf("model       %s\n", models[plugin->model]);
  printf("manners     determinism %s%s%s%s%s\n", plugin->determinism, plugin->pure ? ", pure" : "",
         plugin->parallel ? ", parallel" : "", plugin->blocking ? ", blocking" : "",
         plugin->fork_safe ? "" : ", not fork safe");
  printf("licence     %s\n", manifest->licence);
  printf("state       %s in %s\n", origin(row), row->catalogue);
  printf("file        %s\n", row->path);
}

static int show(const Options *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(&weft_command_plugin, "show: expected one ID[@VERSION]");
  g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(options->words, 0), "@", 2);
  g_autoptr(WeftCatalogue) catalogue = open_catalogue(options, &error);
  g_autoptr(WeftPluginRow) row =
      catalogue ? weft_catalogue_find(catalogue, parts[0] ? parts[0] : "", parts[0] ? parts[1] : NULL, &error) : NULL;
  if (!row)
    return report(error);
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->path, &error);
  const WeftPluginSpec *plugin = manifest ? weft_manifest_find(manifest, row->id) : NULL;
  if (!manifest)
    return report(error);
  if (!plugin) {
    fprintf(stderr, "weft plugin: %s: the manifest kept there does not name \"%s\": catalogue.db was changed by hand; "
                    "remove the plugin and install it again\n", row->catalogue, row->id);
    return WEFT_EXIT_PIPELINE;
  }
  if (!options->json) {
    print_plugin(row, manifest, plugin);
    return WEFT_EXIT_OK;
  }
  json_t *object = row_json(row);
  json_object_set_new(object, "manifest", json_loads(row->manifest, 0, NULL));
  print_json(object);
  return WEFT_EXIT_OK;
}

/* ---- why ---- */

static json_t *event_json(const WeftInstallEvent *event)
{
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at", (json_int_t)event->at, "what",
                   weft_command_text(event->what), "file", weft_command_text(event->path), "sha256",
                   weft_command_text(event->sha256),
                   "plugins", weft_command_text(event->plugins), "code", weft_command_text(event->code), "reason",
                   weft_command_text(event->reason), "catalogue", weft_command_text(event->catalogue));
}

static void print_event(const WeftInstallEvent *event)
{
  g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(event->at);
  g_autofree char *when = at ? g_date_time_format(at, "%F %T") : NULL;
  printf("%s  %s", when ? when : "?", event->what);
  if (event->plugins)
    printf(" %s", event->plugins);
  if (event->code)
    printf(" (%s) %s\n", event->code, event->reason);
  else
    printf(" from %s\n", event->path);
}

static int why(const Options *options)
{
  g_autoptr(GError) error = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(&weft_command_plugin, "why: expected one ID or FILE");
  const char *word = g_ptr_array_index(options->words, 0);
  g_autoptr(WeftCatalogue) catalogue = open_catalogue(options, &error);
  g_autoptr(GPtrArray) events = catalogue ? weft_catalogue_events(catalogue, word, &error) : NULL;
  if (!events)
    return report(error);
  if (options->json) {
    json_t *all = json_array();
    for (guint i = 0; i < events->len; i++)
      json_array_append_new(all, event_json(g_ptr_array_index(events, i)));
    print_json(all);
  } else {
    for (guint i = 0; i < events->len; i++)
      print_event(g_ptr_array_index(events, i));
  }
  if (events->len)
    return WEFT_EXIT_OK;
  fprintf(stderr, "weft plugin: nothing is known of \"%s\"; `weft plugin list` shows what is installed\n", word);
  return WEFT_EXIT_FAILED;
}

/* ---- remove ---- */

/* It is not where it would be removed: say where it is. */
static void say_where(const Options *options, const char *id, const char *version)
{
  g_autoptr(WeftCatalogue) catalogue = open_catalogue(options, NULL);
  g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, id, version, NULL) : NULL;
  if (row && row->bundled)
    fprintf(stderr, "%s@%s came with Weft and goes with it\n", row->id, row->version);
  else if (row)
    fprintf(stderr, "%s@%s stands in %s; name that with --catalogue\n", row->id, row->version, row->catalogue);
}

static int remove_plugin(const Options *options)
{
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) removed = NULL;
  if (options->words->len != 1)
    return weft_command_usage_error(&weft_command_plugin, "remove: expected one ID[@VERSION]");
  g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(options->words, 0), "@", 2);
  const char *id = parts[0] ? parts[0] : "", *version = parts[0] ? parts[1] : NULL;
  g_autofree char *folder = own_folder(options);
  g_autofree char *database = g_build_filename(folder, "catalogue.db", NULL);
  if (!g_file_test(database, G_FILE_TEST_EXISTS)) {
    fprintf(stderr, "weft plugin: %s: no catalogue there\n", folder);
    if (!options->catalogue)
      say_where(options, id, version);
    return WEFT_EXIT_FAILED;
  }
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, FALSE, &error);
  if (!registrar)
    return report(error);
  if (!weft_registrar_remove(registrar, id, version, &removed, &error)) {
    int code = report(error);
    say_where(options, id, version);
    return code;
  }
  json_t *all = json_array();
  for (char **name = removed; *name; name++) {
    if (!options->json)
      printf("removed %s\n", *name);
    json_array_append_new(all, json_string(*name));
  }
  if (options->json)
    print_json(json_incref(all));
  json_decref(all);
  return WEFT_EXIT_OK;
}

/* ---- the command ---- */

static const struct {
  const char *name;
  int (*run)(const Options *options);
} actions[] = {{"install", install}, {"list", list}, {"show", show}, {"why", why}, {"remove", remove_plugin}};

static int unknown(const char *what, const char *word, const char *const *names, gsize n_names)
{
  const char *closest = weft_closest(word, names, n_names);
  return weft_command_usage_error(&weft_command_plugin, "%s is not %s%s%s%s", word, what,
                                  closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

static int parse(Options *options, int argc, char **argv)
{
  static const char *const names[] = {"--json", "--catalogue", "--timeout", "--help"};
  gboolean literal = FALSE;
  for (int i = 2; i < argc; i++) {
    const char *word = argv[i];
    guint64 seconds;
    gboolean valued = strcmp(word, "--catalogue") == 0 || strcmp(word, "--timeout") == 0;
    if (literal || word[0] != '-') {
      g_ptr_array_add(options->words, argv[i]);
    } else if (strcmp(word, "--") == 0) {
      literal = TRUE;
    } else if (strcmp(word, "--json") == 0) {
      options->json = TRUE;
    } else if (strcmp(word, "--help") == 0) {
      options->help = TRUE;
    } else if (valued && i + 1 == argc) {
      return weft_command_usage_error(&weft_command_plugin, "%s: a value is missing", word);
    } else if (strcmp(word, "--catalogue") == 0) {
      options->catalogue = argv[++i];
    } else if (!valued) {
      return unknown("an option", word, names, G_N_ELEMENTS(names));
    } else if (g_ascii_string_to_unsigned(argv[++i], 10, 1, MAX_TIMEOUT_S, &seconds, NULL)) {
      options->timeout_ms = (guint)seconds * 1000;
    } else {
      return weft_command_usage_error(&weft_command_plugin, "--timeout: expected seconds from 1 to %d, found %s",
                                      MAX_TIMEOUT_S, argv[i]);
    }
  }
  if (options->catalogue && !*options->catalogue)
    return weft_command_usage_error(&weft_command_plugin, "--catalogue: expected a folder");
  return WEFT_EXIT_OK;
}

static int run(int argc, char **argv)
{
  const char *names[G_N_ELEMENTS(actions)];
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  Options options = {.words = words};
  if (argc < 2)
    return weft_command_usage_error(&weft_command_plugin, "what to do is missing: install, list, show, why or remove");
  int code = parse(&options, argc, argv);
  if (code != WEFT_EXIT_OK)
    return code;
  if (options.help)
    return weft_command_help(&weft_command_plugin);
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
    names[i] = actions[i].name;
    if (strcmp(argv[1], names[i]) != 0)
      continue;
    return actions[i].run(&options);
  }
  return unknown("an action", argv[1], names, G_N_ELEMENTS(names));
}
