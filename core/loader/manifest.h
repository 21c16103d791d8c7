/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.h
 * The manifest (weft/manifest.h) as the core reads it: from bytes of JSON, or
 * out of the section of an ELF file without running its code.
 */
#ifndef WEFT_CORE_MANIFEST_H
#define WEFT_CORE_MANIFEST_H

#include <glib.h>
#include <weft/manifest.h>
#include <weft/node.h>

typedef struct {
  gint64 size;  /**< > 0: fixed; -1: `name`, or varies per call where name is NULL */
  char *name;   /**< symbol, equal within one plugin; NULL: none */
} WeftDim;

typedef struct {
  char *port;   /**< input that is counted; NULL: items */
  guint of;     /**< WEFT_COUNT_* */
  gint64 factor;
} WeftRowsTerm;

typedef struct {
  char *key, *value;
} WeftAttribute;

typedef struct {
  char *name;                     /**< without `[]` */
  char *base, *role;              /**< companions `base.role`; otherwise base == NULL */
  gboolean variadic, optional, explain;
  gboolean any;                   /**< inputs: every type, rank and number of split levels; dtype, rank are f32, 1 */
  gboolean state;                 /**< what the output left is the input at the session's next item */
  struct weft_dtype dtype;
  guint rank;
  WeftDim dims[WEFT_MAX_RANK];    /**< dims[0].size == -1 */
  guint n_splits;
  guint rows_kind;                /**< WEFT_ROWS_* */
  GPtrArray *terms;               /**< of WeftRowsTerm */
  GPtrArray *attributes;          /**< of WeftAttribute */
} WeftPortSpec;

typedef struct {
  char *name, *doc, *unit;
  guint type;                     /**< WEFT_PARAMETER_* */
  gboolean has_default, has_min, has_max;
  char *default_text;             /**< as written; text, or the number's digits */
  double default_number, min, max;
  char **choices;                 /**< NULL-terminated, or NULL */
} WeftParamSpec;

/** Who chooses among the slots: the pipeline may say `select`, must, or must not. */
typedef enum { WEFT_SELECT_OPTIONAL, WEFT_SELECT_REQUIRED, WEFT_SELECT_NONE } WeftSlotSelect;

typedef enum { WEFT_MODEL_NONE, WEFT_MODEL_OPTIONAL, WEFT_MODEL_REQUIRED } WeftModelNeed;

typedef struct {
  gsize at;
  GBytes *bytes;
} WeftMagic;

typedef struct {
  char *id, *kind, *summary;
  WeftModelNeed model;
  GPtrArray *inputs, *outputs;    /**< of WeftPortSpec, in file order */
  GPtrArray *params;              /**< of WeftParamSpec */
  char *reads_type, *reads_format; /**< readers; otherwise NULL */
  GPtrArray *magic;               /**< of WeftMagic */
  char *determinism;
  gboolean pure, parallel, blocking, fork_safe;
  char **resources, **grants;
  char *slot_kind;                /**< it calls plugins of this kind itself; NULL: none */
  guint slots_min, slots_max;     /**< how many of them */
  WeftSlotSelect slot_select;
} WeftPluginSpec;

typedef struct {
  guint contract;
  char *name, *version, *licence;
  GPtrArray *plugins;             /**< of WeftPluginSpec */
} WeftManifest;

/**
 * Parses and checks manifest.json. source: the name used in messages. Errors
 * (domain WEFT_ERROR) name the source, the JSON path, what was expected and
 * found. Returns transferred on success; free with weft_manifest_free.
 */
WeftManifest *weft_manifest_parse(const char *json, gsize n_bytes, const char *source, GError **error);
void weft_manifest_free(WeftManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftManifest, weft_manifest_free)

/** The plugin of that id, or NULL: borrowed until free. */
const WeftPluginSpec *weft_manifest_find(const WeftManifest *manifest, const char *id);
const WeftPortSpec *weft_plugin_spec_input(const WeftPluginSpec *plugin, const char *name);
const WeftPortSpec *weft_plugin_spec_output(const WeftPluginSpec *plugin, const char *name);

/** What the ELF parser finds without running code. */
typedef struct {
  GBytes *manifest;               /**< bytes of the section */
  char **needed;                  /**< DT_NEEDED, NULL-terminated */
  char **exported;                /**< symbols it defines for others, NULL-terminated; not those of compiler run-times */
  guint machine;                  /**< e_machine */
} WeftElf;

/** Largest plugin file, bytes, and most libraries it may need. */
#define WEFT_ELF_MAX_BYTES (256 << 20)
#define WEFT_ELF_MAX_NEEDED 256
/** Most exported symbols that are named; the first ones tell enough. */
#define WEFT_ELF_MAX_EXPORTED 16

/** The bytes of a regular file of at most WEFT_ELF_MAX_BYTES; never blocks on a pipe. Shared (refcounted). */
GBytes *weft_elf_load(const char *path, GError **error);
/** Reads an ELF file: bounds checked everywhere, never maps it, follows no symlink out of band. */
WeftElf *weft_elf_read(const char *path, GError **error);
/** The same from memory: the fuzzed entry. */
WeftElf *weft_elf_parse(const void *data, gsize n_bytes, const char *source, GError **error);
/** A copy of the ELF file with this manifest in its section, which is added or replaced. Shared (refcounted). */
GBytes *weft_elf_stamp(GBytes *file, GBytes *manifest, const char *source, GError **error);
void weft_elf_free(WeftElf *elf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftElf, weft_elf_free)

/** Name of a dtype as manifests spell it ("f32"), or NULL; and back. */
const char *weft_dtype_name(struct weft_dtype dtype);
gboolean weft_dtype_parse(const char *name, struct weft_dtype *out);

/** Errors of the core: the code is a weft_status, so that the bridge loses nothing. */
#define WEFT_ERROR (weft_error_quark())
GQuark weft_error_quark(void);

#endif
