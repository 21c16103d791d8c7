/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include "hosttable.h"

#include <string.h>

struct weft_arena_block {
  struct weft_arena_block *next;
  _Alignas(16) uint8_t data[];
};

void *weft_arena_alloc(struct weft_arena *arena, size_t n_bytes)
{
  if (n_bytes > SIZE_MAX / 2)
    return NULL;
  struct weft_arena_block *block = weft_mem_alloc(sizeof *block + n_bytes);
  if (!block)
    return NULL;
  block->next = arena->blocks;
  arena->blocks = block;
  memset(block->data, 0, n_bytes);
  return block->data;
}

void weft_arena_clear(struct weft_arena *arena)
{
  while (arena->blocks) {
    struct weft_arena_block *next = arena->blocks->next;
    weft_mem_free(arena->blocks);
    arena->blocks = next;
  }
}

void weft_writer_clear(struct weft_writer *writer)
{
  weft_mem_free(writer->data);
  memset(writer, 0, sizeof *writer);
}

static void put(struct weft_writer *writer, const void *from, size_t n_bytes)
{
  if (writer->failed)
    return;
  if (n_bytes > writer->n_room - writer->n_bytes) {
    size_t room = (writer->n_bytes + n_bytes) * 2 + 256;
    uint8_t *data = weft_mem_alloc(room);
    if (!data) {
      writer->failed = 1;
      return;
    }
    if (writer->n_bytes)
      memcpy(data, writer->data, writer->n_bytes);
    weft_mem_free(writer->data);
    writer->data = data;
    writer->n_room = room;
  }
  memcpy(writer->data + writer->n_bytes, from, n_bytes);
  writer->n_bytes += n_bytes;
}

void weft_put_u32(struct weft_writer *writer, uint32_t value)
{
  put(writer, &value, sizeof value);
}

void weft_put_u64(struct weft_writer *writer, uint64_t value)
{
  put(writer, &value, sizeof value);
}

void weft_put_bytes(struct weft_writer *writer, const void *bytes, size_t n_bytes)
{
  if (n_bytes)
    put(writer, bytes, n_bytes);
}

void weft_put_text(struct weft_writer *writer, const char *text)
{
  size_t n = text ? strlen(text) : 0;
  if (n >= UINT32_MAX) {
    writer->failed = 1;
    return;
  }
  weft_put_u32(writer, text ? (uint32_t)n : UINT32_MAX);
  if (text)
    put(writer, text, n + 1);
}

void weft_put_port(struct weft_writer *writer, const struct weft_port *port)
{
  weft_put_text(writer, port->name);
  weft_put_text(writer, port->key);
  put(writer, &port->dtype, sizeof port->dtype);
  weft_put_u32(writer, port->rank);
  put(writer, port->dims, sizeof port->dims);
  weft_put_u32(writer, port->n_split_levels);
  weft_put_u32(writer, port->rows_kind);
  weft_put_u32(writer, port->n_terms);
  weft_put_u32(writer, port->n_attributes);
  for (uint32_t i = 0; i < port->n_terms; i++) {
    weft_put_u32(writer, (uint32_t)port->terms[i].input);
    weft_put_u32(writer, port->terms[i].of);
    weft_put_u64(writer, (uint64_t)port->terms[i].factor);
  }
  for (uint32_t i = 0; i < port->n_attributes; i++) {
    weft_put_text(writer, port->attributes[i].key);
    weft_put_text(writer, port->attributes[i].value);
  }
}

void weft_put_config(struct weft_writer *writer, const struct weft_config *config)
{
  weft_put_text(writer, config->node_name);
  weft_put_text(writer, config->model_digest);
  weft_put_u32(writer, config->n_parameters);
  weft_put_u32(writer, config->n_inputs);
  weft_put_u32(writer, config->precision);
  for (uint32_t i = 0; i < config->n_parameters; i++) {
    const struct weft_parameter *parameter = &config->parameters[i];
    weft_put_text(writer, parameter->name);
    weft_put_text(writer, parameter->text);
    put(writer, &parameter->number, sizeof parameter->number);
    weft_put_u64(writer, (uint64_t)parameter->integer);
    weft_put_u32(writer, parameter->type);
    weft_put_u32(writer, parameter->flags);
  }
  for (uint32_t i = 0; i < config->n_inputs; i++)
    weft_put_port(writer, &config->inputs[i]);
}

void weft_put_ports(struct weft_writer *writer, const struct weft_ports *ports)
{
  weft_put_u32(writer, ports->n_outputs);
  for (uint32_t i = 0; i < ports->n_outputs; i++)
    weft_put_port(writer, &ports->outputs[i]);
}

static void get(struct weft_reader *reader, void *to, size_t n_bytes)
{
  if (reader->failed || n_bytes > reader->n_bytes - reader->at) {
    reader->failed = 1;
    memset(to, 0, n_bytes);
    return;
  }
  memcpy(to, reader->data + reader->at, n_bytes);
  reader->at += n_bytes;
}

uint32_t weft_get_u32(struct weft_reader *reader)
{
  uint32_t value;
  get(reader, &value, sizeof value);
  return value;
}

uint64_t weft_get_u64(struct weft_reader *reader)
{
  uint64_t value;
  get(reader, &value, sizeof value);
  return value;
}

const char *weft_get_text(struct weft_reader *reader)
{
  uint32_t n = weft_get_u32(reader);
  if (reader->failed || n == UINT32_MAX)
    return NULL;
  if ((size_t)n + 1 > reader->n_bytes - reader->at) {
    reader->failed = 1;
    return NULL;
  }
  const char *text = (const char *)reader->data + reader->at;
  if (memchr(text, 0, (size_t)n + 1) != text + n) {
    reader->failed = 1;
    return NULL;
  }
  reader->at += (size_t)n + 1;
  return text;
}

/* What takes a message apart, with the first thing that went wrong. */
struct taking {
  struct weft_reader *reader;
  struct weft_arena *arena;
  int no_memory;
};

static const char *take_text(struct taking *t)
{
  const char *text = weft_get_text(t->reader);
  if (!text)
    return NULL;
  size_t n = strlen(text) + 1;
  char *copy = weft_arena_alloc(t->arena, n);
  if (!copy) {
    t->no_memory = 1;
    return NULL;
  }
  return memcpy(copy, text, n);
}

/* A name that must be there. */
static const char *take_name(struct taking *t)
{
  const char *text = take_text(t);
  if (!text && !t->no_memory)
    t->reader->failed = 1;
  return text;
}

/* An array whose count the bytes that are left bear out: each element takes at least n_least of them. */
static void *take_array(struct taking *t, uint32_t n, size_t n_least, size_t size)
{
  if (t->reader->failed || n > (t->reader->n_bytes - t->reader->at) / n_least) {
    t->reader->failed = 1;
    return NULL;
  }
  void *array = weft_arena_alloc(t->arena, n * size + 1);
  if (!array)
    t->no_memory = 1;
  return array;
}

static int ok(const struct taking *t)
{
  return !t->no_memory && !t->reader->failed;
}

static void take_port(struct taking *t, struct weft_port *port)
{
  struct weft_reader *reader = t->reader;
  port->name = take_name(t);
  port->key = take_text(t);
  get(reader, &port->dtype, sizeof port->dtype);
  port->rank = weft_get_u32(reader);
  get(reader, port->dims, sizeof port->dims);
  port->n_split_levels = weft_get_u32(reader);
  port->rows_kind = weft_get_u32(reader);
  port->n_terms = weft_get_u32(reader);
  port->n_attributes = weft_get_u32(reader);
  if (port->rank < 1 || port->rank > WEFT_MAX_RANK || port->n_split_levels > 2 || port->rows_kind > WEFT_ROWS_DYNAMIC)
    reader->failed = 1;
  struct weft_rows_term *terms = take_array(t, port->n_terms, 16, sizeof *terms);
  for (uint32_t i = 0; i < port->n_terms && ok(t); i++) {
    terms[i].input = (int32_t)weft_get_u32(reader);
    terms[i].of = weft_get_u32(reader);
    terms[i].factor = (int64_t)weft_get_u64(reader);
  }
  struct weft_attribute *attributes = ok(t) ? take_array(t, port->n_attributes, 8, sizeof *attributes) : NULL;
  for (uint32_t i = 0; i < port->n_attributes && ok(t); i++) {
    attributes[i].key = take_name(t);
    attributes[i].value = take_name(t);
  }
  port->terms = terms;
  port->attributes = attributes;
}

static weft_status end(const struct taking *t)
{
  return t->no_memory ? WEFT_NO_MEMORY : t->reader->failed ? WEFT_CONTRACT : WEFT_OK;
}

/* Bytes of a port without terms and attributes, two absent strings in it. */
#define PORT_LEAST (8 + 4 + 4 + 8 * WEFT_MAX_RANK + 16)

weft_status weft_get_config(struct weft_reader *reader, struct weft_arena *arena, struct weft_config *out)
{
  struct taking t = {reader, arena, 0};
  memset(out, 0, sizeof *out);
  out->node_name = take_name(&t);
  out->model_digest = take_text(&t);
  out->n_parameters = weft_get_u32(reader);
  out->n_inputs = weft_get_u32(reader);
  out->precision = weft_get_u32(reader);
  struct weft_parameter *parameters = take_array(&t, out->n_parameters, 32, sizeof *parameters);
  for (uint32_t i = 0; i < out->n_parameters && ok(&t); i++) {
    parameters[i].name = take_name(&t);
    parameters[i].text = take_text(&t);
    get(reader, &parameters[i].number, sizeof parameters[i].number);
    parameters[i].integer = (int64_t)weft_get_u64(reader);
    parameters[i].type = weft_get_u32(reader);
    parameters[i].flags = weft_get_u32(reader);
  }
  struct weft_port *inputs = ok(&t) ? take_array(&t, out->n_inputs, PORT_LEAST, sizeof *inputs) : NULL;
  for (uint32_t i = 0; i < out->n_inputs && ok(&t); i++)
    take_port(&t, &inputs[i]);
  out->parameters = parameters;
  out->inputs = inputs;
  return end(&t);
}

weft_status weft_get_ports(struct weft_reader *reader, struct weft_arena *arena, struct weft_ports *out)
{
  struct taking t = {reader, arena, 0};
  memset(out, 0, sizeof *out);
  uint32_t n = weft_get_u32(reader);
  struct weft_port *outputs = take_array(&t, n, PORT_LEAST, sizeof *outputs);
  for (uint32_t i = 0; i < n && ok(&t); i++)
    take_port(&t, &outputs[i]);
  out->outputs = outputs;
  out->n_outputs = ok(&t) ? n : 0;
  return end(&t);
}

weft_status weft_get_port(struct weft_reader *reader, struct weft_arena *arena, struct weft_port *out)
{
  struct taking t = {reader, arena, 0};
  memset(out, 0, sizeof *out);
  take_port(&t, out);
  return end(&t);
}
