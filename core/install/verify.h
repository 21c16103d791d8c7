/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file verify.h
 * Whether an installed plugin file is still what was installed.
 */
#ifndef WEFT_CORE_VERIFY_H
#define WEFT_CORE_VERIFY_H

#include "catalogue.h"

typedef struct {
  const char *probe_program; /**< path of weft-probe; NULL: no code is run */
  guint probe_timeout_ms;    /**< 0: WEFT_PROBE_TIMEOUT_MS */
} WeftVerifyOptions;

/**
 * Digest of the file in the store, its manifest against the row, contract and
 * machine, then its probe: libraries that it needs, code against manifest. A
 * file that an operator released is not probed. TRUE: *code NULL, or what is
 * wrong: missing, unreadable, changed, other-manifest, or a refusal's code;
 * *reason for people; caller frees both with g_free. FALSE: the probe cannot
 * be run.
 */
gboolean weft_verify_plugin(WeftCatalogue *catalogue, const WeftPluginRow *row, const WeftVerifyOptions *options,
                            char **code, char **reason, GError **error);

#endif
