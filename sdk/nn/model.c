/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "quantised.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

weft_status weft_nn_model_fail(struct weft_nn_model *m, weft_status status, const char *format, ...)
{
  char text[WEFT_MESSAGE_BYTES];
  if (m->status != WEFT_OK)
    return m->status;
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  m->status = status;
  return m->host->fail(m->setup, status, "%s", text);
}

weft_status weft_nn_model_check(struct weft_nn_model *m, const struct weft_json *json)
{
  char message[WEFT_MESSAGE_BYTES];
  if (m->status != WEFT_OK)
    return m->status;
  weft_status status = weft_json_status(json, message);
  if (status != WEFT_OK)
    weft_nn_model_fail(m, status, "%s", message);
  return m->status;
}

struct weft_json *weft_nn_model_json(struct weft_nn_model *m, const char *name)
{
  char path[WEFT_NN_NAME_BYTES], message[WEFT_MESSAGE_BYTES];
  struct weft_resource resource;
  struct weft_json *json = NULL;
  if (m->status != WEFT_OK)
    return NULL;
  snprintf(path, sizeof path, "model/%s", name);
  m->status = m->host->resource_open(m->setup, path, 0, &resource);
  if (m->status != WEFT_OK)
    return NULL;
  weft_status status = weft_json_open(&resource, name, &json, message);
  if (status == WEFT_OK)
    return json;
  weft_nn_model_fail(m, status, "%s", message);
  return NULL;
}

/* config.json's `architectures` says which class wrote the folder. */
static void check_architecture(struct weft_nn_model *m, const char *reads, const char *const *architectures)
{
  const char *found = weft_json_has(m->config, "architectures.0") ? weft_json_text(m->config, "architectures.0") : NULL;
  if (weft_nn_model_check(m, m->config) != WEFT_OK)
    return;
  if (!found) {
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "config.json names no `architectures`; %s reads %s, as save_pretrained writes it", reads,
                       architectures[0]);
    return;
  }
  for (const char *const *a = architectures; *a; a++)
    if (strcmp(found, *a) == 0)
      return;
  weft_nn_model_fail(m, WEFT_BAD_CONFIG, "this folder is %.64s; %s reads %s", found, reads, architectures[0]);
}

weft_status weft_nn_model_open(struct weft_nn_model *m, const struct weft_host *host, struct weft_setup *setup,
                               const struct weft_config *config, const char *reads,
                               const char *const *architectures)
{
  char message[WEFT_MESSAGE_BYTES];
  memset(m, 0, sizeof *m);
  m->host = host;
  m->setup = setup;
  m->precision = config->precision;
  m->prefix = "";
  m->config = weft_nn_model_json(m, "config.json");
  if (m->config)
    check_architecture(m, reads, architectures);
  if (m->status == WEFT_OK)
    m->status = host->resource_open(setup, "model/model.safetensors", 0, &m->resource);
  if (m->status != WEFT_OK)
    return m->status;
  weft_status status = weft_safetensors_open(&m->resource, "model.safetensors", &m->weights, message);
  if (status != WEFT_OK)
    return weft_nn_model_fail(m, status, "%s", message);
  m->plan = weft_nn_plan_new();
  if (!m->plan)
    weft_nn_model_fail(m, WEFT_NO_MEMORY, "no memory for the plan");
  return m->status;
}

void weft_nn_model_close(struct weft_nn_model *m)
{
  weft_nn_plan_free(m->plan);
  weft_safetensors_close(m->weights);
  weft_json_close(m->config);
  m->plan = NULL;
  m->weights = NULL;
  m->config = NULL;
}

void weft_nn_model_prefix(struct weft_nn_model *m, const char *probe, const char *const *prefixes)
{
  if (m->status != WEFT_OK)
    return;
  for (const char *const *p = prefixes; *p; p++) {
    m->prefix = *p;
    if (weft_nn_model_has(m, "%s", probe))
      return;
  }
  m->prefix = prefixes[0];
}

/* The tensor's full name; 0 where it does not fit. */
static int full_name(struct weft_nn_model *m, char *name, const char *format, va_list args)
{
  int n = snprintf(name, WEFT_NN_NAME_BYTES, "%s", m->prefix);
  n += vsnprintf(name + n, (size_t)(WEFT_NN_NAME_BYTES - n), format, args);
  if (n < WEFT_NN_NAME_BYTES)
    return 1;
  weft_nn_model_fail(m, WEFT_BAD_CONFIG, "the tensor name %.60s... has %d bytes; at most %d are allowed", name, n,
                     WEFT_NN_NAME_BYTES - 1);
  return 0;
}

int weft_nn_model_has(struct weft_nn_model *m, const char *format, ...)
{
  char name[WEFT_NN_NAME_BYTES];
  if (m->status != WEFT_OK)
    return 0;
  va_list args;
  va_start(args, format);
  int fits = full_name(m, name, format, args);
  va_end(args);
  return fits && weft_safetensors_find(m->weights, name) != NULL;
}

/* Two columns a byte. */
static int is_halves(const struct weft_safetensors_tensor *tensor)
{
  return tensor->dtype.code == WEFT_DTYPE_UINT && tensor->dtype.bits == 8;
}

/* The scales of a quantised tensor; NULL: it is none. */
static const struct weft_safetensors_tensor *scales_of(const struct weft_nn_model *m, const char *name)
{
  char scale[WEFT_NN_NAME_BYTES + 8];
  snprintf(scale, sizeof scale, "%s.scale", name);
  return weft_safetensors_find(m->weights, scale);
}

int64_t weft_nn_model_dim(struct weft_nn_model *m, uint32_t at, const char *format, ...)
{
  char name[WEFT_NN_NAME_BYTES];
  if (m->status != WEFT_OK)
    return 0;
  va_list args;
  va_start(args, format);
  int fits = full_name(m, name, format, args);
  va_end(args);
  if (!fits)
    return 0;
  const struct weft_safetensors_tensor *tensor = weft_safetensors_find(m->weights, name);
  if (!tensor)
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "model.safetensors has no tensor %s", name);
  int64_t dim = tensor && at < tensor->rank ? tensor->dims[at] : 0;
  return tensor && at == 1 && is_halves(tensor) && scales_of(m, name) ? 2 * dim : dim;
}

/* A weight that `weft model quantize` has written. Its shape was compared, or an error recorded. */
static int quantised_weight(struct weft_nn_model *m, const int64_t *dims, const char *name, struct weft_plan_weight *weight)
{
  char message[WEFT_MESSAGE_BYTES];
  const struct weft_safetensors_tensor *tensor = weft_safetensors_find(m->weights, name), *scales = scales_of(m, name);
  if (!tensor || !scales || tensor->rank != 2)
    return 0;
  int64_t n = tensor->dims[0], k = is_halves(tensor) ? 2 * tensor->dims[1] : tensor->dims[1];
  int fits = (dims[0] < 0 || dims[0] == n) && (dims[1] < 0 || dims[1] == k) && scales->dims[0] == n;
  if (is_halves(tensor))
    fits = fits && k % WEFT_NN_INT4_GROUP == 0 && scales->rank == 2 && scales->dims[1] == k / WEFT_NN_INT4_GROUP &&
           scales->dtype.code == WEFT_DTYPE_BFLOAT;
  else
    fits = fits && tensor->dtype.code == WEFT_DTYPE_INT && tensor->dtype.bits == 8 && scales->rank == 1 &&
           weft_dtype_equal(scales->dtype, weft_f32());
  if (!fits) {
    snprintf(message, sizeof message, "model.safetensors: tensor '%.128s' should be [%lld, %lld] in int8 or int4 with its scales "
             "(NAME.scale); found rows %lld, columns %lld", name, (long long)dims[0], (long long)dims[1], (long long)n,
             (long long)k);
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "%s", message);
    return 1;
  }
  weight->dtype = is_halves(tensor) ? (struct weft_dtype){WEFT_DTYPE_UINT, 4, 1} : tensor->dtype;
  weight->name = tensor->name;
  weight->offset = tensor->offset;
  weight->scales = scales->offset;
  weight->dims[0] = n;
  weight->dims[1] = k;
  return 1;
}

/* The lowest precision that "quantization" allows for a tensor, + 1; 0: any. */
static uint32_t kept_precision(struct weft_nn_model *m, const char *name)
{
  static const char *const words[] = {"f32", "bf16", "int8", "int4"};
  int64_t n = weft_json_has(m->config, "quantization.kept.0") ? weft_json_count(m->config, "quantization.kept") : 0;
  for (int64_t i = 0; i < n; i++) {
    char key[64];
    snprintf(key, sizeof key, "quantization.kept.%lld.name", (long long)i);
    const char *kept = weft_json_text(m->config, key);
    if (!kept || strcmp(kept, name) != 0)
      continue;
    snprintf(key, sizeof key, "quantization.kept.%lld.precision", (long long)i);
    const char *word = weft_json_text(m->config, key);
    for (uint32_t p = 0; word && p < WEFT_N_PRECISIONS; p++)
      if (strcmp(words[p], word) == 0)
        return p + 1;
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "config.json: %s is %.32s; expected f32, bf16, int8 or int4", key, word ? word : "?");
  }
  return 0;
}

static weft_value weight_named(struct weft_nn_model *m, uint32_t rank, const int64_t *dims, const char *name)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_plan_weight quantised = {.data = m->resource.data, .resource = m->resource.id, .rank = 2,
                                       .at_least = kept_precision(m, name)};
  if (rank == 2 && quantised_weight(m, dims, name, &quantised))
    return m->status == WEFT_OK ? weft_nn_weight(m->plan, &quantised) : WEFT_NO_VALUE;
  const struct weft_safetensors_tensor *tensor = weft_safetensors_need(m->weights, name, rank, dims, message);
  if (!tensor) {
    weft_nn_model_fail(m, WEFT_BAD_CONFIG, "%s", message);
    return WEFT_NO_VALUE;
  }
  struct weft_plan_weight weight = {.name = tensor->name, .data = m->resource.data, .resource = m->resource.id,
                                    .offset = tensor->offset, .dtype = tensor->dtype, .rank = rank,
                                    .at_least = quantised.at_least};
  for (uint32_t i = 0; i < rank && i < WEFT_PLAN_RANK; i++)
    weight.dims[i] = tensor->dims[i];
  return weft_nn_weight(m->plan, &weight);
}

weft_value weft_nn_model_weight(struct weft_nn_model *m, uint32_t rank, const int64_t *dims, const char *format, ...)
{
  char name[WEFT_NN_NAME_BYTES];
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  va_list args;
  va_start(args, format);
  int fits = full_name(m, name, format, args);
  va_end(args);
  return fits ? weight_named(m, rank, dims, name) : WEFT_NO_VALUE;
}

weft_value weft_nn_model_dense(struct weft_nn_model *m, weft_value x, const struct weft_nn_dense *dense,
                               const char *name)
{
  weft_value weight = weft_nn_model_weight(m, 2, (int64_t[]){dense->n_out, dense->n_in}, "%s.weight", name);
  weft_value bias = WEFT_NO_VALUE;
  if (dense->bias)
    bias = weft_nn_model_weight(m, 1, &dense->n_out, "%s.bias", name);
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  return weft_nn_linear(m->plan, x, weight, bias, dense->activation, dense->residual);
}

weft_value weft_nn_model_norm(struct weft_nn_model *m, weft_value x, int64_t d, double eps, const char *name)
{
  int old = !weft_nn_model_has(m, "%s.weight", name) && weft_nn_model_has(m, "%s.gamma", name);
  weft_value gamma = weft_nn_model_weight(m, 1, &d, "%s.%s", name, old ? "gamma" : "weight");
  weft_value beta = weft_nn_model_weight(m, 1, &d, "%s.%s", name, old ? "beta" : "bias");
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  return weft_nn_layer_norm(m->plan, x, gamma, beta, eps);
}

int weft_nn_model_activation(struct weft_nn_model *m, const char *key, const char *fallback)
{
  if (m->status != WEFT_OK)
    return WEFT_ACT_NONE;
  const char *name = weft_json_text_or(m->config, key, fallback);
  int activation = name ? weft_nn_activation_find(name) : -1;
  if (weft_nn_model_check(m, m->config) == WEFT_OK && activation < 0)
    weft_nn_model_fail(m, WEFT_UNSUPPORTED,
                       "config.json: %s is %.64s; known are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, "
                       "relu, silu, swish, tanh, sigmoid, linear",
                       key, name);
  return activation;
}

weft_status weft_nn_model_compile(struct weft_nn_model *m, const struct weft_compute *compute,
                                  struct weft_program **program)
{
  if (weft_nn_model_check(m, m->config) != WEFT_OK)
    return m->status;
  const struct weft_plan *plan = weft_nn_plan_finish(m->plan);
  if (!plan)
    return weft_nn_model_fail(m, weft_nn_plan_status(m->plan), "%s", weft_nn_plan_error(m->plan));
  struct weft_compute_options options = {.precision = m->precision};
  m->status = compute->compile(m->setup, plan, &options, program);
  return m->status;
}

const struct weft_compute *weft_nn_compute(const struct weft_host *host, struct weft_setup *setup)
{
  const struct weft_compute *compute = host->get_extension(WEFT_COMPUTE_ID);
  if (!compute)
    host->fail(setup, WEFT_UNAVAILABLE, "nobody offers " WEFT_COMPUTE_ID "; install a compute provider (compute-cpu)");
  return compute;
}
