/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pipeline.h
 * A pipeline file as parsed, inside core/graph. Texts are borrowed from the
 * tree of the file. A *step* is what becomes a node of the graph: first the
 * readers, one an input and named as it, then the nodes of the file; steps are
 * counted through.
 */
#ifndef WEFT_CORE_PIPELINE_H
#define WEFT_CORE_PIPELINE_H

#include "blocks.h"
#include "expr.h"
#include "policy.h"
#include "revision.h"
#include "yamltree.h"

/** Longest name of an input, model, node or output, bytes. */
#define WEFT_PIPELINE_MAX_NAME 64
/** Most nodes, and most inputs, in one file. */
#define WEFT_PIPELINE_MAX_NODES 100000u
/** The version of the format: `weft: 1`. */
#define WEFT_PIPELINE_FORMAT 1

typedef struct WeftLiveDecl WeftLiveDecl; /* live-decl.h */

typedef struct {
  const char *name;
  const WeftYaml *at, *type_at, *reader_at; /* reader_at: NULL without `reader:` or reported */
  const char *type;     /* NULL: reported */
  gboolean optional;
  WeftLiveDecl *live;               /* NULL: requests bring it */
} WeftInput;

typedef struct {
  const char *name, *path; /* path: NULL: reported */
  const char *folder;   /* what the path is relative to; NULL: the pipeline's */
  const WeftYaml *at;   /* the path */
  const WeftYaml *precision_at;     /* NULL: not said */
  int precision;        /* WEFT_PRECISION_* or WEFT_PRECISION_UNSAID (precision.h) */
  gboolean used;
} WeftModel;

/** A key under `context`. */
typedef struct {
  const char *name;
  const WeftYaml *at;
  gboolean required;
} WeftContextKey;

typedef struct {
  const char *name, *path; /* path: NULL: reported */
  const char *folder;      /* what the path is relative to; NULL: the pipeline's */
  const WeftYaml *at;      /* the path */
  gboolean used;           /* by a verdict; a parameter's use is known when plugins are */
} WeftAsset;

/** `in: see.tokens`, one value of a map under `in`, of `outputs`, or a name in `when`. */
typedef struct {
  const char *key;      /* of the map; NULL: a single reference */
  const WeftYaml *key_at, *at;
  const char *name;     /* before the first dot; NULL: no text (reported) */
  const char *port;     /* after it, within at's text; NULL: the main port */
  int step;             /* that `name` names; -1: none (reported) */
  gboolean was_input;   /* the bare name of a sub-pipeline's input: alone in `when` it asks whether that is there */
} WeftReference;

typedef struct {
  const char *name;                 /* of a slot: NODE/SLOT */
  const WeftYaml *at;               /* the name */
  const char *plugin;               /* NULL: missing (reported) */
  const char *range;                /* of versions, or NULL */
  const WeftYaml *map;              /* what stands under the name */
  const char *outer_when;           /* conditions of the sub-pipelines that it stands in; NULL: none */
  const char *scope;                /* what stands before the names of its assets, without the /; NULL: nothing */
  gboolean is_pipeline;             /* a sub-pipeline, until it is inlined */
  const WeftYaml *use_at, *model_at, *in_at, *params_at, *isolate_at;
  int model;                        /* index; -1: none, -2: unknown (reported) */
  GArray *in;                       /* of WeftReference */
  gboolean has_isolate, isolate;
  gboolean unsure;                  /* a key or value is not known (reported): what seems to be missing may be meant */
  guint64 deadline_ns;              /* 0: none */
  WeftNodePolicy *policy;           /* NULL: none of its keys is given */
  GArray *slots;                    /* of WeftNodeDecl: plugins that it calls itself; NULL: not given */
  const WeftYaml *slots_at, *select_at;
  const char *slot;                 /* of a slot: its key; otherwise NULL */
  const char *select_key;           /* of the context; NULL: the node chooses (or reported) */
  gboolean select_required;
} WeftNodeDecl;

/** A pipeline that was inlined where a node stood. */
typedef struct {
  char *node;                       /* "ask", or "ask/inner" */
  char *file;                       /* as messages show it: a path, or NAME@VERSION of the catalogue */
  char *use;                        /* as the file says it */
  char *digest;                     /* sha256 of its text */
  WeftDiagnosticPlace place;        /* borrows node and file */
} WeftInlined;

struct WeftPipeline {
  WeftYaml *root;
  GPtrArray *inlined;               /* of WeftInlined */
  GPtrArray *inner;                 /* of WeftPipeline: what inlined nodes borrow from */
  GPtrArray *words;                 /* of char *: names of inlined nodes and inputs */
  WeftBlocks texts;                 /* parts of the file's texts: names of references, ids of plugins */
  char *path, *folder;              /* of the file */
  const char *name;
  GArray *inputs, *models, *nodes;  /* of WeftInput, WeftModel, WeftNodeDecl */
  GArray *outputs;                  /* of WeftReference, key: the output's name */
  GArray *sinks;                    /* of WeftSinkDecl */
  int lead;                         /* input whose windows set the pace; -1: nothing is live */
  guint64 window_deadline_ns;       /* 0: none */
  GArray *context, *assets;         /* of WeftContextKey, WeftAsset */
  WeftExpr *require;                /* NULL: none */
  const WeftYaml *require_at;
  GHashTable *steps, *model_index, *asset_index; /* name -> index + 1 */
  gboolean faulty;                  /* errors were told: it can be checked, and never built */
  gboolean unsure, names_unsure, models_unsure, assets_unsure, context_unsure; /* a key of the file, an input or node, a
                                       model, an asset, a key of the context is not known (reported): what seems to be
                                       missing may be meant */
  guint n_steps;
  guint8 *unused;                   /* [n_steps] nothing refers to it */
  guint *order;                     /* [n_steps] topological; steps in or behind a circle (reported) last */
};

#define weft_input_at(pipeline, i) (&g_array_index((pipeline)->inputs, WeftInput, i))
#define weft_model_at(pipeline, i) (&g_array_index((pipeline)->models, WeftModel, i))
#define weft_node_at(pipeline, i) (&g_array_index((pipeline)->nodes, WeftNodeDecl, i))
#define weft_asset_at(pipeline, i) (&g_array_index((pipeline)->assets, WeftAsset, i))
#define weft_context_at(pipeline, i) (&g_array_index((pipeline)->context, WeftContextKey, i))
#define weft_reference_at(array, i) (&g_array_index(array, WeftReference, i))

/** Whether a text names a file or folder: a `/`, or a file ending before any `@`; otherwise NAME[@RANGE]. */
gboolean weft_is_path(const char *text);

/** The name of a step: of an input or a node. */
const char *weft_step_name(const WeftPipeline *pipeline, guint step);
/** Of a step's node; NULL for a reader. */
static inline const WeftNodeDecl *weft_step_node(const WeftPipeline *pipeline, guint step)
{
  return step < pipeline->inputs->len ? NULL : weft_node_at(pipeline, step - pipeline->inputs->len);
}

/** What a node waits for: the references under `in`, then those of `when`. */
static inline guint weft_node_n_sources(const WeftNodeDecl *node)
{
  return node->in->len + (node->policy && node->policy->when ? node->policy->when->references->len : 0);
}
static inline WeftReference *weft_node_source(const WeftNodeDecl *node, guint k)
{
  return k < node->in->len ? weft_reference_at(node->in, k)
                           : weft_reference_at(node->policy->when->references, k - node->in->len);
}

/** Binds names to steps, checks `require`, orders the steps; diagnostics say what is wrong. */
void weft_pipeline_wire(WeftPipeline *pipeline, WeftDiagnostics *diagnostics);

/** An error at `offset` bytes into the text of `when`. */
WeftDiagnostic *weft_when_fault(WeftDiagnostics *diagnostics, const WeftWhen *when, const char *node, guint offset,
                                const char *problem);
/** Reports that there is no asset of that name. */
void weft_unknown_asset(WeftDiagnostics *diagnostics, const WeftPipeline *pipeline, const WeftYaml *at, const char *name,
                        const char *node);

/** An error at the place of `at`. */
#define weft_fault(diagnostics, at, code, ...) \
  weft_diagnostic_in(weft_diagnostics_add(diagnostics, code, (at)->line, (at)->column, __VA_ARGS__), (at)->place)

#endif
