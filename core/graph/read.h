/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file read.h
 * Inside core/graph: how the sections of a file are read from its tree. Each
 * function reports what is wrong, at the place of the value, and goes on; of a
 * value that is already reported it says nothing.
 * node: who it belongs to, for messages; NULL: none. example: what a hint shows.
 */
#ifndef WEFT_CORE_READ_H
#define WEFT_CORE_READ_H

#include "pipeline.h"

typedef struct WeftLoad WeftLoad; /* subpipeline.h */

typedef struct {
  WeftPipeline *pipeline;
  WeftDiagnostics *diagnostics;
  const WeftLoad *load; /* NULL: other files are not read */
} WeftReader;

/** As weft_pipeline_parse, for whom load says. */
WeftPipeline *weft_pipeline_parse_in(const char *text, gsize n_bytes, const char *path, WeftVariables *variables,
                                     const WeftLoad *load, WeftDiagnostics *diagnostics);

/** "a list", "nothing": what stands there, for messages. */
const char *weft_yaml_kind_name(const WeftYaml *yaml);
/** Value of a key in a map, or NULL. */
const WeftYaml *weft_yaml_get(const WeftYaml *map, const char *key);
/**
 * Every key is in `known`; those in `later` belong to the format but not to this version of Weft. Both end with NULL.
 * FALSE: a key is not known (reported), and may have been meant to be one that seems to be missing.
 */
gboolean weft_read_keys(WeftReader *reader, const WeftYaml *map, const char *what, const char *node,
                    const char *const *known, const char *const *later);
gboolean weft_read_name(WeftReader *reader, const WeftYaml *at, const char *what);
/** The text of a scalar; NULL: reported. */
const char *weft_read_text(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                           const char *example);
/** FALSE: reported. */
gboolean weft_read_bool(WeftReader *reader, const WeftYaml *value, const char *node, const char *what, gboolean *out);
/** Whether value is a map; FALSE: reported. */
gboolean weft_read_map(WeftReader *reader, const WeftYaml *value, const char *node, const char *what,
                       const char *example);
/** A time with its unit, 1 ns to 24 h; 0: reported. */
guint64 weft_read_time_ns(WeftReader *reader, const WeftYaml *value, const char *text, const char *node,
                          const char *what);
/** A new, empty array of WeftReference. Caller frees with g_array_unref. */
GArray *weft_references_new(void);
/** Appends the reference that value spells; one without a name where it spells none. */
void weft_read_reference(WeftReader *reader, GArray *into, const WeftYaml *key, const WeftYaml *value, const char *node,
                         const char *what);

/* policy-read.c, when.c: the value of one key of a node, into its policy. */
void weft_read_on_missing(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);
void weft_read_on_error(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);
void weft_read_on_verdict(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);
void weft_read_batch(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);
void weft_read_when(WeftReader *reader, const WeftYaml *value, const char *node, WeftNodePolicy *policy);

/* context.c, assets.c: one entry of these sections. */
void weft_read_context(WeftReader *reader, const WeftYaml *key, const WeftYaml *value);
void weft_read_asset(WeftReader *reader, const WeftYaml *key, const WeftYaml *value);

/** node.c: one entry under `nodes`, appended to the pipeline's. */
void weft_read_node(WeftReader *reader, const WeftYaml *key, const WeftYaml *value);
void weft_node_clear(gpointer node);
/** What nodes and slots have alike, of the map that stands under the name: use, model, params, isolate. */
void weft_read_node_plugin(WeftReader *reader, WeftNodeDecl *node);

/** slots-read.c: `slots` and `select` of a node. */
void weft_read_slots(WeftReader *reader, WeftNodeDecl *node);

#endif
