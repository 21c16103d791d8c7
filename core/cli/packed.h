/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file packed.h
 * What providers have packed of a model of the catalogue: listed, compared,
 * removed.
 */
#ifndef WEFT_CLI_PACKED_H
#define WEFT_CLI_PACKED_H

#include "artifact.h"
#include "shelf.h"

typedef struct {
  char *layout;     /**< "compute-cpu/1 avx2-int8"; NULL: its file cannot be read as one */
  char *path, *key;
  gint64 n_bytes;   /**< of the file */
} WeftPacked;

/** Of WeftPacked, by layout. Caller frees with g_ptr_array_unref. */
GPtrArray *weft_packed_list(const WeftArtifactRow *row);
/** Compares every payload with its digest: problems, one line each, appended as char *. */
void weft_packed_check(const WeftArtifactRow *row, GPtrArray *problems);
/** Lines `  LAYOUT  SIZE  KEY`, under a heading where there are any. */
void weft_packed_print(const WeftArtifactRow *row);
/** {layout, bytes, key} each. Caller frees with json_decref. */
json_t *weft_packed_json(const GPtrArray *list);

/** `weft model gc [NAME]`: an exit code. */
int weft_model_gc(const WeftArtifactOptions *options);

#endif
