/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file install.h
 * Brings a plugin file into a catalogue: parse the ELF file (no code runs) ->
 * manifest, contract, machine, symbols -> digest -> probe in a process of its
 * own -> commit. A refusal is recorded with its reason.
 *
 * Codes of refusals (stable): unreadable, no-plugin, bad-manifest,
 * other-contract, other-machine, more-symbols, conflict, cannot-load,
 * missing-library, no-entry, init-failed, no-node, bad-node, any-node,
 * create-failed, other-ports, starts-threads, takes-signals, crashed, exited,
 * hung, noisy, changed. Those that only running the code can show leave the
 * file in quarantine.
 */
#ifndef WEFT_CORE_INSTALL_H
#define WEFT_CORE_INSTALL_H

#include "registrar.h"

/** How long a probe may take, where nothing else is said. */
#define WEFT_PROBE_TIMEOUT_MS 10000

typedef struct {
  const char *probe_program; /**< path of weft-probe */
  guint probe_timeout_ms;    /**< 0: WEFT_PROBE_TIMEOUT_MS */
  gboolean bundled;          /**< it comes with Weft */
} WeftInstallOptions;

typedef enum { WEFT_INSTALL_DONE, WEFT_INSTALL_UNCHANGED, WEFT_INSTALL_REFUSED } WeftInstallOutcome;

typedef struct {
  WeftInstallOutcome outcome;
  char *path, *sha256;   /**< sha256: NULL when the file could not be read */
  char *code, *reason;   /**< of a refusal; otherwise NULL */
  char **plugins;        /**< `id@version`, NULL-terminated; empty when the manifest could not be read */
} WeftInstallResult;

void weft_install_result_free(WeftInstallResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftInstallResult, weft_install_result_free)

/** How many files one group may have: each holds a descriptor until the group is durable. */
#define WEFT_INSTALL_GROUP 64

/**
 * Looks at n <= WEFT_INSTALL_GROUP files in turn, then makes all that was found
 * durable at once: of WeftInstallResult, in order; caller frees with
 * g_ptr_array_unref. NULL: a failure of the catalogue or the probe, and
 * nothing was recorded.
 */
GPtrArray *weft_install_files(WeftRegistrar *registrar, const char *const *paths, guint n,
                              const WeftInstallOptions *options, GError **error);
/** The same for one. A refusal is a result; an error is a catalogue that cannot be written or a missing probe program. */
WeftInstallResult *weft_install_file(WeftRegistrar *registrar, const char *path, const WeftInstallOptions *options,
                                     GError **error);

#endif
