/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resolve.h
 * Inside core/graph: how a pipeline becomes a revision. Steps are gone through
 * once, in topological order: resolve (plugin, parameters, which output feeds
 * which input), unify (with what its sources offer), build (create, ports,
 * activate). A step that fails is reported once; what follows from it is not
 * built, but still checked against the manifests.
 */
#ifndef WEFT_CORE_RESOLVE_H
#define WEFT_CORE_RESOLVE_H

#include "artifact.h"
#include "blocks.h"
#include "hosttable.h"
#include "manifest.h"
#include "pipeline.h"
#include "worker.h"

/** A plugin of the catalogue, shared by the steps that use it. */
typedef struct {
  WeftPluginRow *row;
  WeftManifest *manifest;
  const WeftPluginSpec *spec; /* NULL: not to be had */
  const struct weft_node *table; /* NULL: not loaded into this process */
  char *label;                /* "vit@1.0.0" */
  char *error, *hint;         /* why spec is NULL */
  char number[12];            /* of its line in the digest, from 1; "": not there yet */
} WeftFound;

/** An output: as the manifest says it, then as `ports` answered it. */
typedef struct {
  struct weft_port port;
  gboolean concrete;      /* `ports` has answered */
  gint64 per_item, fixed; /* rows of one call <= per_item * items + fixed */
} WeftOffer;

typedef struct WeftStep WeftStep;

/** One bound input of a step. */
typedef struct {
  const WeftPortSpec *spec;
  const char *key;                /* variadic: the key under `in:` */
  const WeftReference *reference; /* companions: that of their base; NULL: the bytes behind a reader */
  guint step, output;             /* whence; not of a reader */
  gboolean state;                 /* of the step itself, at the session's item before; reference is NULL */
  const WeftOffer *given;         /* of a slot: what its node calls it with; reference is NULL */
} WeftBinding;

/** A named dim of a plugin's manifest. */
typedef struct {
  const char *name;
  gint64 size;
  const char *port; /* that said it */
} WeftSymbol;

struct WeftStep {
  const char *name;
  const WeftNodeDecl *node;          /* NULL: a reader */
  const WeftInput *input;            /* NULL: a node */
  WeftFound *found;                  /* NULL: not resolved */
  GArray *bindings;                  /* of WeftBinding; NULL: not bound */
  struct weft_parameter *parameters; /* [spec->params] */
  WeftOffer *offers;                 /* [spec->outputs]; NULL: not resolved */
  GArray *symbols;                   /* of WeftSymbol; NULL: none yet */
  gboolean failed;                   /* here or upstream: not to be built */
  gboolean live;                     /* a source: no node of the graph, its outputs are inputs of it */
  gboolean isolated, active;
  gboolean computes;                 /* `create` asked for weft.compute */
  const struct weft_node *table;
  void *instance;
  struct weft_worker *worker;
  struct weft_limits limits;
  guint64 n_scratch_bytes;
  GArray *assets;                    /* of WeftRevisionAsset: of its parameters; NULL: none */
  struct weft_condition condition;   /* n_steps 0: none */
  guint graph_node, first_value;
  WeftStep *slots;                   /* [n_slots] plugins that it calls itself; steps of no graph but their own */
  guint n_slots;
  const WeftStep *parent;            /* of a slot: whose it is */
  struct weft_graph *slot_graph;     /* of a slot: made when it runs */
  gboolean told;                     /* of a slot: it cannot be made, and that is reported */
};

/** At which precision the products of a model run. */
typedef struct {
  int said;                          /* WEFT_PRECISION_*, AUTO or UNSAID (precision.h) */
  int runs;                          /* WEFT_PRECISION_* */
  gboolean by_option;
  gboolean named;                    /* said of this very model */
  const char *why;                   /* in words, for people */
} WeftModelPrecision;

/** What the caller reads on a verdict, in one language. */
typedef struct {
  guint step, verdict;
  const char *language; /* NULL: any */
  const char *text;
} WeftMessage;

struct WeftRevision {
  const WeftPipeline *pipeline;
  WeftBlocks kept;                   /* memory that lives as long as the revision */
  GHashTable *found;                 /* "vit@^1" or "type:image" -> WeftFound */
  GHashTable *files;                 /* path -> bytes of models and assets, read once */
  GHashTable *documents;             /* path -> WeftYaml of assets that hold texts */
  WeftRevisionContext *context;
  GPtrArray *converters;             /* what advice.c knows of the catalogue; NULL until an edge does not fit */
  char **model_folders, **model_digests; /* [models]; digest NULL: not to be had (reported) */
  char **model_spaces;               /* [models]; digest that names the embedding space; NULL: the model's own */
  char **asset_paths, **asset_digests; /* [assets]; digest NULL: not used, or not to be had (reported) */
  char **asset_labels;               /* [assets]; "rules@2.1.0" of the catalogue; NULL: the path */
  guint *order;                      /* [pipeline->n_steps] of the graph: topological, filters before effects */
  WeftArtifactRow **model_rows;      /* [models]; NULL: a folder of the user's */
  WeftModelPrecision *precisions;    /* [models] */
  char **model_labels;               /* [models]; "minilm@1.2.0" of the catalogue, NULL: the path */
  WeftStep *steps;                   /* [pipeline->n_steps] */
  struct weft_graph *graph;
  const struct weft_graph_node *graph_nodes; /* as the runtime got them */
  char *digest;
  WeftRevisionInput *inputs;
  WeftRevisionOutput *outputs;
  WeftRevisionNode *nodes;
  GArray *weights, *explain;         /* of WeftRevisionWeights, WeftRevisionExplain */
  guint n_graph_inputs;
  GArray *sources, *sinks;           /* of WeftRevisionSource, WeftRevisionSink */
  GArray *filters, *messages;        /* of WeftRevisionFilter, WeftMessage */
};

typedef struct {
  WeftRevision *revision;
  const WeftPipeline *pipeline;
  WeftCatalogue *catalogue;
  const WeftBuildOptions *options;
  WeftDiagnostics *diagnostics;
  guint n_items_max;
  guint n_digested;                  /* plugins in the digest so far */
  guint64 n_computing_slots;         /* of weft_host_n_computing, those that slots asked for */
} WeftBuilder;

/** n things of that type, zero, that live as long as the revision. */
#define weft_revision_new(revision, type, n) ((type *)weft_blocks_take0(&(revision)->kept, sizeof(type) * (n)))
/** The text, as long as the revision lives. */
char *weft_revision_text(WeftRevision *revision, const char *text);

/*
 * resolve.c, params.c, bind.c: each reports and answers FALSE, or answers TRUE.
 * First the plugins of all steps, then what the manifests of both sides say.
 */
gboolean weft_step_resolve(WeftBuilder *builder, WeftStep *step);
/** Its model is what its plugin needs. */
gboolean weft_step_check_model(WeftBuilder *builder, WeftStep *step);
/** Model, parameters and inputs of a step whose plugin is found. */
gboolean weft_step_check(WeftBuilder *builder, WeftStep *step);
gboolean weft_step_take_params(WeftBuilder *builder, WeftStep *step);
gboolean weft_step_bind(WeftBuilder *builder, WeftStep *step);
/** Index of the output that a node's bare name means. */
guint weft_main_output(const WeftPluginSpec *spec);
/** Index of the output that a reference names; -1: reported, or its step is not known. node: who asks, or NULL. */
int weft_reference_output(WeftBuilder *builder, const WeftReference *reference, const char *node);
/** Whether an output could feed an input, as far as the manifests tell. */
gboolean weft_port_specs_fit(const WeftPortSpec *input, const WeftPortSpec *output);
/** The params of the step as the file writes them: of its node, or of the source of a live input. NULL: none. */
const WeftYaml *weft_step_params_at(const WeftStep *step);
/** The plugin of `use: ID@RANGE`, looked up once; ->spec is NULL where it is not to be had. */
WeftFound *weft_plugin_find(WeftBuilder *builder, const char *use, const char *id, const char *range);
/** Decides which steps get a process of their own. */
gboolean weft_steps_isolate(WeftBuilder *builder);
void weft_models_resolve(WeftBuilder *builder);
/* named.c */
/** NAME[@RANGE] at a place of the file, out of the catalogue; NULL: reported, for `what` ("model \"m\""). */
WeftArtifactRow *weft_resolve_artifact(WeftBuilder *builder, WeftArtifactKind kind, const WeftYaml *at, const char *what);
/** Path and label of an asset that is named as NAME@RANGE, or a report. */
void weft_asset_from_catalogue(WeftBuilder *builder, guint asset);
/** "minilm@1.2.0" of a model of the catalogue, otherwise its path as the file has it. */
const char *weft_model_label(const WeftRevision *revision, guint model);

/* limits.c: how much one call of a node may hold. */
/** Rows of a call, from what the sources give: per_item and fixed of the offer. */
void weft_offer_bound(const WeftBuilder *builder, const WeftStep *step, WeftOffer *offer);
/** The limits of the step for calls of n_items; arrays live with the revision. */
struct weft_limits weft_step_limits(WeftBuilder *builder, const WeftStep *step, guint n_items);

/* unify.c */
/** Checks every edge into the step and makes its offers from the manifest. */
gboolean weft_step_unify(WeftBuilder *builder, WeftStep *step);
/** Holds the plugin to its manifest and makes its offers concrete. */
gboolean weft_step_take_ports(WeftBuilder *builder, WeftStep *step, const struct weft_ports *ports);
/** The offer behind a binding; NULL for the bytes of a reader, or when its step was not resolved. */
const WeftOffer *weft_binding_offer(const WeftBuilder *builder, const WeftBinding *binding);
/** The attribute of a port, or NULL. */
const char *weft_port_attribute(const struct weft_port *port, const char *key);
const char *weft_port_spec_attribute(const WeftPortSpec *spec, const char *key);

/* condition.c: `when`, after the step's sources are built. */
gboolean weft_step_take_condition(WeftBuilder *builder, WeftStep *step);
/** When all values have their ids. */
void weft_step_place_condition(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_value *values);

/* policy.c: what `on_missing`, `on_error`, `on_verdict` and `batch` mean for this step. */
/** bound: every input has its source; otherwise that is reported, and nothing is said about inputs. */
gboolean weft_step_check_policy(WeftBuilder *builder, const WeftStep *step, gboolean bound);
void weft_step_fill_policy(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node);
/** Items of one call that the step is activated for. */
guint weft_step_items_max(const WeftBuilder *builder, const WeftStep *step);

/* filter.c */
gboolean weft_step_is_filter(const WeftStep *step);
/** Not pure: acts on more than its outputs. */
gboolean weft_step_has_effects(const WeftStep *step);
/** A filter's ports are those of filter.h. */
gboolean weft_step_check_filter(WeftBuilder *builder, const WeftStep *step);
/** Of nodes whose outputs nobody reads: a filter judges and an effect acts all the same. */
void weft_nodes_warn_unused(WeftBuilder *builder);
/** Puts every step that an effect precedes behind the filters; reports filters that would come too late. */
void weft_filters_order(WeftBuilder *builder);

/* assets.c */
void weft_assets_resolve(WeftBuilder *builder);
/** Digests the asset, once; FALSE: it is not to be had, reported. */
gboolean weft_asset_use(WeftBuilder *builder, guint asset);
void weft_assets_warn_unused(WeftBuilder *builder);
/** The entry of an asset that is a map of texts: a text or a map language -> text; NULL: reported. */
const WeftYaml *weft_asset_entry(WeftBuilder *builder, guint asset, const char *key, const WeftYaml *at,
                                 const char *node);
/** Notes that a parameter of the step names an asset, or an entry of one. */
gboolean weft_step_use_asset(WeftBuilder *builder, WeftStep *step, const char *param, const WeftYaml *at);
/** Keeps the messages that `on_verdict` names. */
gboolean weft_step_take_messages(WeftBuilder *builder, const WeftStep *step);

/* porttext.c: both for weft_port_text_free; node, plugin, key: may be NULL. */
WeftPortText *weft_port_text(const struct weft_port *port, const char *node, const char *plugin);
WeftPortText *weft_port_spec_text(const WeftPortSpec *spec, const char *key, const char *node, const char *plugin);
/** "f32 [*, 64] ragged, modality image"; caller frees with g_free. */
char *weft_port_describe(const struct weft_port *port);
/** A value as messages show it: not longer than 60 letters. Caller frees with g_free. */
char *weft_shorten(const char *value);

/** A fault at an edge with what both sides offer and a hint. port: what the source offers. Borrowed, as weft_fault's. */
WeftDiagnostic *weft_edge_fault(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding,
                                const struct weft_port *port, const char *code, const char *problem);
/** What differs first: the key of an attribute, or "dtype", "splits", "rank", "dims"; NULL: it fits. */
const char *weft_edge_difference(const WeftPortSpec *spec, const struct weft_port *port);

/* advice.c: a hint to an edge whose sides do not fit; given: what the source offers. */
void weft_advise(WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding, const struct weft_port *given,
                 WeftDiagnostic *fault);
void weft_advice_clear(GPtrArray *converters);

/* build.c: create, ports, activate; and the graph of all steps. */
gboolean weft_step_build(WeftBuilder *builder, WeftStep *step);
/** create and ports, in process or in a worker. */
gboolean weft_step_create(WeftBuilder *builder, WeftStep *step);
/** Everything of the node that a graph is made of, but its place among others and its policies. */
void weft_step_fill_node(const WeftBuilder *builder, const WeftStep *step, struct weft_graph_node *node);
gboolean weft_graph_build(WeftBuilder *builder, struct weft_runtime *runtime);
/** The `u8, ragged` bytes that a request brings. */
extern const struct weft_port weft_bytes_port;
void weft_step_clear(WeftStep *step);
/** Value of the graph that holds this output of the step. */
guint weft_step_value(const WeftBuilder *builder, const WeftStep *step, guint output);
guint weft_binding_value(const WeftBuilder *builder, const WeftStep *step, const WeftBinding *binding);

/* resource.c: answers host->resource_open from the folder of the step's model. */
struct weft_step_setup {
  struct weft_setup setup; /* first */
  struct weft_setup_slots slots;
  WeftBuilder *builder;
  const WeftStep *step;
  int refused_input;       /* of the last host->takes; -1: none */
  struct weft_port *taken; /* what it takes there; NULL: it is not wanted at all */
};
void weft_step_setup_init(struct weft_step_setup *setup, WeftBuilder *builder, const WeftStep *step);

/* refused.c */
/** Answers host->takes. */
void weft_step_note_taken(struct weft_setup *setup, guint32 input, const struct weft_port *port);
/** Reports what the plugin said when it refused, at the edge that it spoke of. Answers FALSE. */
gboolean weft_step_refused(const struct weft_step_setup *setup, const char *what, weft_status status, const char *message);
void weft_files_free(gpointer bytes);
/** The next open of that path looks anew; what was opened stays until the revision is freed. */
void weft_step_files_forget(struct weft_step_setup *self, const char *path);
/* derived.c */
/** Path of what a provider has made of the step's model under a key; NULL: no model of the catalogue. Free with g_free. */
char *weft_step_derived_path(const struct weft_step_setup *self, const char *key);
/** setup->derived_keep. */
int weft_step_derived_keep(struct weft_setup *setup, const struct weft_derived_key *key, const void *bytes,
                           struct weft_resource *out);

/** A line of what the digest is over: fields closed by a zero byte, so that no two descriptions run together. */
void weft_digest_line(GString *text, const char *first, ...) G_GNUC_NULL_TERMINATED;
/** policy.c: the policies of a step. */
void weft_policy_digest(const WeftBuilder *builder, const WeftStep *step, GString *text);

/* describe.c: the digest and what revision.h tells, after every step has its place in the graph. */
void weft_revision_describe(WeftBuilder *builder);

#endif
