/* SPDX-License-Identifier: Apache-2.0 */
/* What host and worker tell each other: the first byte chooses what the rest is taken for. */
#include "wire.h"
#include "worker-private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every text is read to its end. */
static size_t read_port(const struct weft_port *port)
{
  size_t n = strlen(port->name) + (port->key ? strlen(port->key) : 0);
  for (uint32_t i = 0; i < port->n_terms; i++)
    n += (size_t)port->terms[i].factor;
  for (uint32_t i = 0; i < port->n_attributes; i++)
    n += strlen(port->attributes[i].key) + strlen(port->attributes[i].value);
  return n;
}

static size_t read_config(struct weft_reader *reader, struct weft_arena *arena)
{
  struct weft_config config;
  size_t n = 0;
  if (weft_get_config(reader, arena, &config) != WEFT_OK)
    return 0;
  for (uint32_t i = 0; i < config.n_parameters; i++)
    n += strlen(config.parameters[i].name) + (config.parameters[i].text ? strlen(config.parameters[i].text) : 0);
  for (uint32_t i = 0; i < config.n_inputs; i++)
    n += read_port(&config.inputs[i]);
  return n + strlen(config.node_name);
}

static size_t read_ports(struct weft_reader *reader, struct weft_arena *arena)
{
  struct weft_ports ports;
  size_t n = 0;
  if (weft_get_ports(reader, arena, &ports) != WEFT_OK)
    return 0;
  for (uint32_t i = 0; i < ports.n_outputs; i++)
    n += read_port(&ports.outputs[i]);
  return n;
}

static void note_taken(struct weft_setup *setup, uint32_t input, const struct weft_port *port)
{
  volatile size_t n = input + (port ? read_port(port) : 0);
  (void)n;
}

/* The answer to `create`, as a host of a node of two inputs hears it. */
static void hear(uint8_t *bytes, size_t n_bytes)
{
  struct weft_worker worker = {.label = "x", .control = -1, .zygote_fd = -1, .worker_fd = -1, .n_inputs = 2};
  struct weft_setup setup = {.takes = note_taken};
  struct weft_message message = {.kind = WEFT_CONTROL_PORTS, .n_bytes = n_bytes, .data = bytes};
  atomic_store(&worker.state, WEFT_WORKER_LAUNCHING);
  weft_talk_handle(&worker, &message, &setup);
  weft_arena_clear(&worker.arena);
  weft_arena_clear(&worker.ports_arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct weft_arena arena = {0};
  struct weft_port port;
  volatile size_t n = 0;
  if (size < 1)
    return 0;
  uint8_t *bytes = malloc(size - (size > 1)); /* of exactly that size, so that reading past it is seen */
  if (!bytes)
    return 0;
  memcpy(bytes, data + 1, size - 1);
  struct weft_reader reader = {bytes, size - 1, 0, 0};
  if ((data[0] & 3) == 0)
    n = read_config(&reader, &arena);
  else if ((data[0] & 3) == 1)
    n = read_ports(&reader, &arena);
  else if ((data[0] & 3) == 2)
    n = weft_get_port(&reader, &arena, &port) == WEFT_OK ? read_port(&port) : 0;
  else
    hear(bytes, size - 1);
  (void)n;
  weft_arena_clear(&arena);
  free(bytes);
  return 0;
}
