/* SPDX-License-Identifier: Apache-2.0 */
/* A program in words: chains with their phases and steps, the other operations, buffers. */
#include "describe.h"
#include "chain.h"

#include "plan.h"

#include <stdarg.h>
#include <stdio.h>

void weft_cpu_put(struct weft_cpu_out *out, const char *format, ...)
{
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out->write(out->data, text);
}

void weft_cpu_put_text(struct weft_cpu_out *out, const char *text)
{
  char piece[256];
  size_t n = 0;
  out->write(out->data, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (n > sizeof piece - 8) {
      piece[n] = 0;
      out->write(out->data, piece);
      n = 0;
    }
    if (c == '"' || c == '\\')
      piece[n++] = '\\';
    if (c < ' ')
      n += (size_t)snprintf(piece + n, 7, "\\u%04x", c);
    else
      piece[n++] = (char)c;
  }
  piece[n] = 0;
  out->write(out->data, piece);
  out->write(out->data, "\"");
}

const char *weft_cpu_format_name(uint32_t format)
{
  static const char *const names[] = {"f32", "bf16", "int8", "int4"};
  return format < sizeof names / sizeof *names ? names[format] : "?";
}

static const char *act_name(int act)
{
  static const char *const names[WEFT_N_ACT] = {"none", "gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "tanh", "sigmoid"};
  return act >= 0 && act < WEFT_N_ACT ? names[act] : "?";
}

static void put_named(struct weft_cpu_out *out, const char *key, const char *text)
{
  weft_cpu_put(out, ", \"%s\": ", key);
  weft_cpu_put_text(out, text);
}

static void put_value(struct weft_cpu_out *out, const char *key, weft_value v)
{
  if (v != WEFT_NO_VALUE)
    weft_cpu_put(out, ", \"%s\": %u", key, v);
}

/* Rows that an operation reads, and the name of its first weight. */
static void put_operands(struct weft_cpu_out *out, const struct weft_program *program, const struct weft_plan_op *op)
{
  const char *comma = "", *weight = NULL;
  weft_cpu_put(out, ", \"reads\": [");
  for (uint32_t i = 0; i < op->n_inputs; i++) {
    const struct weft_cpu_value *value = op->inputs[i] == WEFT_NO_VALUE ? NULL : &program->values[op->inputs[i]];
    if (value && value->kind == WEFT_VALUE_WEIGHT && !weight)
      weight = value->name;
    if (!value || value->kind == WEFT_VALUE_WEIGHT)
      continue;
    weft_cpu_put(out, "%s%u", comma, op->inputs[i]);
    comma = ", ";
  }
  weft_cpu_put(out, "]");
  if (weight)
    put_named(out, "weight", weight);
}

static void put_op(struct weft_cpu_out *out, const struct weft_program *program, const struct weft_plan_op *op)
{
  const char *name = weft_nn_op_name(op->code);
  weft_cpu_put(out, "{\"does\": \"%s\", \"writes\": %u, \"width\": %zu", name ? name : "?", op->outputs[0],
               program->values[op->outputs[0]].width);
  put_operands(out, program, op);
  weft_cpu_put(out, "}");
}

static size_t packed_bytes(const struct weft_cpu_value *w)
{
  size_t rows = w->n_rows, k = rows ? w->n_elements / rows : 0;
  return w->product ? (rows + w->product->nr - 1) / w->product->nr * w->product->panel_bytes(k) : 0;
}

static void put_step(struct weft_cpu_out *out, const struct weft_program *program, const struct weft_cpu_step *s)
{
  if (s->kind == WEFT_CPU_ROWS) {
    put_op(out, program, &program->ops[s->op]);
    return;
  }
  const struct weft_cpu_value *w = &program->values[s->weight];
  size_t k = program->values[s->in].width;
  weft_cpu_put(out, "{\"does\": \"%s\", \"reads\": [%u], \"kernels\": ",
               s->kind == WEFT_CPU_PREPARE ? "prepare" : "product", s->in);
  weft_cpu_put_text(out, w->product->name);
  if (s->prepared != WEFT_CPU_NOT_PREPARED)
    weft_cpu_put(out, ", \"prepared\": %u", s->prepared);
  if (s->kind == WEFT_CPU_PREPARE) {
    weft_cpu_put(out, ", \"row_bytes\": %zu}", w->product->row_bytes(k));
    return;
  }
  weft_cpu_put(out, ", \"writes\": %u, \"n\": %zu, \"k\": %zu, \"format\": \"%s\", \"packed_bytes\": %zu", s->out,
               program->values[s->out].width, k, weft_cpu_format_name(w->product->format), packed_bytes(w));
  if (w->name)
    put_named(out, "weight", w->name);
  if (s->bias != WEFT_NO_VALUE)
    weft_cpu_put(out, ", \"bias\": true");
  if (s->act != WEFT_ACT_NONE)
    put_named(out, "activation", act_name(s->act));
  put_value(out, "multiplier", s->multiplier);
  put_value(out, "residual", s->residual);
  weft_cpu_put(out, "}");
}

static void put_group(struct weft_cpu_out *out, const struct weft_program *program, const struct weft_cpu_group *group)
{
  weft_cpu_put(out, "{\"chain\": {\"block_rows\": %zu, \"row_bytes\": %zu, \"phases\": [",
               weft_cpu_block_rows(program, group, (size_t)1 << 30), group->row_bytes);
  for (uint32_t p = 0; p < group->n_phases; p++) {
    const struct weft_cpu_phase *phase = &program->phases[group->first_phase + p];
    weft_cpu_put(out, "%s{\"by\": \"%s\", \"steps\": [", p ? ", " : "", phase->by_columns ? "columns" : "rows");
    for (uint32_t s = phase->first; s < phase->first + phase->n; s++) {
      if (s != phase->first)
        weft_cpu_put(out, ", ");
      put_step(out, program, &program->steps[s]);
    }
    weft_cpu_put(out, "]}");
  }
  weft_cpu_put(out, "]}}");
}

static void put_units(struct weft_cpu_out *out, const struct weft_program *program)
{
  const char *comma = "";
  weft_cpu_put(out, ", \"units\": [");
  for (uint32_t o = 0; o < program->n_ops; o++) {
    uint32_t group = program->group_of[o];
    if (group == UINT32_MAX && program->ops[o].code <= WEFT_OP_SPLITS_SLICE)
      continue;
    weft_cpu_put(out, "%s", comma);
    comma = ", ";
    if (group == UINT32_MAX) {
      put_op(out, program, &program->ops[o]);
      continue;
    }
    put_group(out, program, &program->groups[group]);
    o = program->groups[group].end_op - 1;
  }
  weft_cpu_put(out, "]");
}

/* Scratch of one item whose ragged inputs have n rows. */
static uint64_t scratch_of(const struct weft_program *program, int64_t n)
{
  int64_t *rows = program->host->alloc((program->n_inputs + (size_t)1) * sizeof *rows);
  uint64_t n_bytes = 0;
  for (uint32_t i = 0; rows && i < program->n_inputs; i++)
    rows[i] = n;
  if (rows)
    weft_cpu_scratch(program, &(struct weft_compute_limits){1, rows}, &n_bytes);
  program->host->free(rows);
  return n_bytes;
}

void weft_cpu_describe(const struct weft_program *program, void (*write)(void *data, const char *text), void *data)
{
  struct weft_cpu_out out = {write, data};
  size_t packed = 0, row_bytes = 0;
  for (uint32_t v = 0; v < program->n_values; v++)
    packed += program->values[v].packed ? packed_bytes(&program->values[v]) : 0;
  for (uint32_t b = 0; b < program->n_buffers; b++)
    row_bytes += program->buffers[b].width * sizeof(float);
  weft_cpu_put(&out, "{\"precision\": \"%s\", \"isa\": ", weft_cpu_format_name(program->precision));
  weft_cpu_put_text(&out, program->isa->name);
  weft_cpu_put(&out, ", \"threads\": %u, \"operations\": %u, \"packed_bytes\": %zu", program->n_threads, program->n_ops, packed);
  weft_cpu_put(&out, ", \"buffers\": %u, \"buffer_row_bytes\": %zu", program->n_buffers, row_bytes);
  weft_cpu_put(&out, ", \"scratch_bytes_128_rows\": %llu", (unsigned long long)scratch_of(program, 128));
  put_units(&out, program);
  weft_cpu_put(&out, "}");
}
