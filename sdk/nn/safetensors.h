/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file safetensors.h
 * Weight files in the safetensors format: an index of named tensors over the
 * bytes of a resource; the tensors themselves stay where they are.
 *
 *     struct weft_safetensors *file;
 *     if (weft_safetensors_open(&resource, "model.safetensors", &file, message) != WEFT_OK) ...
 *     const struct weft_safetensors_tensor *w =
 *         weft_safetensors_need(file, "encoder.layer.0.weight", 2, (int64_t[]){d, d}, message);
 *     if (!w) return host->fail(setup, WEFT_BAD_CONFIG, "%s", message);
 *     ... weights are (resource, w->offset, w->dims) ...
 *     weft_safetensors_close(file);
 *
 * Format: u64 little-endian size of the header, the header (a JSON object:
 * name -> dtype, shape, data_offsets), the data. Data need not be aligned.
 * Everything is checked on opening: a header that is not JSON, is nested too
 * deep or names a key twice; shape and dtype against the number of bytes;
 * offsets that overlap, leave holes or leave the file. Each is WEFT_BAD_CONFIG
 * with a message that names file, tensor, what was expected and found.
 *
 * message: char [WEFT_MESSAGE_BYTES], written on failure only.
 * Allocates in open and f32, nowhere else. [all: any thread; one file is immutable once open]
 */
#ifndef WEFT_NN_SAFETENSORS_H
#define WEFT_NN_SAFETENSORS_H

#include <weft/host.h>

/** Largest header, bytes. */
#define WEFT_SAFETENSORS_MAX_HEADER_BYTES (16u << 20)
/** Most tensors in one file. */
#define WEFT_SAFETENSORS_MAX_TENSORS 100000u
/** Deepest nesting of the header: the object, a tensor, its shape. */
#define WEFT_SAFETENSORS_MAX_DEPTH 4u
/** Longest name of a tensor, bytes. */
#define WEFT_SAFETENSORS_MAX_NAME_BYTES 256u

struct weft_safetensors;

/** One tensor: borrowed until close; data: borrowed as long as the resource. */
struct weft_safetensors_tensor {
  const char *name;
  const void *data;            /**< first element; no alignment promised */
  uint64_t offset;             /**< of data, from the beginning of the resource */
  uint64_t n_bytes;
  int64_t dims[WEFT_MAX_RANK]; /**< unused ones are 0 */
  struct weft_dtype dtype;
  uint32_t rank;               /**< 0: a single value */
};

/**
 * Reads the header. resource: its bytes borrowed until close. name: used in
 * messages, copied. out: caller frees with weft_safetensors_close.
 * Errors: WEFT_BAD_CONFIG, WEFT_UNSUPPORTED (a dtype unknown here), WEFT_NO_MEMORY.
 */
weft_status weft_safetensors_open(const struct weft_resource *resource, const char *name, struct weft_safetensors **out,
                                  char *message);
/** NULL is allowed. */
void weft_safetensors_close(struct weft_safetensors *file);

uint32_t weft_safetensors_count(const struct weft_safetensors *file);
/** The i-th by offset, i < count. */
const struct weft_safetensors_tensor *weft_safetensors_at(const struct weft_safetensors *file, uint32_t i);
/** The tensor of that name, or NULL. */
const struct weft_safetensors_tensor *weft_safetensors_find(const struct weft_safetensors *file, const char *name);

/**
 * The tensor of that name and shape, of a floating type (f32, f16, bf16).
 * dims: [rank], -1: any size. NULL: message says what is missing or differs.
 */
const struct weft_safetensors_tensor *weft_safetensors_need(const struct weft_safetensors *file, const char *name,
                                                            uint32_t rank, const int64_t *dims, char *message);

/** A tensor as f32. */
struct weft_weights_f32 {
  const float *data; /**< [elements] in the file where it is f32 and aligned, else converted */
  void *owned;       /**< the conversion, or NULL */
  uint64_t n;        /**< elements */
};

/**
 * The tensor as f32 (from f32, f16, bf16, f64). out: caller frees with
 * weft_weights_f32_clear; data may be borrowed from the resource.
 * Errors: WEFT_UNSUPPORTED (integers), WEFT_NO_MEMORY.
 */
weft_status weft_safetensors_f32(const struct weft_safetensors_tensor *tensor, struct weft_weights_f32 *out,
                                 char *message);
/** Frees what f32 allocated; a zeroed struct is allowed. */
void weft_weights_f32_clear(struct weft_weights_f32 *weights);

/**
 * Converts n values of `dtype` (f32, f16, bf16, f64) at `from`, of any alignment.
 * to: [n]. Errors: WEFT_UNSUPPORTED.
 */
weft_status weft_to_f32(const void *from, struct weft_dtype dtype, uint64_t n, float *to);

/** Entry for fuzzing: opens the bytes as a file, touches what it found, closes. Returns 0. */
int weft_safetensors_fuzz(const uint8_t *data, size_t size);

#endif
