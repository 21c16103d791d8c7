/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include "digest.h"
#include "install.h"
#include "manifest.h"
#include "probe.h"

#include <weft/entry.h>

#include <string.h>
#include <unistd.h>

typedef struct {
  char **code, **reason;
} Verdict;

/* Always FALSE: the file is not what it was. */
static gboolean wrong(Verdict *verdict, const char *code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static gboolean wrong(Verdict *verdict, const char *code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  *verdict->code = g_strdup(code);
  *verdict->reason = g_strdup_vprintf(format, args);
  va_end(args);
  return FALSE;
}

static gboolean check_file(const WeftPluginRow *row, Verdict *verdict)
{
  g_autoptr(GError) error = NULL;
  if (access(row->path, F_OK) != 0)
    return wrong(verdict, "missing", "%s: its file is no longer in the store; install it again", row->path);
  g_autoptr(GBytes) bytes = weft_elf_load(row->path, &error);
  if (!bytes)
    return wrong(verdict, "unreadable", "%s", error->message);
  gsize n_bytes, n_manifest;
  const void *data = g_bytes_get_data(bytes, &n_bytes);
  g_autofree char *sha256 = weft_digest_of(data, n_bytes);
  if (strcmp(sha256, row->sha256) != 0)
    return wrong(verdict, "changed", "%s: the file was changed (sha256 %.12s); remove the plugin and install it again",
                 row->path, sha256);
  g_autoptr(WeftElf) elf = weft_elf_parse(data, n_bytes, row->path, &error);
  if (!elf)
    return wrong(verdict, "no-plugin", "%s", error->message);
  const char *manifest = g_bytes_get_data(elf->manifest, &n_manifest);
  if (n_manifest != strlen(row->manifest) || memcmp(manifest, row->manifest, n_manifest) != 0)
    return wrong(verdict, "other-manifest", "%s: the manifest in the file is not the one in catalogue.db, which was "
                 "changed by hand; remove the plugin and install it again", row->path);
  g_autoptr(WeftManifest) parsed = weft_manifest_parse(manifest, n_manifest, row->path, &error);
  if (!parsed)
    return wrong(verdict, "bad-manifest", "%s", error->message);
  if (parsed->contract != WEFT_CONTRACT_VERSION)
    return wrong(verdict, "other-contract", "%s: written for draft %u of the plugin contract, this host speaks draft %u; "
                 "build it again", row->path, parsed->contract, WEFT_CONTRACT_VERSION);
  return TRUE;
}

static gboolean is_released(WeftCatalogue *catalogue, const WeftPluginRow *row)
{
  g_autoptr(GPtrArray) events = weft_catalogue_events(catalogue, row->id, NULL);
  for (guint i = 0; events && i < events->len; i++) {
    const WeftInstallEvent *event = g_ptr_array_index(events, i);
    if (g_strcmp0(event->sha256, row->sha256) == 0 && strcmp(event->what, "released") == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean weft_verify_plugin(WeftCatalogue *catalogue, const WeftPluginRow *row, const WeftVerifyOptions *options,
                            char **code, char **reason, GError **error)
{
  Verdict verdict = {code, reason};
  WeftProbeVerdict probed;
  *code = *reason = NULL;
  if (!check_file(row, &verdict) || !options->probe_program || is_released(catalogue, row))
    return TRUE;
  guint timeout_ms = options->probe_timeout_ms ? options->probe_timeout_ms : WEFT_PROBE_TIMEOUT_MS;
  if (!weft_probe_run(options->probe_program, row->path, timeout_ms, &probed, error))
    return FALSE;
  *code = probed.code;
  *reason = probed.reason;
  return TRUE;
}
