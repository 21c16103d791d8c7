/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file live-decl.h
 * Inside core/graph: what a pipeline file says of live inputs (`source`,
 * `window`, `hop`, `tolerance`, `late`, `buffer`, `full`; top level `lead`,
 * `deadline`) and of `sinks`.
 */
#ifndef WEFT_CORE_LIVE_DECL_H
#define WEFT_CORE_LIVE_DECL_H

#include "read.h"
#include "resolve.h"

/** Rows and times that one stream may keep, bytes: when the file does not say it, at least, at most. */
#define WEFT_LIVE_BUFFER_BYTES (16u << 20)
#define WEFT_LIVE_BUFFER_MIN_BYTES (4u << 10)
#define WEFT_LIVE_BUFFER_MAX_BYTES (1u << 30)
/** How far a stream may lag behind the lead when the file does not say it. */
#define WEFT_LIVE_TOLERANCE_NS (100u * 1000u * 1000u)
/** Longest window, hop, tolerance and hold. */
#define WEFT_LIVE_SPAN_MAX_NS (24 * 3600 * G_GINT64_CONSTANT(1000000000))
/** Smallest size at which a sink may begin a new file. */
#define WEFT_SINK_ROTATE_MIN_BYTES 4096

struct WeftLiveDecl {
  const WeftYaml *at, *use_at, *params_at, *window_at, *hop_at; /* NULL: not there */
  char *plugin;               /* NULL: missing (reported) */
  const char *range;
  gboolean has_isolate, isolate;
  gint64 window_ns, hop_ns;   /* 0: not said */
  gint64 tolerance_ns;
  gboolean hold;              /* late: hold */
  gint64 hold_ns;             /* 0: without end */
  guint64 buffer_bytes;
  gboolean drops;             /* full: drop */
};

typedef struct {
  const char *name, *to;
  const WeftYaml *at, *to_at;
  GArray *from;               /* one WeftReference */
  gboolean on_error_drop;
  guint64 rotate_bytes;       /* 0: never */
} WeftSinkDecl;

#define weft_sink_at(pipeline, i) (&g_array_index((pipeline)->sinks, WeftSinkDecl, i))

/** Keys that only live inputs have, for the list of an input's keys. */
#define WEFT_LIVE_KEYS "source", "window", "hop", "tolerance", "late", "buffer", "full"

/** Reads the live keys of an input; input->live stays NULL where it has no `source`. */
void weft_live_read(WeftReader *reader, WeftInput *input, const WeftYaml *map);
void weft_live_decl_free(WeftLiveDecl *live);
/** One entry under `sinks`. */
void weft_sink_read(WeftReader *reader, const WeftYaml *key, const WeftYaml *value);
void weft_sink_clear(gpointer sink);
/** `lead` and `deadline`, once all inputs are read. */
void weft_live_read_root(WeftReader *reader);

/* live-resolve.c */
/** The source behind a live input: plugin, kind, ports as source.h wants them. FALSE: reported. */
gboolean weft_source_resolve(WeftBuilder *builder, WeftStep *step);
/** Rows that one window may have, once `ports` has answered; and what source.h wants of them. FALSE: reported. */
gboolean weft_source_check(WeftBuilder *builder, WeftStep *step);
/** Whether a sink gets bytes; FALSE: reported. */
gboolean weft_sink_resolve(WeftBuilder *builder, const WeftSinkDecl *sink);
/** Fills what revision.h tells of sources and sinks. */
void weft_live_describe(WeftBuilder *builder);
/** Lines of the revision's digest. */
void weft_live_digest(const WeftPipeline *pipeline, GString *text);

#endif
