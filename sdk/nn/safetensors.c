/* SPDX-License-Identifier: Apache-2.0 */
#include "safetensors.h"

#include "json-parse.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_BYTES 8u

struct weft_safetensors {
  char *name;
  char *names;                                /* all names, one after another */
  struct weft_safetensors_tensor *tensors;    /* by offset */
  const struct weft_safetensors_tensor **by_name;
  uint32_t n_tensors;
};

/* What is known while the header is read. */
struct reading {
  struct weft_safetensors *file;
  const unsigned char *data;   /* of the tensors */
  uint64_t data_offset;        /* in the resource */
  uint64_t n_data_bytes;
  char *next_name;
  char *message;
};

static const struct {
  const char *name;
  uint8_t code, bits;
} DTYPES[] = {
    {"F32", WEFT_DTYPE_FLOAT, 32}, {"F16", WEFT_DTYPE_FLOAT, 16}, {"BF16", WEFT_DTYPE_BFLOAT, 16},
    {"F64", WEFT_DTYPE_FLOAT, 64}, {"I64", WEFT_DTYPE_INT, 64},   {"I32", WEFT_DTYPE_INT, 32},
    {"I16", WEFT_DTYPE_INT, 16},   {"I8", WEFT_DTYPE_INT, 8},     {"U64", WEFT_DTYPE_UINT, 64},
    {"U32", WEFT_DTYPE_UINT, 32},  {"U16", WEFT_DTYPE_UINT, 16},  {"U8", WEFT_DTYPE_UINT, 8},
    {"BOOL", WEFT_DTYPE_BOOL, 8},
};
#define N_DTYPES (sizeof DTYPES / sizeof *DTYPES)

static weft_status read_dtype(const struct reading *r, const json_t *value, struct weft_safetensors_tensor *tensor)
{
  if (!json_is_string(value))
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: tensor '%s': expected a string as dtype, found %s",
                        r->file->name, tensor->name, weft_json_kind(value));
  for (size_t i = 0; i < N_DTYPES; i++) {
    if (strcmp(json_string_value(value), DTYPES[i].name) == 0) {
      tensor->dtype = weft_dtype_of(DTYPES[i].code, DTYPES[i].bits);
      return WEFT_OK;
    }
  }
  return weft_message(r->message, WEFT_UNSUPPORTED,
                      "%s: tensor '%s' has dtype '%.32s'; known are F64, F32, F16, BF16, I8..I64, U8..U64 and BOOL",
                      r->file->name, tensor->name, json_string_value(value));
}

static weft_status read_shape(const struct reading *r, const json_t *value, struct weft_safetensors_tensor *tensor,
                              uint64_t *n_bytes)
{
  if (!json_is_array(value))
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: tensor '%s': expected an array as shape, found %s",
                        r->file->name, tensor->name, weft_json_kind(value));
  size_t rank = json_array_size(value);
  if (rank > WEFT_MAX_RANK)
    return weft_message(r->message, WEFT_UNSUPPORTED, "%s: tensor '%s' has rank %zu, beyond WEFT_MAX_RANK (%d)",
                        r->file->name, tensor->name, rank, WEFT_MAX_RANK);
  int64_t n = tensor->dtype.bits / 8;
  for (size_t i = 0; i < rank; i++) {
    const json_t *dim = json_array_get(value, i);
    if (!json_is_integer(dim) || json_integer_value(dim) < 0)
      return weft_message(r->message, WEFT_BAD_CONFIG,
                          "%s: tensor '%s': shape[%zu] should be an integer from 0 up, found %s", r->file->name,
                          tensor->name, i, json_is_integer(dim) ? "a negative one" : weft_json_kind(dim));
    tensor->dims[i] = json_integer_value(dim);
    if (__builtin_mul_overflow(n, tensor->dims[i], &n))
      return weft_message(r->message, WEFT_BAD_CONFIG, "%s: tensor '%s': the sizes of its shape overflow 64 bits",
                          r->file->name, tensor->name);
  }
  tensor->rank = (uint32_t)rank;
  *n_bytes = (uint64_t)n;
  return WEFT_OK;
}

static weft_status read_offsets(const struct reading *r, const json_t *value, struct weft_safetensors_tensor *tensor,
                                uint64_t n_bytes)
{
  const json_t *first = json_array_get(value, 0), *last = json_array_get(value, 1);
  if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(last))
    return weft_message(r->message, WEFT_BAD_CONFIG,
                        "%s: tensor '%s': expected [begin, end] as data_offsets, found %s", r->file->name,
                        tensor->name, json_is_array(value) ? "another array" : weft_json_kind(value));
  int64_t begin = json_integer_value(first), end = json_integer_value(last);
  if (begin < 0 || end < begin || (uint64_t)end > r->n_data_bytes)
    return weft_message(r->message, WEFT_BAD_CONFIG,
                        "%s: tensor '%s': data_offsets [%lld, %lld] leave the %llu bytes of data (was the file cut?)",
                        r->file->name, tensor->name, (long long)begin, (long long)end,
                        (unsigned long long)r->n_data_bytes);
  if ((uint64_t)(end - begin) != n_bytes)
    return weft_message(r->message, WEFT_BAD_CONFIG,
                        "%s: tensor '%s': dtype and shape make %llu bytes, but data_offsets [%lld, %lld] hold %lld",
                        r->file->name, tensor->name, (unsigned long long)n_bytes, (long long)begin, (long long)end,
                        (long long)(end - begin));
  tensor->n_bytes = n_bytes;
  tensor->offset = r->data_offset + (uint64_t)begin;
  tensor->data = r->data + begin;
  return WEFT_OK;
}

static weft_status read_tensor(struct reading *r, const char *key, const json_t *value)
{
  struct weft_safetensors_tensor *tensor = &r->file->tensors[r->file->n_tensors];
  size_t n = strlen(key);
  if (n > WEFT_SAFETENSORS_MAX_NAME_BYTES)
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: the name of tensor '%.64s...' has %zu bytes, beyond %u",
                        r->file->name, key, n, WEFT_SAFETENSORS_MAX_NAME_BYTES);
  tensor->name = memcpy(r->next_name, key, n + 1);
  r->next_name += n + 1;
  if (!json_is_object(value))
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: tensor '%s': expected an object, found %s", r->file->name,
                        key, weft_json_kind(value));
  const char *field;
  json_t *ignored;
  json_object_foreach((json_t *)value, field, ignored) {
    if (strcmp(field, "dtype") != 0 && strcmp(field, "shape") != 0 && strcmp(field, "data_offsets") != 0)
      return weft_message(r->message, WEFT_BAD_CONFIG,
                          "%s: tensor '%s': unknown key '%.64s' (known: dtype, shape, data_offsets)", r->file->name,
                          key, field);
  }
  uint64_t n_bytes = 0;
  weft_status status = read_dtype(r, json_object_get(value, "dtype"), tensor);
  if (status == WEFT_OK)
    status = read_shape(r, json_object_get(value, "shape"), tensor, &n_bytes);
  if (status == WEFT_OK)
    status = read_offsets(r, json_object_get(value, "data_offsets"), tensor, n_bytes);
  if (status == WEFT_OK)
    r->file->n_tensors++;
  return status;
}

static weft_status check_metadata(const struct reading *r, const json_t *value)
{
  const char *key;
  json_t *text;
  if (!json_is_object(value))
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: expected an object as __metadata__, found %s",
                        r->file->name, weft_json_kind(value));
  json_object_foreach((json_t *)value, key, text) {
    if (!json_is_string(text))
      return weft_message(r->message, WEFT_BAD_CONFIG, "%s: __metadata__ '%.64s': expected a string, found %s",
                          r->file->name, key, weft_json_kind(text));
  }
  return WEFT_OK;
}

static int compare_offsets(const void *a, const void *b)
{
  const struct weft_safetensors_tensor *x = a, *y = b;
  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes;
}

static int compare_names(const void *a, const void *b)
{
  const struct weft_safetensors_tensor *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

/* Every byte of data belongs to one tensor: neither overlaps nor holes. */
static weft_status check_layout(const struct reading *r)
{
  uint64_t at = r->data_offset;
  const char *before = "the header";
  for (uint32_t i = 0; i < r->file->n_tensors; i++) {
    const struct weft_safetensors_tensor *tensor = &r->file->tensors[i];
    if (tensor->offset < at)
      return weft_message(r->message, WEFT_BAD_CONFIG, "%s: tensor '%s' overlaps '%s' by %llu bytes", r->file->name,
                          tensor->name, before, (unsigned long long)(at - tensor->offset));
    if (tensor->offset > at)
      return weft_message(r->message, WEFT_BAD_CONFIG, "%s: %llu bytes between '%s' and tensor '%s' belong to none",
                          r->file->name, (unsigned long long)(tensor->offset - at), before, tensor->name);
    at += tensor->n_bytes;
    before = tensor->name;
  }
  uint64_t end = r->data_offset + r->n_data_bytes;
  if (at != end)
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: %llu bytes at the end belong to no tensor", r->file->name,
                        (unsigned long long)(end - at));
  return WEFT_OK;
}

static weft_status allocate(struct reading *r, const json_t *header, uint32_t n_tensors)
{
  size_t n_names = 1;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)header, key, value)
    n_names += strlen(key) + 1;
  struct weft_safetensors *file = r->file;
  file->names = malloc(n_names);
  file->tensors = calloc(n_tensors + 1u, sizeof *file->tensors);
  file->by_name = calloc(n_tensors + 1u, sizeof *file->by_name);
  if (!file->names || !file->tensors || !file->by_name)
    return weft_message(r->message, WEFT_NO_MEMORY, "%s: no memory for %u tensors", file->name, n_tensors);
  r->next_name = file->names;
  return WEFT_OK;
}

static weft_status read_header(struct reading *r, const json_t *header)
{
  const json_t *metadata = json_object_get(header, "__metadata__");
  size_t n = json_object_size(header) - (metadata != NULL);
  if (n > WEFT_SAFETENSORS_MAX_TENSORS)
    return weft_message(r->message, WEFT_BAD_CONFIG, "%s: %zu tensors are beyond the limit of %u", r->file->name, n,
                        WEFT_SAFETENSORS_MAX_TENSORS);
  weft_status status = metadata ? check_metadata(r, metadata) : WEFT_OK;
  if (status == WEFT_OK)
    status = allocate(r, header, (uint32_t)n);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)header, key, value) {
    if (status != WEFT_OK)
      return status;
    if (value != metadata)
      status = read_tensor(r, key, value);
  }
  if (status != WEFT_OK)
    return status;
  struct weft_safetensors *file = r->file;
  qsort(file->tensors, file->n_tensors, sizeof *file->tensors, compare_offsets);
  for (uint32_t i = 0; i < file->n_tensors; i++)
    file->by_name[i] = &file->tensors[i];
  qsort(file->by_name, file->n_tensors, sizeof *file->by_name, compare_names);
  return check_layout(r);
}

static uint64_t read_u64(const unsigned char *bytes)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < PREFIX_BYTES; i++)
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static weft_status find_header(const struct weft_resource *resource, const char *name, uint64_t *n_header,
                               char *message)
{
  uint64_t n = resource->n_bytes;
  if (!resource->data || n < PREFIX_BYTES)
    return weft_message(message, WEFT_BAD_CONFIG,
                        "%s: %llu bytes are too few for a safetensors file, which begins with 8 bytes of header size",
                        name, (unsigned long long)n);
  *n_header = read_u64(resource->data);
  if (*n_header > WEFT_SAFETENSORS_MAX_HEADER_BYTES)
    return weft_message(message, WEFT_BAD_CONFIG,
                        "%s: a header of %llu bytes is beyond the limit of %u (is this a safetensors file?)", name,
                        (unsigned long long)*n_header, WEFT_SAFETENSORS_MAX_HEADER_BYTES);
  if (*n_header > n - PREFIX_BYTES)
    return weft_message(message, WEFT_BAD_CONFIG,
                        "%s: the header should have %llu bytes, but only %llu follow (was the file cut?)", name,
                        (unsigned long long)*n_header, (unsigned long long)(n - PREFIX_BYTES));
  return WEFT_OK;
}

weft_status weft_safetensors_open(const struct weft_resource *resource, const char *name, struct weft_safetensors **out,
                                  char *message)
{
  static const struct weft_json_limits limits = {WEFT_SAFETENSORS_MAX_HEADER_BYTES, WEFT_SAFETENSORS_MAX_DEPTH};
  *out = NULL;
  uint64_t n_header = 0;
  weft_status status = find_header(resource, name, &n_header, message);
  if (status != WEFT_OK)
    return status;
  const unsigned char *bytes = resource->data;
  json_t *header;
  status = weft_json_parse(bytes + PREFIX_BYTES, n_header, name, &limits, &header, message);
  if (status != WEFT_OK)
    return status;
  struct weft_safetensors *file = calloc(1, sizeof *file);
  if (file)
    file->name = strdup(name);
  if (!file || !file->name) {
    status = weft_message(message, WEFT_NO_MEMORY, "%s: no memory", name);
  } else {
    uint64_t data_offset = PREFIX_BYTES + n_header;
    struct reading r = {file, bytes + data_offset, data_offset, resource->n_bytes - data_offset, NULL, message};
    status = read_header(&r, header);
  }
  json_decref(header);
  if (status != WEFT_OK) {
    weft_safetensors_close(file);
    return status;
  }
  *out = file;
  return WEFT_OK;
}

void weft_safetensors_close(struct weft_safetensors *file)
{
  if (!file)
    return;
  free(file->by_name);
  free(file->tensors);
  free(file->names);
  free(file->name);
  free(file);
}

uint32_t weft_safetensors_count(const struct weft_safetensors *file)
{
  return file->n_tensors;
}

const struct weft_safetensors_tensor *weft_safetensors_at(const struct weft_safetensors *file, uint32_t i)
{
  return &file->tensors[i];
}

const struct weft_safetensors_tensor *weft_safetensors_find(const struct weft_safetensors *file, const char *name)
{
  const struct weft_safetensors_tensor key = {.name = name}, *key_at = &key;
  const struct weft_safetensors_tensor **found =
      bsearch(&key_at, file->by_name, file->n_tensors, sizeof *file->by_name, compare_names);
  return found ? *found : NULL;
}

static const char *format_dims(char *text, size_t n, uint32_t rank, const int64_t *dims)
{
  size_t at = (size_t)snprintf(text, n, "[");
  for (uint32_t i = 0; i < rank && at < n; i++) {
    const char *comma = i ? ", " : "";
    at += (size_t)(dims[i] < 0 ? snprintf(text + at, n - at, "%s*", comma)
                               : snprintf(text + at, n - at, "%s%lld", comma, (long long)dims[i]));
  }
  if (at < n)
    snprintf(text + at, n - at, "]");
  return text;
}

static int same_shape(const struct weft_safetensors_tensor *tensor, uint32_t rank, const int64_t *dims)
{
  if (tensor->rank != rank)
    return 0;
  for (uint32_t i = 0; i < rank; i++)
    if (dims[i] >= 0 && dims[i] != tensor->dims[i])
      return 0;
  return 1;
}

const struct weft_safetensors_tensor *weft_safetensors_need(const struct weft_safetensors *file, const char *name,
                                                            uint32_t rank, const int64_t *dims, char *message)
{
  char expected[192], found[192];
  const struct weft_safetensors_tensor *tensor = weft_safetensors_find(file, name);
  if (!tensor) {
    weft_message(message, WEFT_BAD_CONFIG, "%s: tensor '%s' %s is missing; the file has %u, such as '%.64s'",
                 file->name, name, format_dims(expected, sizeof expected, rank, dims), file->n_tensors,
                 file->n_tensors ? file->tensors[0].name : "");
    return NULL;
  }
  if (!same_shape(tensor, rank, dims)) {
    weft_message(message, WEFT_BAD_CONFIG, "%s: tensor '%s' should be %s, found %s (do config.json and weights belong "
                 "together?)", file->name, name, format_dims(expected, sizeof expected, rank, dims),
                 format_dims(found, sizeof found, tensor->rank, tensor->dims));
    return NULL;
  }
  int is_float = tensor->dtype.code == WEFT_DTYPE_BFLOAT || tensor->dtype.code == WEFT_DTYPE_FLOAT;
  if (!is_float || tensor->dtype.bits > 32) {
    weft_message(message, WEFT_UNSUPPORTED, "%s: tensor '%s' should hold F32, F16 or BF16; its type has code %u and "
                 "%u bits", file->name, name, tensor->dtype.code, tensor->dtype.bits);
    return NULL;
  }
  return tensor;
}

int weft_safetensors_fuzz(const uint8_t *data, size_t size)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource resource = {data, size, 0};
  struct weft_safetensors *file;
  if (weft_safetensors_open(&resource, "fuzz", &file, message) != WEFT_OK)
    return 0;
  volatile uint8_t sum = 0;
  for (uint32_t i = 0; i < weft_safetensors_count(file); i++) {
    const struct weft_safetensors_tensor *tensor = weft_safetensors_at(file, i);
    const uint8_t *bytes = tensor->data;
    if (tensor->n_bytes > 0)
      sum = (uint8_t)(sum + bytes[0] + bytes[tensor->n_bytes - 1]);
    struct weft_weights_f32 weights;
    if (weft_safetensors_f32(tensor, &weights, message) == WEFT_OK)
      weft_weights_f32_clear(&weights);
    if (weft_safetensors_find(file, tensor->name) != tensor)
      __builtin_trap();
  }
  weft_safetensors_close(file);
  return 0;
}
