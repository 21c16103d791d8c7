/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * A model folder in the style of Hugging Face on its way into a plan: opens
 * `model/config.json` and `model/model.safetensors`, checks what model it is,
 * names weights by their tensors and compiles.
 *
 *     struct weft_nn_model m;
 *     weft_nn_model_open(&m, host, setup, config, "vit", (const char *[]){"ViTModel", NULL});
 *     weft_nn_model_prefix(&m, "embeddings.cls_token", (const char *[]){"", "vit.", NULL});
 *     weft_value w = weft_nn_model_weight(&m, 2, (int64_t[]){d, d}, "layer.%lld.weight", i);
 *     ...
 *     status = weft_nn_model_compile(&m, compute, &program);
 *     weft_nn_model_close(&m);
 *
 * The first error sticks (host->fail was called with it): later calls do
 * nothing, weights are WEFT_NO_VALUE, and `compile` answers it. The resource's
 * bytes live until the instance is destroyed, so the model may be closed as
 * soon as it is compiled. All functions: [control thread, in create].
 */
#ifndef WEFT_NN_MODEL_H
#define WEFT_NN_MODEL_H

#include <weft/node.h>

#include "json.h"
#include "plan.h"
#include "safetensors.h"

#include <weft/node.h>

/** Longest name of a tensor with its prefix, bytes with the final zero; longer ones are an error. */
#define WEFT_NN_NAME_BYTES 256

struct weft_nn_model {
  const struct weft_host *host;
  struct weft_setup *setup;
  struct weft_json *config;          /**< config.json; never NULL while status is WEFT_OK */
  struct weft_safetensors *weights;  /**< model.safetensors */
  struct weft_resource resource;     /**< its bytes */
  struct weft_nn_plan *plan;
  uint32_t precision;                /**< WEFT_PRECISION_* that the pipeline wants of it */
  const char *prefix;                /**< put before every tensor's name: borrowed until close */
  weft_status status;                /**< the first error */
};

/**
 * Opens the folder. config: as create got it; its precision is that of the
 * program. reads: the plugin's id, for messages. architectures: names accepted
 * in `architectures`, NULL-terminated, the first one being what messages
 * recommend. m: free with weft_nn_model_close, whatever status is.
 */
weft_status weft_nn_model_open(struct weft_nn_model *m, const struct weft_host *host, struct weft_setup *setup,
                               const struct weft_config *config, const char *reads,
                               const char *const *architectures);
/** Frees all but the program. */
void weft_nn_model_close(struct weft_nn_model *m);

/** Opens another JSON file of the folder ("model/NAME"); NULL after an error. Caller frees with weft_json_close. */
struct weft_json *weft_nn_model_json(struct weft_nn_model *m, const char *name);
/** Takes over the first error remembered in json, if there is one. Answers m->status. */
weft_status weft_nn_model_check(struct weft_nn_model *m, const struct weft_json *json);
/** Records an error, if it is the first. Answers m->status. */
weft_status weft_nn_model_fail(struct weft_nn_model *m, weft_status status, const char *format, ...)
    WEFT_PRINTF(3, 4);

/**
 * Holds a bound input against what the model was trained on: d numbers in a row, of that embedding space (NULL: any).
 * Records an error that says what is taken there (host->takes) where they differ.
 */
void weft_nn_model_take(struct weft_nn_model *m, const struct weft_config *config, uint32_t input, int64_t d,
                        const char *space);

/**
 * Chooses the first of `prefixes` (NULL-terminated, borrowed until close) under which `probe` exists; none: the first.
 */
void weft_nn_model_prefix(struct weft_nn_model *m, const char *probe, const char *const *prefixes);
/** Whether a tensor is there; format without the prefix. */
int weft_nn_model_has(struct weft_nn_model *m, const char *format, ...) WEFT_PRINTF(2, 3);
/** The weight of that name and shape; dims: [rank], -1: any size. Missing or of another shape: an error naming both. */
weft_value weft_nn_model_weight(struct weft_nn_model *m, uint32_t rank, const int64_t *dims, const char *format, ...)
    WEFT_PRINTF(4, 5);
/** Dim `at` of a tensor; 0 after an error or where it has no such dim. */
int64_t weft_nn_model_dim(struct weft_nn_model *m, uint32_t at, const char *format, ...) WEFT_PRINTF(3, 4);

/** act(x W^T + b) + residual with W = NAME.weight [n_out, n_in], b = NAME.bias [n_out]. */
struct weft_nn_dense {
  int64_t n_in, n_out;
  int bias;             /**< 0: none */
  int activation;       /**< WEFT_ACT_* */
  weft_value residual;  /**< or WEFT_NO_VALUE */
};
weft_value weft_nn_model_dense(struct weft_nn_model *m, weft_value x, const struct weft_nn_dense *dense,
                               const char *name);
/** Layer norm with NAME.weight and NAME.bias [d], or NAME.gamma and NAME.beta as older files have them. */
weft_value weft_nn_model_norm(struct weft_nn_model *m, weft_value x, int64_t d, double eps, const char *name);

/** An activation by its name under `key` of config.json, or an error that lists what is known. */
int weft_nn_model_activation(struct weft_nn_model *m, const char *key, const char *fallback);

/** Finishes the plan and compiles it. program: transferred on success; freed with compute->free. */
weft_status weft_nn_model_compile(struct weft_nn_model *m, const struct weft_compute *compute,
                                  struct weft_program **program);

/** weft.compute/1 of the host, or NULL after host->fail. */
const struct weft_compute *weft_nn_compute(const struct weft_host *host, struct weft_setup *setup);

#endif
