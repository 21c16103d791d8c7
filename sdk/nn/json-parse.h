/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json-parse.h
 * One way to parse foreign JSON in sdk/nn. Internal: shows jansson.
 */
#ifndef WEFT_NN_JSON_PARSE_H
#define WEFT_NN_JSON_PARSE_H

#include <jansson.h>
#include <weft/host.h>

struct weft_json_limits {
  uint64_t n_bytes; /**< most bytes */
  uint32_t depth;   /**< deepest nesting */
};

/**
 * Parses one object without duplicate keys. name: used in messages.
 * out: caller frees with json_decref. Errors: WEFT_BAD_CONFIG, WEFT_NO_MEMORY.
 * [any thread]
 */
weft_status weft_json_parse(const void *data, uint64_t n_bytes, const char *name, const struct weft_json_limits *limits,
                            json_t **out, char *message);

/** "a string", "an integer", ...: the kind of a value, for messages; NULL: "nothing". */
const char *weft_json_kind(const json_t *value);

#endif
