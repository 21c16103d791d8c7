/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file oneline.h
 * The one-line form of a pipeline, read into the same tree as a YAML file, so
 * that everything behind the tree, errors with their columns included, is the
 * same:
 *
 *     picture:image ! vit@1 model=models/vit ! classifier@1 model=models/head
 *
 *   line    = part {";" part}
 *   part    = chain | "out" {NAME "=" REFERENCE}
 *   chain   = source {"!" node} | node {"!" node}
 *   source  = NAME ":" TYPE ["?"] {KEY "=" VALUE} | REFERENCE
 *   node    = [NAME "="] USE {KEY "=" VALUE}
 *
 * KEY is a key of a node or input (model, isolate, deadline, when, batch, ...),
 * `in.PORT=REFERENCE`, `as=PORT` (the input that the chain feeds), `port=PORT`
 * (the output that the chain carries on; otherwise the main one),
 * `param.NAME=VALUE`, `asset.PARAM=FILE`, or KEY.SUB=VALUE of a key that holds a
 * map. A value with spaces, `!` or `;` stands in quotes. A node without a
 * name is called as its plugin (`vit`, the next one `vit-2`); without `out` the
 * nodes that nothing reads are the outputs.
 */
#ifndef WEFT_CORE_ONELINE_H
#define WEFT_CORE_ONELINE_H

#include "yamltree.h"

/** Longest line, bytes. */
#define WEFT_ONELINE_MAX_BYTES 16384u

/** Whether a text is meant as a pipeline in one line and not as the path of a file: it holds a `!` and is no file. */
gboolean weft_oneline_is(const char *text);
/** NULL: diagnostics say why. variables: what ${NAME} stands for in values; NULL: none. Free with weft_yaml_free. */
WeftYaml *weft_oneline_parse(const char *text, WeftVariables *variables, WeftDiagnostics *diagnostics);

#endif
