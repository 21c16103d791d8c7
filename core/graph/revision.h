/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file revision.h
 * A pipeline file, parsed, resolved against the catalogue, checked, and built
 * into a graph that runs: immutable from then on.
 */
#ifndef WEFT_CORE_REVISION_H
#define WEFT_CORE_REVISION_H

#include "catalogue.h"
#include "diagnostic.h"
#include "runtime.h"
#include "variables.h"

/*
 * How much one call of a node may hold where no plugin says it. Calls beyond
 * are split; one item that is beyond alone is bad input.
 */
/** Bytes of one input as a request brings it. */
#define WEFT_INPUT_MAX_BYTES (64 << 20)
/** Bytes of an output that only its plugin knows the size of (pixels, samples). */
#define WEFT_MEDIUM_MAX_BYTES (256 << 20)
/** Bytes of text, whatever it comes from, into one call of a node. */
#define WEFT_TEXT_MAX_BYTES (1 << 20)
/** Address space of such an output in one frame, all items together, bytes. */
#define WEFT_FRAME_MEDIUM_MAX_BYTES (G_GINT64_CONSTANT(1) << 30)
/** Scratch of a node, bytes: one that wants more is called with fewer items at once. */
#define WEFT_SCRATCH_MAX_BYTES (256 << 20)
/** Scratch that one item may want, bytes. */
#define WEFT_ITEM_SCRATCH_MAX_BYTES (G_GINT64_CONSTANT(4) << 30)
/** Largest file of a model, bytes. */
#define WEFT_RESOURCE_MAX_BYTES (G_GINT64_CONSTANT(64) << 30)
/** Items of one frame, unless the options say otherwise. */
#define WEFT_FRAME_ITEMS 64

typedef struct WeftPipeline WeftPipeline; /* parsed: pipeline.h */
typedef struct WeftRevision WeftRevision;

typedef struct {
  const char *isolate;       /**< NULL: as the file says, and plugins that did not come with Weft;
                                  "none", "all", "NODE,NODE": overrides both */
  const char *worker_program; /**< path of weft-worker */
  const char *compute;       /**< path of the compute provider's .so, for workers; NULL: none */
  const char *precision;     /**< of models, over what the file says: WORD for all, or MODEL=WORD,...; NULL: as the file says */
  guint n_items_max;         /**< of one frame; 0: WEFT_FRAME_ITEMS */
  gboolean explain;          /**< explain ports are wanted, not only weights */
  gboolean record_heads;     /**< where an output is the label of a head, its probabilities are recorded too */
  guint64 spin_ns;           /**< of workers */
  gboolean live;             /**< live inputs come from their sources; otherwise a request brings them, through a reader */
} WeftBuildOptions;

/** An input of the pipeline, in file order: value id = index. */
typedef struct {
  const char *name, *type;
  gboolean optional;
} WeftRevisionInput;

/** An output of the pipeline, in file order. */
typedef struct {
  const char *name;
  guint value;                  /**< value id of the graph */
  const struct weft_port *port;
  const char *node;             /**< whose port it is */
} WeftRevisionOutput;

/** The weights of a fusion node. */
typedef struct {
  const char *node;
  guint value;                  /**< value of its `weights` port */
  const char *const *names;     /**< keys under `in:`, NULL-terminated */
} WeftRevisionWeights;

/** A port that the build options made wanted: one marked `explain`, or of a head. */
typedef struct {
  const char *node, *port_name;
  guint value;
  const struct weft_port *port;
} WeftRevisionExplain;

/**
 * What feeds a live input: an instance of weft/source.h, activated, which the
 * caller runs. Its rows and times are inputs of the graph.
 */
typedef struct {
  const char *name, *label;     /**< the input; "replay@1.0.0" */
  guint input;                  /**< index of the input; value id of the rows */
  guint time_value;             /**< value id of the times */
  const struct weft_node *table; /**< in process, with instance; otherwise worker */
  void *instance;
  struct weft_worker *worker;
  const struct weft_port *ports; /**< [3] rows, times, state: concrete */
  struct weft_limits limits;
  guint64 n_scratch_bytes;
  gboolean lead, optional, simulated; /**< simulated: its rows come as fast as they are taken */
  gboolean blocking;            /**< waits for rows inside its calls */
  guint64 period_ns;            /**< between rows, where its port says a rate; 0: not known */
  gint64 window_ns;             /**< of the lead; other streams: how far back from the window's end their rows reach */
  gint64 hop_ns;                /**< of the lead */
  gint64 tolerance_ns;          /**< how far its rows may lag, and be out of order */
  gboolean hold;                /**< a window without rows takes the last one */
  gint64 hold_ns;               /**< not older than this; 0: however old */
  guint64 buffer_bytes;
  gboolean drops;               /**< full: the oldest rows go; otherwise the source waits */
} WeftRevisionSource;

/** Where bytes of an answer go once it is allowed to leave. */
typedef struct {
  const char *name, *to;        /**< to: a path, or "-" */
  guint value;
  gboolean on_error_drop;       /**< what cannot be written is counted; otherwise the request fails */
  guint64 rotate_bytes;         /**< a new file from this size on; 0: never */
} WeftRevisionSink;

/** An asset that a parameter of a node names. */
typedef struct {
  const char *param;
  const char *name, *path, *digest; /**< of the asset; path as the file says it,
                                     or name@version of the catalogue */
  const char *json;             /**< NULL: the asset as it is; otherwise the texts of one entry */
} WeftRevisionAsset;

typedef struct {
  const char *name, *plugin, *version, *kind, *sha256;
  guint graph_node;             /**< index in the graph, for weft_frame_node_ns; G_MAXUINT: a source or a slot, which are none */
  const char *model, *model_digest; /**< NULL without a model */
  const char *precision;        /**< that its products run at; NULL without a model, or where it computes by itself */
  guint precision_number;       /**< WEFT_PRECISION_* of it */
  const WeftRevisionAsset *assets; /**< [n_assets] */
  guint n_assets;
  gboolean isolated;
  const struct weft_worker *worker; /**< whose process it is in; NULL: in this one */
  const char *const *inputs;    /**< references as resolved, "see.tokens", NULL-terminated */
  const char *slot_of;          /**< of a slot: the node that calls it, which stands before it; its own name is NODE/SLOT,
                                     graph_node G_MAXUINT. Otherwise NULL */
  struct weft_graph *slot_graph; /**< of a slot: its own graph of one node, for its counters; NULL without a runtime */
} WeftRevisionNode;

/** A key under `context`, in file order. */
typedef struct {
  const char *name;
  gboolean required;
} WeftRevisionContext;

/** A filter of the pipeline. */
typedef struct {
  const char *node;
  guint graph_node;             /**< index in the graph */
  guint verdict;                /**< value id of its verdict */
  gint rules;                   /**< value id of the ids of the rules that spoke; -1: it tells none */
} WeftRevisionFilter;

/**
 * Parses only. NULL: diagnostics say why it cannot be read. Otherwise the
 * pipeline, perhaps with errors (in the diagnostics): weft_revision_build then
 * adds what else is wrong, so that one run tells all of it. variables: what
 * ${NAME} stands for; NULL: none is given.
 */
WeftPipeline *weft_pipeline_parse(const char *text, gsize n_bytes, const char *path, WeftVariables *variables,
                                  WeftDiagnostics *diagnostics);
/** The same of a file, or of a pipeline in one line (oneline.h), which the diagnostics then call "one-line". */
WeftPipeline *weft_pipeline_load(const char *path, WeftVariables *variables, WeftDiagnostics *diagnostics);
/** The same with the pipelines of a catalogue as sub-pipelines: `use: NAME@RANGE`. catalogue: NULL: none. */
WeftPipeline *weft_pipeline_open(const char *path, WeftCatalogue *catalogue, WeftVariables *variables,
                                 WeftDiagnostics *diagnostics);
/** Its name, borrowed until it is freed; NULL: it has none (reported). */
const char *weft_pipeline_name(const WeftPipeline *pipeline);
/** The pipeline as YAML in canonical form (yamlprint.h), sub-pipelines as they are named. Caller frees with g_free. */
char *weft_pipeline_yaml(const WeftPipeline *pipeline);
/** A model, asset or sub-pipeline that it names by a path; NULL: none. Caller frees with g_free. */
char *weft_pipeline_first_path(const WeftPipeline *pipeline);
/** FALSE: there were errors; it can be checked, and weft_revision_build answers NULL. */
gboolean weft_pipeline_is_sound(const WeftPipeline *pipeline);
void weft_pipeline_free(WeftPipeline *pipeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftPipeline, weft_pipeline_free)

/**
 * Resolves, checks, creates every node, activates, seals. NULL: diagnostics
 * say why; they may hold warnings also on success.
 * pipeline, catalogue: borrowed until weft_revision_free. runtime: NULL: only
 * resolves, checks and creates, and makes no graph. [control thread]
 */
WeftRevision *weft_revision_build(const WeftPipeline *pipeline, WeftCatalogue *catalogue, struct weft_runtime *runtime,
                                  const WeftBuildOptions *options, WeftDiagnostics *diagnostics);
/** No frame is in flight. [control thread] */
void weft_revision_free(WeftRevision *revision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRevision, weft_revision_free)

/**
 * In words: where each piece comes from, why this version, where it runs, what
 * each edge carries. node: NULL: all. NULL: there is no such node. Caller frees
 * with g_free.
 */
char *weft_revision_explain_text(const WeftRevision *revision, WeftCatalogue *catalogue, const char *node, GError **error);

struct weft_graph *weft_revision_graph(WeftRevision *revision);
const char *weft_revision_name(const WeftRevision *revision);
/** Hex digest over the resolved file: plugins, models, parameters, wiring. */
const char *weft_revision_digest(const WeftRevision *revision);
const WeftRevisionInput *weft_revision_inputs(const WeftRevision *revision, guint *n);
const WeftRevisionOutput *weft_revision_outputs(const WeftRevision *revision, guint *n);
const WeftRevisionWeights *weft_revision_weights(const WeftRevision *revision, guint *n);
const WeftRevisionExplain *weft_revision_explain(const WeftRevision *revision, guint *n);
/** Steps of the file in its order, then the slots of its nodes. */
const WeftRevisionNode *weft_revision_nodes(const WeftRevision *revision, guint *n);
const WeftRevisionSource *weft_revision_sources(const WeftRevision *revision, guint *n);
const WeftRevisionSink *weft_revision_sinks(const WeftRevision *revision, guint *n);
/** Inputs of the graph: one for every input of the pipeline, in its order, then the times of the sources. */
guint weft_revision_n_graph_inputs(const WeftRevision *revision);
/** How long a window may take; 0: as long as it wants. */
guint64 weft_revision_window_deadline_ns(const WeftRevision *revision);
const WeftRevisionContext *weft_revision_context(const WeftRevision *revision, guint *n);
/**
 * Checks what a request brings against the declared keys and fills context,
 * which borrows entries. Errors: WEFT_ERROR, WEFT_BAD_INPUT: undeclared,
 * missing, twice, too long, not UTF-8. [any thread]
 */
gboolean weft_revision_take_context(const WeftRevision *revision, const struct weft_context_entry *entries, guint n,
                                    struct weft_context *context, GError **error);
const WeftRevisionFilter *weft_revision_filters(const WeftRevision *revision, guint *n);
/**
 * What `on_verdict` gives the caller whom this filter (a WeftRevisionFilter's
 * graph_node) answers with this verdict, or NULL. language: BCP 47, NULL: not
 * known; the text of `de` serves `de-AT`, and the first of the file those that
 * have none. Borrowed until weft_revision_free. [any thread]
 */
const char *weft_revision_message(const WeftRevision *revision, guint graph_node, guint verdict, const char *language);
/** How an input is named to whoever may give it: not at all, as the key of an object, as an option --NAME. */
typedef enum { WEFT_GIVEN_BY_NONE, WEFT_GIVEN_AS_KEY, WEFT_GIVEN_AS_OPTION } WeftGivenAs;
/** Whether a request with these inputs (present[i] of input i) is complete; otherwise FALSE, and in `missing` what it
    lacks, what was given, and which inputs would do: NULL, or caller frees with g_free. [any thread] */
gboolean weft_revision_require(const WeftRevision *revision, const gboolean *present, WeftGivenAs as, char **missing);

/** Warns of inputs named like one of `options`, NULL-terminated: on the command line only --in reaches them. */
void weft_pipeline_warn_options(const WeftPipeline *pipeline, const char *const *options, WeftDiagnostics *diagnostics);

/** Graphviz text of a parsed pipeline; caller frees with g_free. */
char *weft_pipeline_dot(const WeftPipeline *pipeline, const WeftRevision *revision);

#endif
