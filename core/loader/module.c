/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include "hosttable.h"

#include <dlfcn.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_module {
  struct weft_module *next;
  void *handle;
  char *path;
  struct weft_entry entry; /* a copy: zeros beyond the plugin's own size */
};

static struct weft_module *modules;

#define SAY(message, ...) snprintf((message), WEFT_MESSAGE_BYTES, __VA_ARGS__)

static const char *status_words(weft_status status)
{
  static const char *const words[WEFT_N_STATUS] = {"ok",       "bad input", "bad configuration", "unsupported", "no memory",
                                                   "deadline", "cancelled", "unavailable",       "internal",    "contract broken"};
  return status >= 0 && status < WEFT_N_STATUS ? words[status] : "which is no status";
}

static weft_status copy_entry(const char *path, void *handle, struct weft_entry *out, char *message)
{
  const struct weft_entry *entry = dlsym(handle, WEFT_ENTRY_SYMBOL);
  memset(out, 0, sizeof *out);
  if (!entry) {
    SAY(message, "%s: no symbol %s; a plugin exports `WEFT_EXPORT const struct weft_entry weft_entry`", path,
        WEFT_ENTRY_SYMBOL);
    return WEFT_CONTRACT;
  }
  if (entry->size < 3 * sizeof(uint32_t)) {
    SAY(message, "%s: %s has the size %u; expected sizeof(struct weft_entry)", path, WEFT_ENTRY_SYMBOL, entry->size);
    return WEFT_CONTRACT;
  }
  memcpy(out, entry, entry->size < sizeof *out ? entry->size : sizeof *out);
  if (out->contract != WEFT_CONTRACT_VERSION) {
    SAY(message, "%s: built for draft %u of the plugin contract, this host speaks draft %u; build the plugin against "
                 "the headers of this version of Weft", path, out->contract, WEFT_CONTRACT_VERSION);
    return WEFT_CONTRACT;
  }
  if (!out->init || !out->get_node) {
    SAY(message, "%s: %s has no %s function", path, WEFT_ENTRY_SYMBOL, out->init ? "get_node" : "init");
    return WEFT_CONTRACT;
  }
  return WEFT_OK;
}

static weft_status open_and_init(const char *path, void **handle, struct weft_entry *entry, char *message)
{
  *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!*handle) {
    const char *why = dlerror();
    size_t n = strlen(path);
    /* The linker begins with the path when the file itself is at fault, with the library's name otherwise. */
    if (why && strncmp(why, path, n) == 0 && why[n] == ':')
      SAY(message, "%s", why);
    else
      SAY(message, "%s: cannot be loaded: %s", path, why ? why : "unknown reason");
    return WEFT_UNAVAILABLE;
  }
  for (const struct weft_module *m = modules; m; m = m->next)
    if (m->handle == *handle)
      return WEFT_OK;
  weft_status status = copy_entry(path, *handle, entry, message);
  if (status != WEFT_OK)
    return status;
  status = entry->init(weft_host_table());
  if (status != WEFT_OK)
    SAY(message, "%s: init refuses to work here: status %d, %s", path, (int)status, status_words(status));
  return status;
}

static struct weft_module *find(void *handle)
{
  struct weft_module *m = modules;
  while (m && m->handle != handle)
    m = m->next;
  return m;
}

weft_status weft_module_load(const char *path, struct weft_module **out, char *message)
{
  struct weft_entry entry;
  void *handle = NULL;
  fenv_t environment;
  *out = NULL;
  message[0] = 0;
  if (!strchr(path, '/')) {
    SAY(message, "%s: expected a path with a `/`: plugins are not searched among the system's libraries", path);
    return WEFT_BAD_CONFIG;
  }
  /* A plugin built with -ffast-math turns on flush-to-zero in a constructor. */
  fegetenv(&environment);
  weft_status status = open_and_init(path, &handle, &entry, message);
  fesetenv(&environment);
  struct weft_module *module = status == WEFT_OK ? find(handle) : NULL;
  if (status != WEFT_OK || module) {
    *out = module;
    return status;
  }
  module = malloc(sizeof *module);
  char *copy = strdup(path);
  if (!module || !copy) {
    free(module);
    free(copy);
    SAY(message, "%s: no memory", path);
    return WEFT_NO_MEMORY;
  }
  *module = (struct weft_module){modules, handle, copy, entry};
  modules = module;
  *out = module;
  return WEFT_OK;
}

static const char *missing_function(const struct weft_node *node)
{
  if (!node->create)
    return "create";
  if (!node->ports)
    return "ports";
  if (!node->activate)
    return "activate";
  if (!node->process)
    return "process";
  if (!node->deactivate)
    return "deactivate";
  return node->destroy ? NULL : "destroy";
}

const struct weft_node *weft_module_node(struct weft_module *module, const char *node_id, char *message)
{
  fenv_t environment;
  fegetenv(&environment);
  const struct weft_node *node = module->entry.get_node(node_id);
  fesetenv(&environment);
  message[0] = 0;
  if (!node) {
    SAY(message, "%s: get_node knows no \"%s\"", module->path, node_id);
    return NULL;
  }
  if (node->size < sizeof *node) {
    SAY(message, "%s: node \"%s\" has the size %u; expected sizeof(struct weft_node), %zu", module->path, node_id,
        node->size, sizeof *node);
    return NULL;
  }
  const char *missing = missing_function(node);
  if (missing) {
    SAY(message, "%s: node \"%s\" has no %s function; all six are needed", module->path, node_id, missing);
    return NULL;
  }
  return node;
}

const void *weft_module_extension(struct weft_module *module, const char *node_id, const char *extension_id)
{
  fenv_t environment;
  if (!module->entry.get_extension)
    return NULL;
  fegetenv(&environment);
  const void *table = module->entry.get_extension(node_id, extension_id);
  fesetenv(&environment);
  return table;
}

void weft_module_end(void)
{
  for (struct weft_module *m = modules; m; m = m->next) {
    if (m->entry.fini)
      m->entry.fini();
    m->entry.fini = NULL;
  }
}
