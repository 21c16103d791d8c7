/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file modelnode.h
 * A model by itself: a session of one node that reads it, found among the
 * installed plugins whose only needed input a reader gives, or of a pipeline
 * that uses it.
 */
#ifndef WEFT_CLI_MODELNODE_H
#define WEFT_CLI_MODELNODE_H

#include "session.h"

typedef struct {
  const char *model;      /**< a folder, or NAME[@RANGE] of the catalogue */
  const char *use;        /**< the plugin that reads it; NULL: the first that can */
  const char *pipeline;   /**< a file that uses it; NULL: one node */
  const char *catalogue;  /**< as WeftSessionOptions */
  const char *precision;  /**< as WeftBuildOptions */
  gboolean catch_plans;   /**< planrun.h: caught from its first node on */
} WeftModelSource;

/** Errors: WEFT_ERROR, what the last plugin that was tried said. [control thread] */
WeftSession *weft_model_session(const WeftModelSource *source, GError **error);
/** The id that resources of this model's weights have: of model.safetensors. 0: it cannot be read. */
guint64 weft_model_weights_id(WeftSession *session, const char *weights);

#endif
