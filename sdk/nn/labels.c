/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weft_labels_clear(struct weft_labels *labels)
{
  for (uint32_t i = 0; labels->names && i < labels->n; i++)
    free(labels->names[i]);
  free(labels->names);
  free(labels->json);
  memset(labels, 0, sizeof *labels);
}

static weft_status no_memory(struct weft_labels *out, char *message)
{
  weft_labels_clear(out);
  snprintf(message, WEFT_MESSAGE_BYTES, "no memory for the labels");
  return WEFT_NO_MEMORY;
}

/* Takes the names out of an array of strings that has been checked. */
static weft_status from_array(json_t *array, struct weft_labels *out, char *message)
{
  size_t n = json_array_size(array);
  out->n_longest_bytes = 1;
  out->names = calloc(n, sizeof *out->names);
  out->json = json_dumps(array, JSON_COMPACT);
  if (!out->names || !out->json)
    return no_memory(out, message);
  for (size_t i = 0; i < n; i++) {
    json_t *name = json_array_get(array, i);
    out->n = (uint32_t)i + 1;
    out->names[i] = strdup(json_string_value(name));
    if (!out->names[i])
      return no_memory(out, message);
    if (json_string_length(name) > out->n_longest_bytes)
      out->n_longest_bytes = (uint32_t)json_string_length(name);
  }
  return WEFT_OK;
}

weft_status weft_labels_parse(const char *json, struct weft_labels *out, char *message)
{
  memset(out, 0, sizeof *out);
  json_error_t error;
  json_t *array = json_loads(json, JSON_REJECT_DUPLICATES, &error);
  size_t n = json_is_array(array) ? json_array_size(array) : 0, i = 0;
  while (i < n && json_is_string(json_array_get(array, i)))
    i++;
  weft_status status = WEFT_BAD_CONFIG;
  if (n == 0 || i < n)
    snprintf(message, WEFT_MESSAGE_BYTES, "labels: expected a JSON array of strings such as [\"no\",\"yes\"], found %.100s",
             json);
  else
    status = from_array(array, out, message);
  json_decref(array);
  return status;
}

weft_status weft_labels_copy(const char *const *names, uint32_t n, struct weft_labels *out, char *message)
{
  memset(out, 0, sizeof *out);
  json_t *array = json_array();
  uint32_t i = 0;
  while (array && i < n && json_array_append_new(array, json_string(names[i])) == 0)
    i++;
  weft_status status = WEFT_BAD_CONFIG;
  if (!array)
    status = no_memory(out, message);
  else if (i < n)
    snprintf(message, WEFT_MESSAGE_BYTES, "label %u is not valid UTF-8", i);
  else
    status = from_array(array, out, message);
  json_decref(array);
  return status;
}

static uint32_t softmax(double *x, uint32_t n)
{
  uint32_t best = 0;
  for (uint32_t c = 1; c < n; c++)
    if (x[c] > x[best])
      best = c;
  double top = x[best], sum = 0;
  for (uint32_t c = 0; c < n; c++)
    sum += x[c] = exp(x[c] - top);
  for (uint32_t c = 0; c < n; c++)
    x[c] /= sum;
  return best;
}

void weft_labels_answer(const struct weft_labels *labels, struct weft_call *call, uint32_t item, double *logits)
{
  struct weft_output *label = &call->outputs[WEFT_ANSWER_LABEL];
  struct weft_output *probability = &call->outputs[WEFT_ANSWER_PROBABILITY];
  struct weft_output *probabilities = &call->outputs[WEFT_ANSWER_PROBABILITIES];
  uint32_t best = logits ? softmax(logits, labels->n) : 0;
  if (label->wanted) {
    const char *name = logits ? labels->names[best] : "";
    int64_t at = item == 0 ? 0 : label->splits[0][item], n = (int64_t)strlen(name);
    label->splits[0][0] = 0;
    if (n > 0)
      memcpy((char *)label->tensor.data + at, name, (size_t)n);
    label->splits[0][item + 1] = label->tensor.dims[0] = at + n;
  }
  if (probability->wanted)
    ((float *)probability->tensor.data)[item] = logits ? (float)logits[best] : 0;
  float *row = probabilities->wanted ? (float *)probabilities->tensor.data + (size_t)item * labels->n : NULL;
  for (uint32_t c = 0; row && c < labels->n; c++)
    row[c] = logits ? (float)logits[c] : 0;
}
