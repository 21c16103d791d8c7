/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a pipeline in one line: a tree, or at least one message. */
#include "oneline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("one-line");
  g_autoptr(WeftYaml) root = weft_oneline_parse(text, NULL, diagnostics);
  g_autofree char *words = weft_diagnostics_text(diagnostics);
  if ((root == NULL) != (diagnostics->n_errors > 0) || !g_utf8_validate(words, -1, NULL))
    abort();
  if (root && (root->kind != WEFT_YAML_MAP || strcmp(weft_yaml_key(root, 0)->text, "weft") != 0))
    abort();
  return 0;
}
