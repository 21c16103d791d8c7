/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"
#include "plugin-private.h"
#include "stats.h"

#include <stdio.h>
#include <string.h>

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
  static const char *const types[] = {"text", "int", "number", "bool", "asset"};
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
  printf("state       %s in %s\n", row->bundled ? "bundled" : "installed", row->catalogue);
  printf("file        %s\n", row->path);
}

static json_t *row_json(const WeftPluginRow *row, const WeftPluginStats *seen)
{
  json_t *stats = json_pack("{s:I, s:I, s:I, s:o, s:o}", "starts", (json_int_t)seen->n_starts, "calls",
                            (json_int_t)seen->n_calls, "crashes", (json_int_t)seen->n_crashes, "last_crash_at",
                            seen->last_crash_at ? json_integer(seen->last_crash_at) : json_null(), "last_crash",
                            weft_command_text(seen->last_crash));
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "id", weft_command_text(row->id), "version",
                   weft_command_text(row->version), "kind", weft_command_text(row->kind), "summary",
                   weft_command_text(row->summary), "sha256", weft_command_text(row->sha256), "path",
                   weft_command_text(row->path), "catalogue", weft_command_text(row->catalogue), "state",
                   row->bundled ? "bundled" : "installed", "stats", stats, "manifest",
                   json_loads(row->manifest, 0, NULL));
}

static void print_stats(const WeftPluginStats *seen)
{
  if (seen->n_starts)
    printf("seen        %" G_GINT64_FORMAT " starts and %" G_GINT64_FORMAT " calls in a process of its own, %"
           G_GINT64_FORMAT " crashes\n", seen->n_starts, seen->n_calls, seen->n_crashes);
  if (!seen->last_crash)
    return;
  g_autofree char *when = weft_action_time(seen->last_crash_at);
  printf("last crash  %s: %s\n", when, seen->last_crash);
}

static int print(const WeftActionOptions *options, WeftCatalogue *catalogue, const WeftPluginRow *row)
{
  g_autoptr(GError) error = NULL;
  WeftPluginStats seen;
  g_autoptr(WeftManifest) manifest = weft_manifest_parse(row->manifest, strlen(row->manifest), row->path, &error);
  const WeftPluginSpec *plugin = manifest ? weft_manifest_find(manifest, row->id) : NULL;
  if (!manifest)
    return weft_action_fail(options, error);
  if (!plugin) {
    fprintf(stderr, "weft plugin: %s: the manifest kept there does not name \"%s\": catalogue.db was changed by hand; "
                    "remove the plugin and install it again\n", row->catalogue, row->id);
    return WEFT_EXIT_PIPELINE;
  }
  weft_catalogue_learned(catalogue, row->sha256, row->id, &seen);
  if (options->json) {
    weft_command_print_json(row_json(row, &seen));
  } else {
    print_plugin(row, manifest, plugin);
    print_stats(&seen);
  }
  g_free((char *)seen.last_crash);
  return WEFT_EXIT_OK;
}

int weft_plugin_show(const WeftActionOptions *options)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *id = NULL, *version = NULL;
  if (!weft_action_name(options, "show", &id, &version))
    return WEFT_EXIT_USAGE;
  g_autoptr(WeftCatalogue) catalogue = weft_action_open(options, &error);
  g_autoptr(WeftPluginRow) row = catalogue ? weft_catalogue_find(catalogue, id, version, &error) : NULL;
  return row ? print(options, catalogue, row) : weft_action_fail(options, error);
}
