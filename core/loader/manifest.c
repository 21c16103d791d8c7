/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

#include "catalogue.h"
#include "manifest-private.h"
#include "version.h"

#include <string.h>
#include <weft/slots.h>
#include <weft/source.h>

G_DEFINE_QUARK(weft-error-quark, weft_error)

static const char *const kinds[] = {WEFT_KIND_READER, WEFT_KIND_SOURCE, WEFT_KIND_ENCODER, WEFT_KIND_FUSION,
                                    WEFT_KIND_EXPERT, WEFT_KIND_HEAD,    WEFT_KIND_FILTER,
                                    WEFT_KIND_WRITER, WEFT_KIND_TRANSFORM, WEFT_KIND_COMPUTE};

gboolean weft_manifest_is_name(const char *text, const char *more)
{
  if (!g_ascii_islower(*text) || strlen(text) > WEFT_MANIFEST_MAX_NAME)
    return FALSE;
  for (; *text; text++)
    if (!g_ascii_islower(*text) && !g_ascii_isdigit(*text) && !strchr(more, *text))
      return FALSE;
  return TRUE;
}

static void magic_free(gpointer data)
{
  WeftMagic *magic = data;
  g_clear_pointer(&magic->bytes, g_bytes_unref);
  g_free(magic);
}

static void plugin_free(gpointer data)
{
  WeftPluginSpec *plugin = data;
  g_free(plugin->id);
  g_free(plugin->kind);
  g_free(plugin->summary);
  g_ptr_array_unref(plugin->inputs);
  g_ptr_array_unref(plugin->outputs);
  g_ptr_array_unref(plugin->params);
  g_free(plugin->reads_type);
  g_free(plugin->reads_format);
  g_ptr_array_unref(plugin->magic);
  g_free(plugin->determinism);
  g_strfreev(plugin->resources);
  g_strfreev(plugin->grants);
  g_free(plugin->slot_kind);
  g_free(plugin);
}

static WeftPluginSpec *plugin_new(void)
{
  WeftPluginSpec *plugin = g_new0(WeftPluginSpec, 1);
  plugin->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)weft_port_spec_free);
  plugin->outputs = g_ptr_array_new_with_free_func((GDestroyNotify)weft_port_spec_free);
  plugin->params = g_ptr_array_new_with_free_func((GDestroyNotify)weft_param_spec_free);
  plugin->magic = g_ptr_array_new_with_free_func(magic_free);
  plugin->fork_safe = TRUE;
  return plugin;
}

void weft_manifest_free(WeftManifest *manifest)
{
  if (!manifest)
    return;
  g_free(manifest->name);
  g_free(manifest->version);
  g_free(manifest->licence);
  g_ptr_array_unref(manifest->plugins);
  g_free(manifest);
}

const WeftPluginSpec *weft_manifest_find(const WeftManifest *manifest, const char *id)
{
  for (guint i = 0; i < manifest->plugins->len; i++) {
    const WeftPluginSpec *plugin = g_ptr_array_index(manifest->plugins, i);
    if (plugin->id && strcmp(plugin->id, id) == 0)
      return plugin;
  }
  return NULL;
}

static const WeftPortSpec *port_find(const GPtrArray *ports, const char *name)
{
  for (guint i = 0; i < ports->len; i++) {
    const WeftPortSpec *port = g_ptr_array_index(ports, i);
    if (strcmp(port->name, name) == 0)
      return port;
  }
  return NULL;
}

const WeftPortSpec *weft_plugin_spec_input(const WeftPluginSpec *plugin, const char *name)
{
  return port_find(plugin->inputs, name);
}

const WeftPortSpec *weft_plugin_spec_output(const WeftPluginSpec *plugin, const char *name)
{
  return port_find(plugin->outputs, name);
}

static gboolean parse_magic(WeftJson *json, const json_t *object, WeftMagic *magic)
{
  static const char *const keys[] = {"at", "hex"};
  g_autofree char *hex = NULL;
  gint64 at = 0;
  if (!weft_mjson_object(json, object, keys, G_N_ELEMENTS(keys)) ||
      !weft_mjson_int(json, object, "at", 0, 65535, &at) || !weft_mjson_required(json, object, "hex") ||
      !weft_mjson_string(json, object, "hex", WEFT_MANIFEST_MAX_ENTRIES, &hex))
    return FALSE;
  gsize n = strlen(hex);
  gsize mark = weft_mjson_enter(json, "hex");
  if (n % 2 || strspn(hex, "0123456789abcdefABCDEF") != n)
    return weft_mjson_fail(json, "expected pairs of hexadecimal digits, found \"%.40s\"", hex);
  weft_mjson_leave(json, mark);
  guint8 *bytes = g_malloc(n / 2);
  for (gsize i = 0; i < n / 2; i++)
    bytes[i] = (guint8)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
  magic->at = (gsize)at;
  magic->bytes = g_bytes_new_take(bytes, n / 2);
  return TRUE;
}

static gboolean parse_reads(WeftJson *json, const json_t *object, WeftPluginSpec *plugin)
{
  static const char *const keys[] = {"type", "format", "magic"};
  json_t *array;
  gsize mark = weft_mjson_enter(json, "reads");
  if (!weft_mjson_object(json, object, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, object, "type") ||
      !weft_mjson_string(json, object, "type", WEFT_MANIFEST_MAX_NAME, &plugin->reads_type) ||
      !weft_mjson_string(json, object, "format", WEFT_MANIFEST_MAX_NAME, &plugin->reads_format) ||
      !weft_mjson_array(json, object, "magic", WEFT_MANIFEST_MAX_ENTRIES, &array))
    return FALSE;
  if (!weft_manifest_is_name(plugin->reads_type, "_-"))
    return weft_mjson_fail(json, "expected a type of lower case letters, digits, _ and -, found \"%s\"",
                          plugin->reads_type);
  gsize inner = weft_mjson_enter(json, "magic");
  for (gsize i = 0; array && i < json_array_size(array); i++) {
    WeftMagic *magic = g_new0(WeftMagic, 1);
    g_ptr_array_add(plugin->magic, magic);
    gsize at = weft_mjson_enter_index(json, i);
    if (!parse_magic(json, json_array_get(array, i), magic))
      return FALSE;
    weft_mjson_leave(json, at);
  }
  weft_mjson_leave(json, inner);
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean grant_is_known(const char *grant)
{
  if (strcmp(grant, "gpu") == 0)
    return TRUE;
  if (g_str_has_prefix(grant, "read:"))
    return grant[5] != 0;
  if (g_str_has_prefix(grant, "threads:")) {
    guint64 n;
    return g_ascii_string_to_unsigned(grant + 8, 10, 1, 4096, &n, NULL);
  }
  if (!g_str_has_prefix(grant, "net:"))
    return FALSE;
  const char *colon = strrchr(grant + 4, ':');
  guint64 port;
  return colon && colon != grant + 4 && g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL);
}

static gboolean parse_manners(WeftJson *json, const json_t *object, WeftPluginSpec *plugin)
{
  static const char *const determinisms[] = {"bitwise", "machine", "none"};
  static const char *const needs[] = {"none", "optional", "required"};
  guint determinism = 2, model = WEFT_MODEL_NONE;
  if (!weft_mjson_word(json, object, "determinism", determinisms, G_N_ELEMENTS(determinisms), &determinism) ||
      !weft_mjson_word(json, object, "model", needs, G_N_ELEMENTS(needs), &model) ||
      !weft_mjson_bool(json, object, "pure", &plugin->pure) ||
      !weft_mjson_bool(json, object, "parallel", &plugin->parallel) ||
      !weft_mjson_bool(json, object, "blocking", &plugin->blocking) ||
      !weft_mjson_bool(json, object, "fork_safe", &plugin->fork_safe) ||
      !weft_mjson_strings(json, object, "resources", WEFT_MANIFEST_MAX_ENTRIES, WEFT_MANIFEST_MAX_TEXT,
                         &plugin->resources) ||
      !weft_mjson_strings(json, object, "grants", WEFT_MANIFEST_MAX_ENTRIES, WEFT_MANIFEST_MAX_TEXT, &plugin->grants))
    return FALSE;
  plugin->determinism = g_strdup(determinisms[determinism]);
  plugin->model = (WeftModelNeed)model;
  for (gsize i = 0; plugin->grants && plugin->grants[i]; i++)
    if (!grant_is_known(plugin->grants[i]))
      return weft_mjson_fail(json, "expected the grant net:HOST:PORT, read:PATH, threads:N or gpu, found \"%.80s\"",
                            plugin->grants[i]);
  return TRUE;
}

/* slots.h: of which kind, how many, who chooses. */
static gboolean parse_slots(WeftJson *json, const json_t *object, WeftPluginSpec *plugin)
{
  static const char *const keys[] = {"kind", "min", "max", "select"};
  static const char *const of[] = {WEFT_KIND_EXPERT, WEFT_KIND_ENCODER, WEFT_KIND_FUSION, WEFT_KIND_HEAD,
                                   WEFT_KIND_TRANSFORM};
  static const char *const selects[] = {"optional", "required", "none"};
  guint kind = 0, select = WEFT_SELECT_OPTIONAL;
  gint64 min = 1, max = WEFT_SLOTS_MAX;
  gsize mark = weft_mjson_enter(json, "slots");
  if (!weft_mjson_object(json, object, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, object, "kind") ||
      !weft_mjson_word(json, object, "kind", of, G_N_ELEMENTS(of), &kind) ||
      !weft_mjson_int(json, object, "min", 0, WEFT_SLOTS_MAX, &min) ||
      !weft_mjson_int(json, object, "max", MAX(min, 1), WEFT_SLOTS_MAX, &max) ||
      !weft_mjson_word(json, object, "select", selects, G_N_ELEMENTS(selects), &select))
    return FALSE;
  plugin->slot_kind = g_strdup(of[kind]);
  plugin->slots_min = (guint)min;
  plugin->slots_max = (guint)max;
  plugin->slot_select = (WeftSlotSelect)select;
  weft_mjson_leave(json, mark);
  return TRUE;
}

/* source.h: rows or texts, their times, the state. */
static gboolean check_source(WeftJson *json, const WeftPluginSpec *plugin)
{
  const WeftPortSpec *port[3] = {NULL};
  gboolean ok = plugin->inputs->len == 0 && plugin->outputs->len == G_N_ELEMENTS(port);
  for (guint i = 0; ok && i < G_N_ELEMENTS(port); i++)
    port[i] = g_ptr_array_index(plugin->outputs, i);
  if (ok)
    ok = port[0]->n_splits > 0 && (port[0]->n_splits == 1 || (port[0]->rank == 1 && port[0]->dtype.bits == 8)) &&
         g_strcmp0(port[1]->base, port[0]->name) == 0 && strcmp(port[1]->role, "time") == 0 && port[1]->rank == 1 &&
         port[1]->n_splits == 1 && port[1]->dtype.code == WEFT_DTYPE_INT && port[1]->dtype.bits == 64 &&
         strcmp(port[2]->name, WEFT_SOURCE_STATE) == 0 && port[2]->n_splits == 0 && port[2]->rank == 2 &&
         port[2]->dims[1].size == 2 && port[2]->dtype.code == WEFT_DTYPE_INT && port[2]->dtype.bits == 32;
  return ok || weft_mjson_fail(json, "a source has no inputs and three outputs: its rows with splits, NAME.time (i64, one "
                                    "dim, splits 1) and state (i32, dims [\"*\", 2]); see weft/source.h");
}

/* What a kind must and must not have. */
static gboolean check_kind(WeftJson *json, const json_t *object, const WeftPluginSpec *plugin)
{
  gboolean reader = strcmp(plugin->kind, WEFT_KIND_READER) == 0;
  gboolean compute = strcmp(plugin->kind, WEFT_KIND_COMPUTE) == 0;
  if (reader && !plugin->reads_type)
    return weft_mjson_required(json, object, "reads");
  if (plugin->slot_kind && (reader || compute || strcmp(plugin->kind, WEFT_KIND_SOURCE) == 0))
    return weft_mjson_fail(json, "a plugin of kind %s has no slots", plugin->kind);
  if (!reader && plugin->reads_type)
    return weft_mjson_fail(json, "only a reader has \"reads\"; this is of kind %s", plugin->kind);
  if (compute && (plugin->inputs->len || plugin->outputs->len))
    return weft_mjson_fail(json, "a compute provider has no ports");
  if (strcmp(plugin->kind, WEFT_KIND_SOURCE) == 0)
    return check_source(json, plugin);
  if (!compute && (!plugin->inputs->len || !plugin->outputs->len))
    return weft_mjson_fail(json, "a plugin of kind %s has at least one input and one output", plugin->kind);
  return TRUE;
}

static gboolean parse_plugin(WeftJson *json, const json_t *object, WeftPluginSpec *plugin)
{
  static const char *const keys[] = {"id", "kind", "summary", "model", "inputs", "outputs", "params", "reads",
                                     "determinism", "pure", "parallel", "blocking", "fork_safe", "resources",
                                     "grants", "slots"};
  guint kind = 0;
  if (!weft_mjson_object(json, object, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, object, "id") ||
      !weft_mjson_string(json, object, "id", WEFT_MANIFEST_MAX_NAME, &plugin->id))
    return FALSE;
  if (!weft_manifest_is_name(plugin->id, "-"))
    return weft_mjson_fail(json, "expected an id of lower case letters, digits and -, found \"%s\"", plugin->id);
  if (!weft_mjson_required(json, object, "kind") ||
      !weft_mjson_word(json, object, "kind", kinds, G_N_ELEMENTS(kinds), &kind))
    return FALSE;
  plugin->kind = g_strdup(kinds[kind]);
  if (!weft_mjson_string(json, object, "summary", WEFT_MANIFEST_MAX_TEXT, &plugin->summary) ||
      !weft_manifest_parse_ports(json, object, "inputs", FALSE, plugin->inputs) ||
      !weft_manifest_parse_ports(json, object, "outputs", TRUE, plugin->outputs) ||
      !weft_manifest_check_terms(json, plugin) || !weft_manifest_check_states(json, plugin) ||
      !weft_manifest_parse_params(json, object, plugin->params) || !parse_manners(json, object, plugin))
    return FALSE;
  const json_t *reads = json_object_get(object, "reads"), *slots = json_object_get(object, "slots");
  return (!slots || parse_slots(json, slots, plugin)) && (!reads || parse_reads(json, reads, plugin)) &&
         check_kind(json, object, plugin);
}

static gboolean parse_plugins(WeftJson *json, const json_t *root, WeftManifest *manifest)
{
  json_t *array;
  if (!weft_mjson_required(json, root, "plugins") ||
      !weft_mjson_array(json, root, "plugins", WEFT_MANIFEST_MAX_PLUGINS, &array))
    return FALSE;
  gsize mark = weft_mjson_enter(json, "plugins");
  if (json_array_size(array) == 0)
    return weft_mjson_fail(json, "expected at least one plugin");
  for (gsize i = 0; i < json_array_size(array); i++) {
    WeftPluginSpec *plugin = plugin_new();
    gsize inner = weft_mjson_enter_index(json, i);
    gboolean ok = parse_plugin(json, json_array_get(array, i), plugin);
    if (ok && weft_manifest_find(manifest, plugin->id))
      ok = weft_mjson_fail(json, "the id \"%s\" is there twice", plugin->id);
    g_ptr_array_add(manifest->plugins, plugin);
    if (!ok)
      return FALSE;
    weft_mjson_leave(json, inner);
  }
  weft_mjson_leave(json, mark);
  return TRUE;
}

static gboolean parse_file(WeftJson *json, const json_t *root, WeftManifest *manifest)
{
  static const char *const keys[] = {"weft", "name", "version", "licence", "plugins"};
  gint64 contract = 0;
  WeftVersion version;
  if (!weft_mjson_object(json, root, keys, G_N_ELEMENTS(keys)) || !weft_mjson_required(json, root, "weft") ||
      !weft_mjson_int(json, root, "weft", 1, G_MAXUINT32, &contract) || !weft_mjson_required(json, root, "name") ||
      !weft_mjson_string(json, root, "name", WEFT_MANIFEST_MAX_NAME, &manifest->name) ||
      !weft_mjson_required(json, root, "version") ||
      !weft_mjson_string(json, root, "version", WEFT_VERSION_MAX_BYTES - 1, &manifest->version) ||
      !weft_mjson_required(json, root, "licence") ||
      !weft_mjson_string(json, root, "licence", WEFT_MANIFEST_MAX_TEXT, &manifest->licence))
    return FALSE;
  manifest->contract = (guint)contract;
  if (!weft_manifest_is_name(manifest->name, "-"))
    return weft_mjson_fail(json, "expected a name of lower case letters, digits and -, found \"%s\"", manifest->name);
  if (!weft_version_parse(manifest->version, &version))
    return weft_mjson_fail(json, "expected a semantic version such as \"1.2.3\", found \"%s\"", manifest->version);
  return parse_plugins(json, root, manifest);
}

WeftManifest *weft_manifest_parse(const char *text, gsize n_bytes, const char *source, GError **error)
{
  if (n_bytes > WEFT_MANIFEST_MAX_BYTES) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s: a manifest has at most %u bytes, this has %" G_GSIZE_FORMAT,
                source, WEFT_MANIFEST_MAX_BYTES, n_bytes);
    return NULL;
  }
  json_error_t problem;
  json_t *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &problem);
  if (!root) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_CONFIG, "%s:%d:%d: not JSON: %s", source, problem.line, problem.column,
                problem.text);
    return NULL;
  }
  WeftManifest *manifest = g_new0(WeftManifest, 1);
  manifest->plugins = g_ptr_array_new_with_free_func(plugin_free);
  g_autoptr(GString) path = g_string_new(NULL);
  WeftJson json = {source, path, error};
  gboolean ok = parse_file(&json, root, manifest);
  json_decref(root);
  if (ok)
    return manifest;
  weft_manifest_free(manifest);
  return NULL;
}
