/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node.h
 * The one interface of all nodes: reader, encoder, fusion, expert, head,
 * filter and writer alike. A kind is a word in the manifest plus a header of
 * conventions (reader.h, encoder.h, fusion.h, head.h).
 *
 * Life cycle, all on the control thread but `process`:
 *
 *     create -> ports -> activate -> process ... -> deactivate -> destroy
 *
 * Nodes are created in topological order, so `create` sees its inputs with
 * concrete dims and attributes. It starts no threads and keeps no
 * descriptors: the process may be forked after it. `process` may be called
 * on any helper, one at a time per instance unless the manifest says
 * `"parallel": true`. State of a call lives in `call->scratch`, never in
 * thread-local storage.
 *
 * State over calls goes through state ports (manifest.h), which the host keeps
 * per session. The input is absent at a session's first item, after
 * WEFT_CHUNK_FIRST, for items without a session (what they leave is dropped),
 * and once the host has forgotten the session (too many of them, or none of its
 * items came for an hour). Items of one session come in order, never two in a
 * call; what an item leaves is kept only where it succeeds, and leaving no value
 * (slot -1) forgets. So a node with state stays pure and may be retried.
 */
#ifndef WEFT_NODE_H
#define WEFT_NODE_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A semantic attribute: what data means, beside its type and dims. Keys: manifest.h. */
struct weft_attribute {
  const char *key;
  const char *value;
};

#define WEFT_PARAMETER_TEXT 0u
#define WEFT_PARAMETER_INT 1u
#define WEFT_PARAMETER_NUMBER 2u
#define WEFT_PARAMETER_BOOL 3u
#define WEFT_PARAMETER_ASSET 4u

/** A parameter, checked by the host against the manifest; defaults are filled in. */
struct weft_parameter {
  const char *name;
  const char *text; /**< TEXT: the value; ASSET: as the file names it, "" for none; otherwise as it was written */
  double number;    /**< NUMBER, in the manifest's unit; INT and BOOL too */
  int64_t integer;  /**< INT; BOOL: 0 or 1 */
  uint32_t type;    /**< WEFT_PARAMETER_* */
  uint32_t flags;   /**< 0 */
};

/** How many rows an output has: sum of factor x (rows | groups | items) + constant. */
#define WEFT_COUNT_ITEMS 0u
#define WEFT_COUNT_ROWS 1u
#define WEFT_COUNT_GROUPS 2u
struct weft_rows_term {
  int32_t input;   /**< index of the bound input; -1 with WEFT_COUNT_ITEMS */
  uint32_t of;     /**< WEFT_COUNT_* */
  int64_t factor;
};

/** A port with everything concrete: an input as bound, an output as `ports` answers it. */
struct weft_port {
  const char *name;            /**< as in the manifest; a variadic input: its base name, `tokens` */
  const char *key;             /**< variadic inputs: the key under `in:`; otherwise NULL */
  struct weft_dtype dtype;
  uint32_t rank;
  int64_t dims[WEFT_MAX_RANK]; /**< dims[0] is -1 (rows vary); -1 elsewhere: varies per call */
  uint32_t n_split_levels;     /**< 0: one row an item; 1: ragged; 2: ragged groups */
  uint32_t rows_kind;          /**< outputs: WEFT_ROWS_*. With n_split_levels 0 rows are the items */
  uint32_t n_terms;            /**< outputs, exact and bounded with n_split_levels > 0: rows per item */
  uint32_t n_attributes;
  const struct weft_rows_term *terms;
  const struct weft_attribute *attributes;
};

/** What `create` gets. Everything is borrowed until return. */
struct weft_config {
  const char *node_name;                   /**< name in the pipeline file */
  const struct weft_parameter *parameters; /**< every parameter of the manifest, in its order */
  const struct weft_port *inputs;          /**< the bound inputs; their order is that of call->inputs */
  uint32_t n_parameters;
  uint32_t n_inputs;
  const char *model_digest; /**< hex digest of the node's model folder (config, weights, tokenizer,
                                 preprocessing); NULL without a model. Embedding spaces are named after it */
  uint32_t precision;                      /**< WEFT_PRECISION_* (compute.h) that the pipeline wants of the model */
};

/** What `ports` answers: borrowed until destroy. Companions stand right in this list, named PORT.ROLE. */
struct weft_ports {
  const struct weft_port *outputs; /**< every output of the manifest, in its order */
  uint32_t n_outputs;
};

/** The most that one call will hold. */
struct weft_limits {
  int64_t n_items;
  const int64_t *n_rows;   /**< [n_inputs] */
  const int64_t *n_groups; /**< [n_inputs] */
};

struct weft_node {
  uint32_t size; /**< sizeof(struct weft_node) of the plugin's headers */
  uint32_t flags; /**< 0 */

  /**
   * Makes an instance. On failure: calls host->fail, leaves nothing behind.
   * instance: transferred on success; freed with `destroy`.
   * Errors: WEFT_BAD_CONFIG, WEFT_UNSUPPORTED, WEFT_NO_MEMORY, WEFT_INTERNAL. [control thread]
   */
  weft_status (*create)(struct weft_setup *setup, const struct weft_config *config, void **instance);

  /** Answers the outputs, now concrete. out: borrowed until destroy. [control thread] */
  weft_status (*ports)(void *instance, struct weft_setup *setup, struct weft_ports *out);

  /**
   * Prepares for calls up to `limits`; answers the most scratch that a call
   * within them needs. May be called again with other limits after
   * `deactivate`. [control thread]
   */
  weft_status (*activate)(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                          uint64_t *n_scratch_bytes);

  /** Handles one call; see call.h. Allocates nothing, blocks on nothing. [any helper] */
  weft_status (*process)(void *instance, struct weft_call *call);

  /** Ends what `activate` began. No call is in progress. [control thread] */
  void (*deactivate)(void *instance);

  /** Frees the instance; NULL is allowed. [control thread] */
  void (*destroy)(void *instance);
};

/** The parameter of that name, or NULL. [control thread, in create] */
static inline const struct weft_parameter *weft_parameter_find(const struct weft_config *config, const char *name)
{
  for (uint32_t i = 0; i < config->n_parameters; i++) {
    const char *a = config->parameters[i].name, *b = name;
    while (*a && *a == *b) {
      a++;
      b++;
    }
    if (*a == *b)
      return &config->parameters[i];
  }
  return NULL;
}

/** Index of the bound input of that port name, or -1. [control thread, in create] */
static inline int weft_input_find(const struct weft_config *config, const char *name)
{
  for (uint32_t i = 0; i < config->n_inputs; i++) {
    const char *a = config->inputs[i].name, *b = name;
    while (*a && *a == *b) {
      a++;
      b++;
    }
    if (*a == *b)
      return (int)i;
  }
  return -1;
}

/** Value of an attribute of a port, or NULL where it has none of that key. [control thread] */
static inline const char *weft_attribute_find(const struct weft_port *port, const char *key)
{
  for (uint32_t i = 0; i < port->n_attributes; i++) {
    const char *a = port->attributes[i].key, *b = key;
    while (*a && *a == *b) {
      a++;
      b++;
    }
    if (*a == *b)
      return port->attributes[i].value;
  }
  return NULL;
}

#ifdef __cplusplus
}
#endif
#endif
