/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file quantise.h
 * A model's weights at a lower precision: what each layer loses, which are
 * kept higher, the folder that holds the result, and what it loses as a whole.
 */
#ifndef WEFT_CLI_QUANTISE_H
#define WEFT_CLI_QUANTISE_H

#include "planrun.h"

#include <jansson.h>

/** What one layer's product may lose, squared error over squared size, at f32, bf16, int8, int4. */
#define WEFT_QUANTISE_NMSE {0, 1e-4, 1e-3, 2e-2}

/** A weight of products. */
typedef struct {
  char *name;          /**< of the tensor */
  gint64 n, k;
  guint32 precision;   /**< WEFT_PRECISION_* that it is stored at */
  double nmse;         /**< of its product at the precision that was wanted; -1: it cannot be stored so */
  double kept_nmse;    /**< at the one that it is stored at */
} WeftQuantLayer;

typedef struct {
  const struct weft_compute *compute;
  guint64 resource;    /**< weights of which id are meant */
  guint32 precision;   /**< WEFT_PRECISION_* that is wanted */
  double threshold;    /**< of it */
  guint n_items;       /**< generated for each plan that no request reached */
  GPtrArray *layers;   /**< of WeftQuantLayer, in order of the plans */
} WeftQuantise;

/** Runs what was caught (planrun.h) and fills layers. FALSE: WEFT_ERROR. [control thread, as all here] */
gboolean weft_quantise_measure(WeftQuantise *quantise, GError **error);
/** Layer of that tensor, or NULL. */
WeftQuantLayer *weft_quantise_layer(const WeftQuantise *quantise, const char *name);
void weft_quantise_clear(WeftQuantise *quantise);

/**
 * Cosines of every plan's outputs, with the weights of another file and at
 * another precision, to those at f32 with its own: of double. weights: a
 * safetensors file in memory; NULL: its own. ms: NULL, or the time of both: [2].
 */
GArray *weft_quantise_cosines(const WeftQuantise *quantise, GBytes *weights, double *ms, GError **error);

/** Bytes of a weight of n x k stored so, scales behind it. */
gsize weft_quantise_bytes(guint32 precision, gsize n, gsize k, gsize *scales);
/** Stores x [n, k] so. to: weft_quantise_bytes. */
void weft_quantise_store(guint32 precision, const float *x, gsize n, gsize k, guint8 *to);

/** quantise-write.c: the safetensors file with the layers stored as decided, tables as bf16. Errors: WEFT_ERROR. */
gboolean weft_quantise_write(const WeftQuantise *quantise, const char *from, const char *to, GError **error);

#endif
