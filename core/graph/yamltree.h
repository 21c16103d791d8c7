/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file yamltree.h
 * YAML as a small tree with places: the only user of libyaml. Less than YAML
 * on purpose: one document; no anchors, aliases, tags or merge keys; keys are
 * scalars and stand once in a map. Limits are checked as events arrive.
 */
#ifndef WEFT_CORE_YAMLTREE_H
#define WEFT_CORE_YAMLTREE_H

#include "diagnostic.h"
#include "variables.h"

/** Largest pipeline file, bytes. */
#define WEFT_PIPELINE_MAX_BYTES (16u << 20)
/** How deep maps and lists may stand in each other. */
#define WEFT_PIPELINE_MAX_DEPTH 32
/** Most scalars, lists and maps in one file. */
#define WEFT_PIPELINE_MAX_VALUES 1000000u

typedef enum { WEFT_YAML_SCALAR, WEFT_YAML_LIST, WEFT_YAML_MAP } WeftYamlKind;

typedef struct {
  WeftYamlKind kind;
  guint line, column; /**< 1-based */
  gboolean plain;     /**< scalars: written without quotes */
  gboolean reported;  /**< an error about it is told: what it means is not known, and nobody says more of it */
  gboolean unsure;    /**< maps: an entry is not known (reported): what seems to be missing may stand there */
  const WeftDiagnosticPlace *place; /**< the file of a sub-pipeline; NULL: the file itself. Borrowed */
  char *text;         /**< scalars: UTF-8 without zero bytes */
  GPtrArray *keys;    /**< maps: of WeftYaml, scalars; NULL while there are none; of a parsed tree only read */
  GPtrArray *items;   /**< lists and maps: of WeftYaml; NULL while there are none; of a parsed tree only read */
  gpointer blocks;    /**< root of a parsed tree: all its memory; NULL: each piece was allocated by GLib */
} WeftYaml;

/**
 * NULL: diagnostics say why it cannot be read to its end. Otherwise the tree,
 * also with errors that concern single values. Free its root with weft_yaml_free.
 */
WeftYaml *weft_yaml_parse(const char *text, gsize n_bytes, WeftDiagnostics *diagnostics);
/** How far a text was read: what a limit saves is seen in it, and no clock is needed. */
typedef struct {
  gsize n_events; /**< of YAML */
  gsize n_read;   /**< letters that the parser has looked at, its look-ahead included */
} WeftYamlProgress;
/** As weft_yaml_parse; progress: also filled where the answer is NULL. */
WeftYaml *weft_yaml_parse_watched(const char *text, gsize n_bytes, WeftYamlProgress *progress,
                                  WeftDiagnostics *diagnostics);
/** The same of a file with variables in its scalars (variables.h). variables: NULL: none is given. */
WeftYaml *weft_yaml_parse_with(const char *text, gsize n_bytes, WeftVariables *variables, WeftDiagnostics *diagnostics);
/** A parsed tree by its root; or one put together piece by piece (with arrays that free what they hold). */
void weft_yaml_free(WeftYaml *yaml);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftYaml, weft_yaml_free)

static inline guint weft_yaml_n(const WeftYaml *yaml)
{
  return yaml->items ? yaml->items->len : 0;
}
static inline const WeftYaml *weft_yaml_item(const WeftYaml *yaml, guint i)
{
  return yaml->items->pdata[i];
}
static inline const WeftYaml *weft_yaml_key(const WeftYaml *yaml, guint i)
{
  return yaml->keys->pdata[i];
}

#endif
