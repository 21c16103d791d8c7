/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.h
 * A strict reader of JSON objects: every error names the source, the JSON path
 * (RFC 6901), what was expected and what was found. Private to core/loader.
 *
 * The functions answer FALSE with *error set; `out` of a key that is left out
 * keeps its value.
 */
#ifndef WEFT_CORE_JSON_H
#define WEFT_CORE_JSON_H

#include <glib.h>
#include <jansson.h>

typedef struct {
  const char *source;
  GString *path;
  GError **error;
} WeftJson;

/** Always FALSE: sets the error at the present path. */
gboolean weft_mjson_fail(WeftJson *json, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** Enters a key or an index; answers what weft_mjson_leave takes back. */
gsize weft_mjson_enter(WeftJson *json, const char *key);
gsize weft_mjson_enter_index(WeftJson *json, gsize index);
void weft_mjson_leave(WeftJson *json, gsize mark);

/** What a value is, for messages: `a string`, `the number 3`; caller frees with g_free. */
char *weft_mjson_describe(const json_t *value);

/** value is an object and has only these keys. */
gboolean weft_mjson_object(WeftJson *json, const json_t *value, const char *const *known, gsize n_known);
/** Whether key is there; an error when it is not. */
gboolean weft_mjson_required(WeftJson *json, const json_t *object, const char *key);

/** A string of 1..max bytes, caller frees with g_free; max is named `limit` in the message. */
gboolean weft_mjson_string(WeftJson *json, const json_t *object, const char *key, gsize max, char **out);
gboolean weft_mjson_word(WeftJson *json, const json_t *object, const char *key, const char *const *words, gsize n_words,
                        guint *out);
gboolean weft_mjson_bool(WeftJson *json, const json_t *object, const char *key, gboolean *out);
gboolean weft_mjson_int(WeftJson *json, const json_t *object, const char *key, gint64 min, gint64 max, gint64 *out);
/** An array of at most max; *out NULL when it is left out: borrowed from object. */
gboolean weft_mjson_array(WeftJson *json, const json_t *object, const char *key, gsize max, json_t **out);
/** An array of strings as a NULL-terminated vector; caller frees with g_strfreev. */
gboolean weft_mjson_strings(WeftJson *json, const json_t *object, const char *key, gsize max, gsize max_bytes,
                           char ***out);

#endif
