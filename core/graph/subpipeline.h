/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file subpipeline.h
 * Inside core/graph: `use: other@1` where the catalogue holds a pipeline of
 * that name, `use: pipeline:other@1`, and `use: ./other.yaml`. The pipeline is
 * read on its own, and its nodes then take the place of the node as NODE/INNER:
 * what refers to its bound inputs refers to what binds them, what refers to
 * NODE.OUTPUT refers to what gives it.
 */
#ifndef WEFT_CORE_SUBPIPELINE_H
#define WEFT_CORE_SUBPIPELINE_H

#include "read.h"

/** How deep pipelines may stand in each other, the file itself counted. */
#define WEFT_SUBPIPELINE_MAX_DEPTH 8

/** Which file is being read, for whom: borrowed while it is read. */
struct WeftLoad {
  WeftCatalogue *catalogue; /* NULL: `use: NAME` is always a plugin */
  GHashTable *names;        /* of pipelines in the catalogue; NULL: none */
  const WeftLoad *outer;    /* NULL: the file itself */
  const char *key, *shown;  /* the file: for telling circles, and for messages */
  guint depth;
};

/** Whether value names a pipeline; node is then marked so, or the error is reported. */
gboolean weft_subpipeline_use(WeftReader *reader, WeftNodeDecl *node, const WeftYaml *value);
/** Reads the pipeline that a node uses; entered into pipeline->inlined. NULL: reported. Caller frees. */
WeftPipeline *weft_subpipeline_load(WeftReader *reader, const WeftNodeDecl *node);
/** Puts all of them in, once every section is read and before names are bound. */
void weft_subpipelines_inline(WeftReader *reader);
void weft_inlined_free(gpointer inlined);

#endif
