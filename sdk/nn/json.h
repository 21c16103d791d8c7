/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.h
 * Configuration files of models (config.json, preprocessor_config.json):
 * typed values by key, with ranges and defaults.
 *
 *     struct weft_json *json;
 *     if (weft_json_open(&resource, "config.json", &json, message) != WEFT_OK) ...
 *     int64_t d = weft_json_int(json, "hidden_size", 1, 65536);
 *     double eps = weft_json_number_or(json, "layer_norm_eps", 1e-12, 0, 1);
 *     const char *act = weft_json_text_or(json, "hidden_act", "gelu");
 *     weft_status status = weft_json_status(json, message);
 *     if (status != WEFT_OK) return host->fail(setup, status, "%s", message);
 *
 * A key may be a path: `size.height`, `image_mean.0`, `inputs.1.name` (a number
 * indexes an array). A value that is missing, of another type or out of range
 * is remembered, the first one only, and answered by weft_json_status; the
 * getter answers the fallback or the lowest value allowed, so that code may
 * read all values and ask once. JSON null counts as missing.
 *
 * message: char [WEFT_MESSAGE_BYTES], written on failure only.
 * [control thread; one reader is used by one thread at a time]
 */
#ifndef WEFT_NN_JSON_H
#define WEFT_NN_JSON_H

#include <weft/host.h>

/** Largest file, bytes. */
#define WEFT_JSON_MAX_BYTES (64u << 20)
/** Deepest nesting. */
#define WEFT_JSON_MAX_DEPTH 32u

struct weft_json;

/**
 * Parses a file: one object, no key twice. name: used in messages, copied.
 * out: caller frees with weft_json_close. Does not keep the resource.
 * Errors: WEFT_BAD_CONFIG with line and column, WEFT_NO_MEMORY.
 */
weft_status weft_json_open(const struct weft_resource *resource, const char *name, struct weft_json **out,
                           char *message);
/** NULL is allowed. */
void weft_json_close(struct weft_json *json);

/** WEFT_OK, or the first error: WEFT_BAD_CONFIG or what weft_json_fail was given. */
weft_status weft_json_status(const struct weft_json *json, char *message);
/**
 * Remembers an error of the caller's own, if it is the first; the text is
 * preceded by the file's name. Returns status.
 */
weft_status weft_json_fail(struct weft_json *json, weft_status status, const char *format, ...) WEFT_PRINTF(3, 4);

/** Whether the key is there and not null. */
int weft_json_has(const struct weft_json *json, const char *key);
/** Elements of an array, members of an object; -1: missing or neither. */
int64_t weft_json_count(const struct weft_json *json, const char *key);

/* Required values: missing is an error. Texts: borrowed until close. */
int64_t weft_json_int(struct weft_json *json, const char *key, int64_t min, int64_t max);
double weft_json_number(struct weft_json *json, const char *key, double min, double max);
int weft_json_bool(struct weft_json *json, const char *key);
const char *weft_json_text(struct weft_json *json, const char *key);

/* With a fallback for a missing value; a wrong type or range is still an error. */
int64_t weft_json_int_or(struct weft_json *json, const char *key, int64_t fallback, int64_t min, int64_t max);
double weft_json_number_or(struct weft_json *json, const char *key, double fallback, double min, double max);
int weft_json_bool_or(struct weft_json *json, const char *key, int fallback);
const char *weft_json_text_or(struct weft_json *json, const char *key, const char *fallback);

#endif
