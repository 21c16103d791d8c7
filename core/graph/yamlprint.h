/* SPDX-License-Identifier: Apache-2.0 */
/** @file yamlprint.h  A tree as YAML text again, always the same for the same tree. */
#ifndef WEFT_CORE_YAMLPRINT_H
#define WEFT_CORE_YAMLPRINT_H

#include "yamltree.h"

/** On one line: `{use: vit@^1, in: picture}`. Caller frees with g_free. */
char *weft_yaml_flow(const WeftYaml *yaml);
/**
 * A pipeline: its keys in the order of the documentation, one line for each
 * input, model, asset, node and output, keys of nodes in a fixed order. What it
 * prints is read as the same tree. Caller frees with g_free.
 */
char *weft_yaml_canonical(const WeftYaml *root);

#endif
