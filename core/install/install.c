/* SPDX-License-Identifier: Apache-2.0 */
#include "install.h"

#include "digest.h"
#include "manifest.h"
#include "probe.h"

#include <weft/entry.h>

#include <elf.h>
#include <string.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#else
#error "add the ELF machine of this processor here"
#endif

typedef struct {
  WeftRegistrar *registrar;
  const WeftInstallOptions *options;
  const char *path;            /* as given, absolute: what messages name */
  GBytes *bytes;
  WeftStaged *staged;          /* the copy in the catalogue that is probed, then stored */
  WeftElf *elf;
  WeftManifest *manifest;
  char *text;                  /* of the manifest */
  WeftRegistrarPlugin *plugins;
  WeftRegistrarFile file;
  WeftInstallResult *result;
} Install;

void weft_install_result_free(WeftInstallResult *result)
{
  if (!result)
    return;
  g_free(result->path);
  g_free(result->sha256);
  g_free(result->code);
  g_free(result->reason);
  g_strfreev(result->plugins);
  g_free(result);
}

/* Always FALSE: the file is refused. */
static gboolean refuse(Install *install, const char *code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static gboolean refuse(Install *install, const char *code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  install->result->outcome = WEFT_INSTALL_REFUSED;
  install->result->code = g_strdup(code);
  install->result->reason = g_strdup_vprintf(format, args);
  va_end(args);
  return FALSE;
}

static void describe(Install *install)
{
  const WeftManifest *manifest = install->manifest;
  guint n = manifest->plugins->len;
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  install->plugins = g_new0(WeftRegistrarPlugin, n);
  for (guint i = 0; i < n; i++) {
    const WeftPluginSpec *plugin = g_ptr_array_index(manifest->plugins, i);
    install->plugins[i] = (WeftRegistrarPlugin){plugin->id, plugin->kind, plugin->summary, plugin->reads_type};
    g_autofree char *name = g_strdup_printf("%s@%s", plugin->id, manifest->version);
    g_strv_builder_add(names, name);
  }
  g_strfreev(install->result->plugins);
  install->result->plugins = g_strv_builder_end(names);
  install->file.name = manifest->name;
  install->file.version = manifest->version;
  install->file.licence = manifest->licence;
  install->file.contract = manifest->contract;
  install->file.manifest = install->text;
  install->file.plugins = install->plugins;
  install->file.n_plugins = n;
}

/* Everything that can be known without running code. FALSE: refused. */
static gboolean inspect(Install *install)
{
  g_autoptr(GError) error = NULL;
  install->bytes = weft_elf_load(install->path, &error);
  if (!install->bytes)
    return refuse(install, "unreadable", "%s", error->message);
  gsize n_bytes, n_text;
  const void *data = g_bytes_get_data(install->bytes, &n_bytes);
  install->result->sha256 = weft_digest_of(data, n_bytes);
  install->file.sha256 = install->result->sha256;
  install->file.n_bytes = (gint64)n_bytes;
  install->elf = weft_elf_parse(data, n_bytes, install->path, &error);
  if (!install->elf)
    return refuse(install, "no-plugin", "%s", error->message);
  const char *text = g_bytes_get_data(install->elf->manifest, &n_text);
  install->manifest = weft_manifest_parse(text, n_text, install->path, &error);
  if (!install->manifest)
    return refuse(install, "bad-manifest", "%s", error->message);
  install->text = g_strndup(text, n_text);
  install->file.machine = install->elf->machine;
  describe(install);
  if (install->manifest->contract != WEFT_CONTRACT_VERSION)
    return refuse(install, "other-contract",
                  "%s: its manifest is written for draft %u of the plugin contract, this host speaks draft %u; build the "
                  "plugin against the headers of this version of Weft",
                  install->path, install->manifest->contract, WEFT_CONTRACT_VERSION);
  if (install->elf->machine != OWN_MACHINE)
    return refuse(install, "other-machine", "%s: built for another processor (ELF machine %u, this is %u)",
                  install->path, install->elf->machine, OWN_MACHINE);
  for (gsize i = 0; install->elf->exported[i]; i++)
    if (strcmp(install->elf->exported[i], WEFT_ENTRY_SYMBOL) != 0)
      return refuse(install, "more-symbols",
                    "%s: exports \"%s\"; a plugin exports " WEFT_ENTRY_SYMBOL " alone, or its names meet those of other "
                    "plugins: compile with -fvisibility=hidden and link with -Wl,--exclude-libs,ALL",
                    install->path, install->elf->exported[i]);
  return TRUE;
}

static char *replace(const char *text, const char *from, const char *to)
{
  g_auto(GStrv) parts = g_strsplit(text, from, -1);
  return g_strjoinv(to, parts);
}

/* Probes the staged file. FALSE with error: the probe itself cannot be run. */
static gboolean probe(Install *install, GError **error)
{
  WeftProbeVerdict verdict;
  guint timeout_ms = install->options->probe_timeout_ms ? install->options->probe_timeout_ms : WEFT_PROBE_TIMEOUT_MS;
  if (!weft_probe_run(install->options->probe_program, install->staged->path, timeout_ms, &verdict, error))
    return FALSE;
  if (verdict.code) {
    /* People know the file by the name they gave. */
    g_autofree char *reason = replace(verdict.reason, install->staged->path, install->path);
    refuse(install, verdict.code, "%s", reason);
    weft_probe_verdict_clear(&verdict);
  }
  if (weft_staged_holds(install->staged, install->file.sha256))
    return TRUE;
  /* Not worth keeping: it is no longer what was looked at. */
  g_clear_pointer(&install->result->code, g_free);
  g_clear_pointer(&install->result->reason, g_free);
  refuse(install, "changed", "%s: its copy in the catalogue was changed while it was probed; a plugin writes to no file of "
         "the catalogue", install->path);
  g_clear_pointer(&install->staged, weft_staged_free);
  return TRUE;
}

/* Whether all that the file offers is installed from the same bytes: then it is not probed again. */
static gboolean is_installed(Install *install, gboolean *out, GError **error)
{
  *out = install->file.n_plugins > 0;
  for (guint i = 0; i < install->file.n_plugins && *out; i++) {
    g_autofree char *sha256 = NULL;
    if (!weft_registrar_holds(install->registrar, install->plugins[i].id, install->file.version, &sha256, error))
      return FALSE;
    *out = sha256 && strcmp(sha256, install->file.sha256) == 0;
  }
  return TRUE;
}

/* Everything before the catalogue is changed. FALSE with error: the catalogue or the probe cannot be used. */
static gboolean look(Install *install, GError **error)
{
  gboolean installed = FALSE;
  gsize n_bytes;
  if (!inspect(install))
    return TRUE;
  if (!is_installed(install, &installed, error))
    return FALSE;
  if (installed) {
    install->result->outcome = WEFT_INSTALL_UNCHANGED;
    return TRUE;
  }
  const void *data = g_bytes_get_data(install->bytes, &n_bytes);
  install->staged = weft_registrar_stage(install->registrar, data, n_bytes, install->file.sha256, error);
  /* Only the copy is used from here on. */
  g_clear_pointer(&install->bytes, g_bytes_unref);
  return install->staged && probe(install, error);
}

static void refuse_conflict(Install *install, WeftRegistrarEntry *entry)
{
  refuse(install, "conflict",
         "%s: %s is installed already with other content (sha256 %.12s, this is %.12s); raise the version in the manifest, "
         "or remove it first: weft plugin remove %s", install->path, entry->conflict, entry->conflict_sha256,
         install->file.sha256, entry->conflict);
  g_free(entry->conflict);
  g_free(entry->conflict_sha256);
}

/* What was found goes into the catalogue, all files at once; conflicts, which show only then, after them. */
static gboolean record(WeftRegistrar *registrar, Install *installs, guint n, GError **error)
{
  g_autofree WeftRegistrarEntry *entries = g_new0(WeftRegistrarEntry, n);
  guint n_entries = 0, n_conflicts = 0;
  for (guint i = 0; i < n; i++)
    if (installs[i].result->outcome != WEFT_INSTALL_UNCHANGED)
      entries[n_entries++] = (WeftRegistrarEntry){.file = &installs[i].file, .staged = installs[i].staged,
                                                  .code = installs[i].result->code, .reason = installs[i].result->reason};
  gboolean ok = n_entries == 0 || weft_registrar_record(registrar, entries, n_entries, error);
  for (guint i = 0, e = 0; i < n; i++) {
    if (installs[i].result->outcome == WEFT_INSTALL_UNCHANGED)
      continue;
    WeftRegistrarEntry *entry = &entries[e++];
    if (entry->unchanged)
      installs[i].result->outcome = WEFT_INSTALL_UNCHANGED;
    if (!entry->conflict)
      continue;
    refuse_conflict(&installs[i], entry);
    entries[n_conflicts++] = (WeftRegistrarEntry){.file = &installs[i].file, .code = installs[i].result->code,
                                                  .reason = installs[i].result->reason};
  }
  return ok && (n_conflicts == 0 || weft_registrar_record(registrar, entries, n_conflicts, error));
}

static void start(Install *install, WeftRegistrar *registrar, const char *path, const WeftInstallOptions *options)
{
  memset(install, 0, sizeof *install);
  install->result = g_new0(WeftInstallResult, 1);
  install->result->path = g_canonicalize_filename(path, NULL);
  install->result->plugins = g_new0(char *, 1);
  install->registrar = registrar;
  install->options = options;
  install->path = install->result->path;
  install->file.path = install->result->path;
  install->file.bundled = options->bundled;
}

static void finish(Install *install)
{
  g_clear_pointer(&install->bytes, g_bytes_unref);
  weft_staged_free(install->staged);
  weft_elf_free(install->elf);
  weft_manifest_free(install->manifest);
  weft_install_result_free(install->result);
  g_free(install->text);
  g_free(install->plugins);
}

GPtrArray *weft_install_files(WeftRegistrar *registrar, const char *const *paths, guint n,
                              const WeftInstallOptions *options, GError **error)
{
  g_autofree Install *installs = g_new0(Install, n);
  g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)weft_install_result_free);
  gboolean ok = TRUE;
  for (guint i = 0; i < n; i++)
    start(&installs[i], registrar, paths[i], options);
  for (guint i = 0; i < n && ok; i++)
    ok = look(&installs[i], error);
  ok = ok && record(registrar, installs, n, error);
  for (guint i = 0; i < n; i++) {
    if (ok)
      g_ptr_array_add(results, g_steal_pointer(&installs[i].result));
    finish(&installs[i]);
  }
  return ok ? g_steal_pointer(&results) : NULL;
}

WeftInstallResult *weft_install_file(WeftRegistrar *registrar, const char *path, const WeftInstallOptions *options,
                                     GError **error)
{
  g_autoptr(GPtrArray) results = weft_install_files(registrar, &path, 1, options, error);
  return results ? g_ptr_array_steal_index(results, 0) : NULL;
}
