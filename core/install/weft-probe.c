/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Program weft-probe: loads one plugin file and looks whether the code keeps
 * what the manifest says. Writes lines of JSON to descriptor 3: what it is
 * doing ({"doing": ...}), at last {"done": true}, with code and reason where
 * the plugin is to be refused.
 */
#include "hosttable.h"
#include "manifest.h"
#include "module.h"

#include <weft/compute.h>

#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define REPORT_FD 3

static void report(json_t *line)
{
  char *text = json_dumps(line, JSON_COMPACT);
  g_autofree char *whole = g_strconcat(text, "\n", NULL);
  /* One write: the reader never sees half a verdict of a process that goes on. */
  if (write(REPORT_FD, whole, strlen(whole)) != (ssize_t)strlen(whole))
    _exit(1);
  free(text);
  json_decref(line);
}

static void doing(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void doing(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  report(json_pack("{s:s}", "doing", text));
}

/* Reports the verdict and ends without running the plugin's destructors. */
G_NORETURN static void refuse(const char *code, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void refuse(const char *code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *words = g_strdup_vprintf(format, args);
  g_autofree char *text = g_utf8_make_valid(words, -1);
  va_end(args);
  /* The plugin's own words among it: one line, and nothing that a terminal obeys. */
  for (char *c = text; *c; c++)
    if (g_ascii_iscntrl(*c))
      *c = ' ';
  report(json_pack("{s:s, s:s, s:b}", "code", code, "reason", text, "done", 1));
  _exit(0);
}

static void limit(void)
{
  const struct rlimit none = {0, 0};
  const struct rlimit descriptors = {64, 64};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_FSIZE, &none);
  setrlimit(RLIMIT_NOFILE, &descriptors);
  /* A write to a file then fails with EFBIG, which a plugin can report. */
  signal(SIGXFSZ, SIG_IGN);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  /* A sanitizer reserves far more than that for itself. */
  const struct rlimit data = {(rlim_t)4 << 30, (rlim_t)4 << 30};
  setrlimit(RLIMIT_DATA, &data);
#endif
}

static const char *load_code(weft_status status, const char *message)
{
  if (status == WEFT_CONTRACT)
    return strstr(message, "draft") ? "other-contract" : "no-entry";
  if (status == WEFT_UNAVAILABLE && strstr(message, "cannot open shared object file"))
    return "missing-library";
  return status == WEFT_UNAVAILABLE ? "cannot-load" : "init-failed";
}

static gboolean can_create(const WeftPluginSpec *plugin)
{
  if (plugin->model == WEFT_MODEL_REQUIRED)
    return FALSE;
  for (guint i = 0; i < plugin->params->len; i++)
    if (!((const WeftParamSpec *)g_ptr_array_index(plugin->params, i))->has_default)
      return FALSE;
  for (guint i = 0; i < plugin->inputs->len; i++) {
    const WeftPortSpec *input = g_ptr_array_index(plugin->inputs, i);
    for (guint d = 1; d < input->rank; d++)
      if (input->dims[d].name)
        return FALSE;
    if (input->variadic)
      return FALSE;
  }
  return TRUE;
}

static void fill_port(const WeftPortSpec *spec, struct weft_port *out)
{
  struct weft_attribute *attributes = g_new0(struct weft_attribute, spec->attributes->len + 1);
  memset(out, 0, sizeof *out);
  out->name = spec->name;
  out->dtype = spec->dtype;
  out->rank = spec->rank;
  out->n_split_levels = spec->n_splits;
  for (guint d = 0; d < spec->rank; d++)
    out->dims[d] = spec->dims[d].size;
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = g_ptr_array_index(spec->attributes, i);
    attributes[i] = (struct weft_attribute){attribute->key, attribute->value};
  }
  out->attributes = attributes;
  out->n_attributes = spec->attributes->len;
}

static void fill_parameter(const WeftParamSpec *spec, struct weft_parameter *out)
{
  memset(out, 0, sizeof *out);
  out->name = spec->name;
  out->text = spec->default_text;
  out->type = spec->type;
  out->number = spec->default_number;
  if (spec->type == WEFT_PARAMETER_INT)
    out->integer = g_ascii_strtoll(spec->default_text, NULL, 10);
  else if (spec->type == WEFT_PARAMETER_BOOL)
    out->integer = spec->default_number != 0;
}

static void compare_port(const char *file, const char *id, const WeftPortSpec *said, const struct weft_port *found)
{
  if (!found->name || strcmp(found->name, said->name) != 0)
    refuse("other-ports", "%s: plugin \"%s\": the manifest names the output \"%s\", `ports` answers \"%s\" in its place",
           file, id, said->name, found->name ? found->name : "");
  if (!weft_dtype_equal(found->dtype, said->dtype)) {
    const char *name = weft_dtype_name(found->dtype);
    refuse("other-ports", "%s: plugin \"%s\", output \"%s\": %s in the manifest, %s by `ports`", file, id, said->name,
           weft_dtype_name(said->dtype), name ? name : "an unknown element type");
  }
  if (found->rank != said->rank)
    refuse("other-ports", "%s: plugin \"%s\", output \"%s\": %u dims in the manifest, %u by `ports`", file, id,
           said->name, said->rank, found->rank);
  for (guint d = 0; d < said->rank; d++)
    if (said->dims[d].size > 0 && said->dims[d].size != found->dims[d])
      refuse("other-ports", "%s: plugin \"%s\", output \"%s\": dim %u is %" G_GINT64_FORMAT " in the manifest, %"
             G_GINT64_FORMAT " by `ports`", file, id, said->name, d, said->dims[d].size, (gint64)found->dims[d]);
  if (found->n_split_levels != said->n_splits)
    refuse("other-ports", "%s: plugin \"%s\", output \"%s\": splits %u in the manifest, %u by `ports`", file, id,
           said->name, said->n_splits, found->n_split_levels);
  if (said->n_splits && found->rows_kind != said->rows_kind)
    refuse("other-ports", "%s: plugin \"%s\", output \"%s\": its rows are of another kind in the manifest than by `ports`",
           file, id, said->name);
}

/* What a plugin may not change, as it was before the file was loaded. */
static struct {
  guint n_threads;
  struct sigaction signals[NSIG];
} before;

static guint count_threads(void)
{
  g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
  guint n = 0;
  while (tasks && g_dir_read_name(tasks))
    n++;
  return n;
}

static void remember(void)
{
  before.n_threads = count_threads();
  for (int i = 1; i < NSIG; i++)
    sigaction(i, NULL, &before.signals[i]);
}

static void check_manners(const char *file, const WeftPluginSpec *plugin)
{
  guint n = count_threads();
  if (plugin->fork_safe && n > before.n_threads)
    refuse("starts-threads", "%s: plugin \"%s\": runs threads before activate (%u), so that a process with it cannot be "
           "forked; start them in activate, or say \"fork_safe\": false", file, plugin->id, n - before.n_threads);
  for (int i = 1; i < NSIG; i++) {
    struct sigaction now;
    if (sigaction(i, NULL, &now) == 0 && now.sa_handler != before.signals[i].sa_handler)
      refuse("takes-signals", "%s: plugin \"%s\": changes what SIG%s does; signals belong to the program", file, plugin->id,
             sigabbrev_np(i) ? sigabbrev_np(i) : "?");
  }
}

/* Without a model and with all defaults an instance can be made: do its ports match? */
static void check_ports(const char *file, const WeftPluginSpec *plugin, const struct weft_node *node)
{
  g_autofree struct weft_port *inputs = g_new0(struct weft_port, plugin->inputs->len + 1);
  g_autofree struct weft_parameter *parameters = g_new0(struct weft_parameter, plugin->params->len + 1);
  struct weft_setup setup = {0};
  struct weft_ports ports = {0};
  void *instance = NULL;
  for (guint i = 0; i < plugin->inputs->len; i++)
    fill_port(g_ptr_array_index(plugin->inputs, i), &inputs[i]);
  for (guint i = 0; i < plugin->params->len; i++)
    fill_parameter(g_ptr_array_index(plugin->params, i), &parameters[i]);
  struct weft_config config = {.node_name = "probe", .parameters = parameters, .inputs = inputs,
                               .n_parameters = plugin->params->len, .n_inputs = plugin->inputs->len};
  doing("making \"%s\" (create)", plugin->id);
  weft_status status = node->create(&setup, &config, &instance);
  if (status != WEFT_OK)
    refuse("create-failed", "%s: plugin \"%s\": create fails with the defaults of its manifest: %s", file, plugin->id,
           setup.message[0] ? setup.message : "no message");
  doing("asking \"%s\" for its outputs (ports)", plugin->id);
  status = node->ports(instance, &setup, &ports);
  if (status != WEFT_OK)
    refuse("create-failed", "%s: plugin \"%s\": ports fails: %s", file, plugin->id,
           setup.message[0] ? setup.message : "no message");
  if (ports.n_outputs != plugin->outputs->len)
    refuse("other-ports", "%s: plugin \"%s\": the manifest has %u outputs, `ports` answers %u", file, plugin->id,
           plugin->outputs->len, ports.n_outputs);
  for (guint i = 0; i < plugin->outputs->len; i++)
    compare_port(file, plugin->id, g_ptr_array_index(plugin->outputs, i), &ports.outputs[i]);
  check_manners(file, plugin);
  doing("freeing \"%s\" (destroy)", plugin->id);
  node->destroy(instance);
}

static void check_plugin(const char *file, struct weft_module *module, const WeftPluginSpec *plugin)
{
  char message[WEFT_MESSAGE_BYTES];
  check_manners(file, plugin);
  if (strcmp(plugin->kind, WEFT_KIND_COMPUTE) == 0) {
    doing("asking for the compute table of \"%s\"", plugin->id);
    if (!weft_module_extension(module, plugin->id, WEFT_COMPUTE_ID))
      refuse("no-node", "%s: the manifest offers \"%s\" of kind compute, get_extension has no " WEFT_COMPUTE_ID " for it",
             file, plugin->id);
    return;
  }
  doing("asking for the node \"%s\"", plugin->id);
  const struct weft_node *node = weft_module_node(module, plugin->id, message);
  if (!node && strstr(message, "get_node knows no"))
    refuse("no-node", "%s, which the manifest offers", message);
  if (!node)
    refuse("bad-node", "%s", message);
  if (can_create(plugin))
    check_ports(file, plugin, node);
}

int main(int argc, char **argv)
{
  static const char nobody[] = "weft-probe-asks-for-nobody";
  char message[WEFT_MESSAGE_BYTES];
  struct weft_module *module = NULL;
  g_autoptr(GError) error = NULL;
  if (argc != 2) {
    fprintf(stderr, "usage: weft-probe FILE.so 3>REPORT\n");
    return 2;
  }
  /* In a process group of its own it gets no Ctrl-C, and a plugin that hangs would outlive who asked. Whoever ended
     before this line reads no report, and the first write ends the probe. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  limit();
  doing("reading the manifest");
  g_autoptr(WeftElf) elf = weft_elf_read(argv[1], &error);
  gsize n_bytes = 0;
  const char *json = elf ? g_bytes_get_data(elf->manifest, &n_bytes) : NULL;
  g_autoptr(WeftManifest) manifest = elf ? weft_manifest_parse(json, n_bytes, argv[1], &error) : NULL;
  if (!manifest)
    refuse("bad-manifest", "%s", error->message);
  remember();
  doing("loading the file (init)");
  weft_status status = weft_module_load(argv[1], &module, message);
  if (status != WEFT_OK)
    refuse(load_code(status, message), "%s", message);
  for (guint i = 0; i < manifest->plugins->len; i++)
    check_plugin(argv[1], module, g_ptr_array_index(manifest->plugins, i));
  doing("asking for a node that is not in the manifest");
  if (weft_module_node(module, nobody, message))
    refuse("any-node", "%s: get_node answers a node for any id, also for \"%s\"; it must be NULL for ids that are not in "
                       "the manifest", argv[1], nobody);
  report(json_pack("{s:b}", "done", 1));
  _exit(0);
}
