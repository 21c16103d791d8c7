/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN's matmul with packed weights. */
#include "matmul.h"

#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rival_matmul {
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  dnnl_memory_t src, weights, dst;
  size_t dst_bytes;
  size_t m, n;                                 /* int8: */
  float *row_scales, *column_scales, *offsets; /* offsets: what the 128 of the rows add to a column's sums */
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static int start(void)
{
  return stream || (dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
                    dnnl_stream_create(&stream, engine, dnnl_stream_in_order) == dnnl_success);
}

const char *rival_name(void)
{
  static char name[64];
  const dnnl_version_t *v = dnnl_version();
  snprintf(name, sizeof name, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
  return name;
}

static dnnl_memory_desc_t describe(size_t rows, size_t columns, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  dnnl_memory_desc_t desc = NULL;
  dnnl_memory_desc_create_with_tag(&desc, 2, (dnnl_dims_t){(dnnl_dim_t)rows, (dnnl_dim_t)columns}, type, tag);
  return desc;
}

static void copy(dnnl_memory_t memory, void *data, size_t n_bytes, int out)
{
  void *mapped = NULL;
  dnnl_memory_map_data(memory, &mapped);
  memcpy(out ? data : mapped, out ? mapped : data, n_bytes);
  dnnl_memory_unmap_data(memory, mapped);
}

/* Memory of the desc `as`, filled from floats of the desc `from`. */
static dnnl_memory_t fill(const_dnnl_memory_desc_t as, const_dnnl_memory_desc_t from, const float *data)
{
  dnnl_memory_t plain = NULL, to = NULL;
  dnnl_primitive_desc_t desc = NULL;
  dnnl_primitive_t reorder = NULL;
  dnnl_memory_create(&plain, from, engine, DNNL_MEMORY_ALLOCATE);
  dnnl_memory_create(&to, as, engine, DNNL_MEMORY_ALLOCATE);
  float *source;
  memcpy(&source, &data, sizeof source); /* only read */
  copy(plain, source, dnnl_memory_desc_get_size(from), 0);
  if (dnnl_reorder_primitive_desc_create(&desc, from, engine, as, engine, NULL) == dnnl_success &&
      dnnl_primitive_create(&reorder, desc) == dnnl_success) {
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, to}};
    dnnl_primitive_execute(reorder, stream, 2, args);
    dnnl_stream_wait(stream);
  }
  dnnl_primitive_destroy(reorder);
  dnnl_primitive_desc_destroy(desc);
  dnnl_memory_destroy(plain);
  return to;
}

/* Each row of x becomes integers within +-127, as Weft has them; returns the scales. */
static float *integers(float *to, const float *x, size_t rows, size_t k)
{
  float *scales = malloc(rows * sizeof *scales);
  for (size_t i = 0; i < rows; i++) {
    float most = 0;
    for (size_t j = 0; j < k; j++)
      most = fmaxf(most, fabsf(x[i * k + j]));
    scales[i] = most / 127;
    for (size_t j = 0; j < k; j++)
      to[i * k + j] = rintf(x[i * k + j] * (127 / most));
  }
  return scales;
}

/* Rows as u8, shifted by 128: what oneDNN multiplies fastest with s8. Scales are applied to the result, in no time. */
static void quantise(struct rival_matmul *r, const struct rival_shape *s, float *a, float *w, const float *from_a,
                     const float *from_w)
{
  r->m = s->m;
  r->n = s->n;
  r->row_scales = integers(a, from_a, s->m, s->k);
  r->column_scales = integers(w, from_w, s->n, s->k);
  r->offsets = calloc(s->n, sizeof *r->offsets);
  for (size_t i = 0; i < s->m * s->k; i++)
    a[i] += 128;
  for (size_t i = 0; i < s->n * s->k; i++)
    r->offsets[i / s->k] += 128 * w[i];
}

struct rival_matmul *rival_matmul_new(const struct rival_shape *s, const float *a, const float *w)
{
  if (!start())
    return NULL;
  dnnl_data_type_t type = !strcmp(s->format, "bf16") ? dnnl_bf16 : dnnl_f32;
  int int8 = !strcmp(s->format, "int8");
  if (type == dnnl_f32 && !int8 && strcmp(s->format, "f32"))
    return NULL;
  struct rival_matmul *r = calloc(1, sizeof *r);
  float *quantised = int8 ? malloc((s->m + s->n) * s->k * sizeof *quantised) : NULL;
  if (int8) {
    quantise(r, s, quantised, quantised + s->m * s->k, a, w);
    a = quantised;
    w = quantised + s->m * s->k;
  }
  dnnl_memory_desc_t src = describe(s->m, s->k, int8 ? dnnl_u8 : type, dnnl_ab);
  dnnl_memory_desc_t any = describe(s->k, s->n, int8 ? dnnl_s8 : type, dnnl_format_tag_any);
  dnnl_memory_desc_t dst = describe(s->m, s->n, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_t rows = describe(s->m, s->k, dnnl_f32, dnnl_ab), columns = describe(s->k, s->n, dnnl_f32, dnnl_ba);
  if (dnnl_matmul_primitive_desc_create(&r->desc, engine, src, any, NULL, dst, NULL) == dnnl_success &&
      dnnl_primitive_create(&r->primitive, r->desc) == dnnl_success) {
    r->src = fill(src, rows, a);
    r->weights = fill(dnnl_primitive_desc_query_md(r->desc, dnnl_query_weights_md, 0), columns, w);
    dnnl_memory_create(&r->dst, dst, engine, DNNL_MEMORY_ALLOCATE);
    r->dst_bytes = dnnl_memory_desc_get_size(dst);
  }
  dnnl_memory_desc_t all[] = {src, any, dst, rows, columns};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    dnnl_memory_desc_destroy(all[i]);
  free(quantised);
  if (r->primitive && !strstr(rival_matmul_implementation(r), "ref"))
    return r;
  rival_matmul_free(r);
  return NULL;
}

void rival_matmul_free(struct rival_matmul *r)
{
  if (!r)
    return;
  dnnl_memory_destroy(r->src);
  dnnl_memory_destroy(r->weights);
  dnnl_memory_destroy(r->dst);
  dnnl_primitive_destroy(r->primitive);
  dnnl_primitive_desc_destroy(r->desc);
  free(r->row_scales);
  free(r->column_scales);
  free(r->offsets);
  free(r);
}

const char *rival_matmul_implementation(const struct rival_matmul *r)
{
  const char *name = "";
  dnnl_primitive_desc_query(r->desc, dnnl_query_impl_info_str, 0, &name);
  return name;
}

void rival_matmul_run(struct rival_matmul *r, int times)
{
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, r->src}, {DNNL_ARG_WEIGHTS, r->weights}, {DNNL_ARG_DST, r->dst}};
  for (int i = 0; i < times; i++)
    dnnl_primitive_execute(r->primitive, stream, 3, args);
  dnnl_stream_wait(stream);
}

void rival_matmul_result(struct rival_matmul *r, float *c)
{
  copy(r->dst, c, r->dst_bytes, 1);
  for (size_t i = 0; i < r->m * r->n; i++)
    c[i] = (c[i] - r->offsets[i % r->n]) * r->row_scales[i / r->n] * r->column_scales[i % r->n];
}
