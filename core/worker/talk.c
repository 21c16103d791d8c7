/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the zygote and the worker say on the control channel. Neither is
 * trusted: a message out of turn or malformed ends them.
 */
#include "worker-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Foreign words: cut, and nothing that a terminal obeys. */
static void copy_text(char *to, const char *from)
{
  snprintf(to, WEFT_MESSAGE_BYTES, "%s", from ? from : "");
  for (char *c = to; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      *c = ' ';
}

/* A status other than WEFT_OK, with its message, is what activate or create is told. */
static int take_failure(struct weft_worker *worker, struct weft_reader *reader)
{
  uint32_t status = weft_get_u32(reader);
  const char *message = weft_get_text(reader);
  if (reader->failed || status >= WEFT_N_STATUS)
    return 0;
  worker->failure_status = (weft_status)status;
  copy_text(worker->failure, message);
  return 1;
}

static int on_log(struct weft_worker *worker, struct weft_reader *reader)
{
  char line[WEFT_MESSAGE_BYTES];
  uint32_t level = weft_get_u32(reader);
  copy_text(line, weft_get_text(reader));
  if (reader->failed || level > WEFT_LOG_DEBUG)
    return 0;
  weft_host_table()->log(level, "%s: %s", worker->label, line);
  return 1;
}

static struct weft_worker_resource *find_resource(struct weft_worker *worker, const char *name)
{
  struct weft_worker_resource *resource = worker->resources;
  while (resource && strcmp(resource->name, name))
    resource = resource->next;
  return resource;
}

/* What is mapped from a file that never changes is handed over as that file, so that its pages are shared. */
static int resource_fd(struct weft_setup *setup, const struct weft_resource *bytes)
{
  int fd = setup->resource_fd ? setup->resource_fd(setup, bytes) : -1;
  return fd >= 0 ? fd : weft_sealed_memfd("weft-resource", bytes->data, bytes->n_bytes);
}

static weft_status keep_bytes(struct weft_worker *worker, const char *name, const struct weft_resource *bytes,
                              struct weft_setup *setup, struct weft_worker_resource **out)
{
  size_t n = strlen(name) + 1;
  struct weft_worker_resource *resource = weft_arena_alloc(&worker->arena, sizeof *resource);
  char *copy = resource ? weft_arena_alloc(&worker->arena, n) : NULL;
  if (!copy)
    return weft_host_table()->fail(setup, WEFT_NO_MEMORY, "no memory for the resource \"%.200s\"", name);
  *resource = (struct weft_worker_resource){worker->resources, memcpy(copy, name, n), -1, bytes->n_bytes, bytes->id};
  if (bytes->data) {
    resource->fd = resource_fd(setup, bytes);
    if (resource->fd < 0)
      return weft_host_table()->fail(setup, WEFT_NO_MEMORY, "cannot hand over the %" PRIu64 " bytes of the resource "
                                     "\"%.200s\": %s", bytes->n_bytes, name, strerrordesc_np(errno));
  }
  worker->resources = resource;
  worker->n_resources++;
  *out = resource;
  return WEFT_OK;
}

/* Opens a resource for the zygote; the bytes are kept for one that replaces it. */
static weft_status open_resource(struct weft_worker *worker, const char *name, uint32_t flags, struct weft_setup *setup,
                                 struct weft_worker_resource **out)
{
  struct weft_resource bytes;
  *out = find_resource(worker, name);
  if (*out && ((*out)->fd >= 0 || flags & WEFT_RESOURCE_OPTIONAL))
    return WEFT_OK;
  if (worker->n_resources >= WEFT_WORKER_MAX_RESOURCES)
    return weft_host_table()->fail(setup, WEFT_UNSUPPORTED, "more than %u resources (WEFT_WORKER_MAX_RESOURCES)",
                                   WEFT_WORKER_MAX_RESOURCES);
  weft_status status = weft_host_table()->resource_open(setup, name, flags, &bytes);
  return status == WEFT_OK ? keep_bytes(worker, name, &bytes, setup, out) : status;
}

/* A relaunched zygote gets what the first one got; its own set-up has nobody to ask. */
static weft_status no_resolver(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out)
{
  return weft_host_table()->fail(setup, WEFT_BAD_CONFIG, "the resource \"%s\" was not asked for at the first start", name);
}

static int on_resource(struct weft_worker *worker, struct weft_reader *reader, struct weft_setup *setup)
{
  struct weft_setup relaunch = {.resource_open = no_resolver};
  struct weft_worker_resource *resource = NULL;
  struct weft_writer writer = {0};
  uint32_t flags = weft_get_u32(reader);
  const char *name = weft_get_text(reader);
  if (!name || atomic_load(&worker->state) != WEFT_WORKER_LAUNCHING)
    return 0;
  if (!setup)
    setup = &relaunch;
  weft_status status = open_resource(worker, name, flags, setup, &resource);
  int given = status == WEFT_OK && resource->fd >= 0;
  weft_put_u32(&writer, (uint32_t)status);
  weft_put_text(&writer, status == WEFT_OK ? NULL : setup->message);
  weft_put_u64(&writer, given ? resource->n_bytes : 0);
  weft_put_u64(&writer, given ? resource->id : 0);
  struct weft_message answer = {.kind = WEFT_CONTROL_BYTES, .n_fds = (uint32_t)given, .n_bytes = writer.n_bytes,
                                .data = writer.data, .fds = {given ? resource->fd : -1}};
  int error = writer.failed ? ENOMEM : weft_control_send(worker->control, &answer, MSG_DONTWAIT);
  weft_writer_clear(&writer);
  if (error == ENOMEM)
    weft_life_no_memory(worker);
  return !error;
}

/* Attributes are compared and printed: nothing in them that a terminal obeys. */
static int plain_attributes(const struct weft_port *port)
{
  for (uint32_t i = 0; i < port->n_attributes; i++)
    for (int value = 0; value < 2; value++)
      for (const char *c = value ? port->attributes[i].value : port->attributes[i].key; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
          return 0;
  return 1;
}

/* What the host will use as an index or a size. */
static int sound_port(const struct weft_worker *worker, const struct weft_port *port)
{
  if (!port->dtype.bits || port->dtype.bits % 8 || port->dtype.lanes != 1 || port->dims[0] != -1)
    return 0;
  for (uint32_t d = 1; d < port->rank; d++)
    if (port->dims[d] < -1)
      return 0;
  for (uint32_t i = 0; i < port->n_terms; i++) {
    const struct weft_rows_term *term = &port->terms[i];
    if (term->of > WEFT_COUNT_GROUPS || (term->of != WEFT_COUNT_ITEMS && term->input < 0) || term->input < -1 ||
        term->input >= (int64_t)worker->n_inputs)
      return 0;
  }
  return plain_attributes(port);
}

static weft_status keep_ports(struct weft_worker *worker, struct weft_reader *reader)
{
  struct weft_reader again = *reader;
  size_t n = reader->n_bytes - reader->at;
  weft_status status = weft_get_ports(&again, &worker->ports_arena, &worker->ports);
  if (status == WEFT_OK && again.at != again.n_bytes)
    status = WEFT_CONTRACT;
  for (uint32_t i = 0; i < worker->ports.n_outputs && status == WEFT_OK; i++)
    if (!sound_port(worker, &worker->ports.outputs[i]))
      status = WEFT_CONTRACT;
  if (status != WEFT_OK)
    return status;
  worker->ports_body = weft_arena_alloc(&worker->arena, n + 1);
  worker->n_ports_bytes = n;
  worker->ring.rooms = weft_arena_alloc(&worker->arena, worker->ports.n_outputs * sizeof *worker->ring.rooms + 1);
  if (!worker->ports_body || !worker->ring.rooms)
    return WEFT_NO_MEMORY;
  memcpy(worker->ports_body, reader->data + reader->at, n);
  worker->ring.n_outputs = worker->ports.n_outputs;
  worker->ring.ports = worker->ports.outputs;
  return WEFT_OK;
}

/* Where create failed at an input: which, and what is taken there. */
static int on_taken(const struct weft_worker *worker, struct weft_reader *reader, struct weft_setup *setup)
{
  struct weft_arena arena = {0};
  struct weft_port port;
  if (reader->at == reader->n_bytes)
    return 1;
  uint32_t input = weft_get_u32(reader), has_port = weft_get_u32(reader);
  weft_status status = has_port ? weft_get_port(reader, &arena, &port) : WEFT_OK;
  int sound = !reader->failed && reader->at == reader->n_bytes && status != WEFT_CONTRACT &&
              (!has_port || status != WEFT_OK || plain_attributes(&port));
  if (sound && status == WEFT_OK && setup && input < worker->n_inputs)
    weft_host_table()->takes(setup, input, has_port ? &port : NULL);
  weft_arena_clear(&arena);
  return sound;
}

static int on_ports(struct weft_worker *worker, struct weft_reader *reader, struct weft_setup *setup)
{
  if (atomic_load(&worker->state) != WEFT_WORKER_LAUNCHING || worker->failure_status != WEFT_OK ||
      !take_failure(worker, reader))
    return 0;
  if (worker->failure_status != WEFT_OK)
    return on_taken(worker, reader, setup);
  worker->computes = weft_get_u32(reader) != 0;
  if (!worker->ports_body) {
    weft_status status = keep_ports(worker, reader);
    if (status == WEFT_NO_MEMORY) {
      worker->failure_status = status;
      snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: no memory for its ports", worker->label);
    }
    if (status != WEFT_OK)
      return 0;
  } else if (reader->n_bytes - reader->at != worker->n_ports_bytes ||
             memcmp(reader->data + reader->at, worker->ports_body, worker->n_ports_bytes)) {
    worker->failure_status = WEFT_CONTRACT;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: `ports` answered something else than at the first start",
             worker->label);
    return 0;
  }
  worker->timer_ns = 0;
  atomic_store(&worker->state, WEFT_WORKER_DOWN);
  if (worker->attached)
    weft_life_fork(worker);
  return 1;
}

/* Field NAME of a file of /proc as a number; -2 when it is not there. */
static long proc_field(const char *path, const char *name)
{
  char text[2048];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0)
    close(fd);
  text[n > 0 ? n : 0] = '\0';
  const char *field = strstr(text, name);
  long value;
  return field && sscanf(field + strlen(name), "%ld", &value) == 1 ? value : -2;
}

/*
 * The host will kill through this descriptor, so it must be its own zygote's
 * child and nothing else. -1: it has ended already.
 */
static int is_our_worker(const struct weft_worker *worker, int fd, long *pid)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  *pid = proc_field(path, "\nPid:");
  if (*pid == -1)
    return 1;
  if (*pid <= 0)
    return 0;
  snprintf(path, sizeof path, "/proc/%ld/status", *pid);
  long parent = proc_field(path, "\nPPid:");
  return parent == worker->zygote_pid || parent == -2;
}

static int on_forked(struct weft_worker *worker, struct weft_reader *reader, struct weft_message *message)
{
  long pid;
  struct weft_reader again = *reader;
  uint32_t status = weft_get_u32(&again);
  /* A worker may have answered already that activate failed: that stays said. */
  if (atomic_load(&worker->state) != WEFT_WORKER_STARTING || worker->forked ||
      (status != WEFT_OK && !take_failure(worker, reader)))
    return 0;
  if (status != WEFT_OK) {
    weft_life_ended(worker, 0, 0);
    return 1;
  }
  int fd = weft_message_take(message, 0);
  errno = 0;
  if (fd < 0 || !is_our_worker(worker, fd, &pid)) {
    if (errno == EMFILE) /* what would say so could not be opened */
      weft_life_no_descriptor(worker);
    if (fd >= 0)
      close(fd);
    return 0;
  }
  worker->worker_fd = fd;
  worker->forked = 1;
  atomic_store(&worker->pid, (int32_t)(pid > 0 ? pid : 0));
  if (worker->killed || worker->timed_out)
    weft_life_kill_worker(worker);
  weft_life_check_alive(worker);
  return 1;
}

static int on_activated(struct weft_worker *worker, struct weft_reader *reader)
{
  uint32_t state = atomic_load(&worker->state);
  /* Its end may have been seen before its last word. */
  if ((state != WEFT_WORKER_STARTING && state != WEFT_WORKER_ENDING) || worker->activated ||
      !take_failure(worker, reader))
    return 0;
  worker->activated = worker->failure_status == WEFT_OK;
  if (state == WEFT_WORKER_STARTING)
    weft_life_check_alive(worker);
  return 1;
}

static int on_exited(struct weft_worker *worker, struct weft_reader *reader)
{
  int code = (int)weft_get_u32(reader), status = (int)weft_get_u32(reader);
  uint32_t state = atomic_load(&worker->state);
  if (reader->failed || !worker->forked || (state != WEFT_WORKER_STARTING && state != WEFT_WORKER_ALIVE &&
                                            state != WEFT_WORKER_ENDING))
    return 0;
  weft_life_ended(worker, code, status);
  return 1;
}

int weft_talk_handle(struct weft_worker *worker, struct weft_message *message, struct weft_setup *setup)
{
  struct weft_reader reader = {message->data, message->n_bytes, 0, 0};
  switch (message->kind) {
  case WEFT_CONTROL_LOG:
    return on_log(worker, &reader);
  case WEFT_CONTROL_RESOURCE:
    return on_resource(worker, &reader, setup);
  case WEFT_CONTROL_PORTS:
    return on_ports(worker, &reader, setup);
  case WEFT_CONTROL_FORKED:
    return on_forked(worker, &reader, message);
  case WEFT_CONTROL_ACTIVATED:
    return on_activated(worker, &reader);
  case WEFT_CONTROL_EXITED:
    return on_exited(worker, &reader);
  default:
    return 0;
  }
}
