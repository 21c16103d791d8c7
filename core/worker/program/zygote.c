/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote.h"

#include "module.h"
#include "busy.h"
#include "pool.h"
#include "ring.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMPUTE_NODE "compute-cpu"
/* Of what host->takes said: more is left away, so that the message itself always fits. */
#define MAX_TAKEN_BYTES (WEFT_CONTROL_MAX_BYTES / 2)

static void set_phase(const struct weft_zygote *zygote, enum weft_ring_phase phase)
{
  struct weft_ring_out *out = zygote->segments.out;
  atomic_store(&out->phase, phase);
}

static int tell_body(const struct weft_zygote *zygote, uint32_t kind, struct weft_writer *body, int fd)
{
  struct weft_message message = {.kind = kind, .n_fds = fd >= 0, .n_bytes = body->n_bytes, .data = body->data,
                                 .fds = {fd}};
  int error = body->failed ? ENOMEM : weft_control_send(zygote->control, &message, 0);
  weft_writer_clear(body);
  return error;
}

static void put_status(struct weft_writer *body, weft_status status, const char *message)
{
  /* A plugin that fails with a code nobody knows has broken the contract. */
  weft_put_u32(body, (uint32_t)(status < 0 || status >= WEFT_N_STATUS ? WEFT_CONTRACT : status));
  weft_put_text(body, message);
}

int weft_zygote_tell(const struct weft_zygote *zygote, uint32_t kind, weft_status status, const char *message, int fd)
{
  struct weft_writer body = {0};
  put_status(&body, status, message);
  return tell_body(zygote, kind, &body, fd);
}

static void send_log(void *data, uint32_t level, const char *line)
{
  struct weft_zygote *zygote = data;
  struct weft_writer body = {0};
  weft_put_u32(&body, level);
  weft_put_text(&body, line);
  /* A full channel drops the line: a node never waits for its log. */
  struct weft_message message = {.kind = WEFT_CONTROL_LOG, .n_bytes = body.n_bytes, .data = body.data};
  if (!body.failed)
    weft_control_send(zygote->control, &message, MSG_DONTWAIT);
  weft_writer_clear(&body);
}

static weft_status map_bytes(struct weft_setup *setup, const char *name, int fd, struct weft_resource *out)
{
  out->data = "";
  if (out->n_bytes) {
    void *data = mmap(NULL, out->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    out->data = data == MAP_FAILED ? NULL : data;
  }
  close(fd);
  if (out->data)
    return WEFT_OK;
  return weft_host_table()->fail(setup, WEFT_NO_MEMORY, "cannot map the resource \"%s\": %s", name, strerror(errno));
}

static weft_status open_resource(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out)
{
  struct weft_zygote *zygote = setup->data;
  struct weft_writer body = {0};
  struct weft_message answer;
  weft_put_u32(&body, flags);
  weft_put_text(&body, name);
  if (tell_body(zygote, WEFT_CONTROL_RESOURCE, &body, -1) ||
      weft_control_receive(zygote->control, &zygote->buffer, 0, &answer))
    _exit(EXIT_FAILURE); /* the host is gone */
  struct weft_reader reader = {answer.data, answer.n_bytes, 0, 0};
  weft_status status = (weft_status)weft_get_u32(&reader);
  const char *message = weft_get_text(&reader);
  out->n_bytes = weft_get_u64(&reader);
  out->id = weft_get_u64(&reader);
  if (answer.kind != WEFT_CONTROL_BYTES || reader.failed)
    _exit(EXIT_FAILURE);
  int fd = weft_message_take(&answer, 0);
  weft_message_close(&answer);
  if (status != WEFT_OK)
    return weft_host_table()->fail(setup, status, "%s", message ? message : "");
  return fd < 0 ? WEFT_OK : map_bytes(setup, name, fd, out);
}

/* The compute provider, loaded when a plugin first asks for it. */
static const void *find_extension(void *data, const char *id)
{
  struct weft_zygote *zygote = data;
  struct weft_module *module;
  char message[WEFT_MESSAGE_BYTES];
  if (!zygote->compute || strncmp(id, "weft.compute/", 13))
    return NULL;
  if (weft_module_load(zygote->compute, &module, message) != WEFT_OK) {
    weft_host_table()->log(WEFT_LOG_ERROR, "%s", message);
    return NULL;
  }
  return weft_module_extension(module, COMPUTE_NODE, id);
}

static const char *keep_text(struct weft_zygote *zygote, struct weft_reader *reader)
{
  const char *text = weft_get_text(reader);
  size_t n = text ? strlen(text) + 1 : 0;
  char *copy = text ? weft_arena_alloc(&zygote->arena, n) : NULL;
  return copy ? memcpy(copy, text, n) : NULL;
}

/* Configuration, segments, pool. 0, or an exit code. */
static int take_setup(struct weft_zygote *zygote)
{
  struct weft_message message;
  if (weft_control_receive(zygote->control, &zygote->buffer, 0, &message) || message.kind != WEFT_CONTROL_SETUP ||
      message.n_fds < 3)
    return EXIT_FAILURE;
  struct weft_reader reader = {message.data, message.n_bytes, 0, 0};
  uint64_t n_bytes = weft_get_u64(&reader);
  zygote->module = keep_text(zygote, &reader);
  zygote->node_id = keep_text(zygote, &reader);
  zygote->compute = keep_text(zygote, &reader);
  uint32_t n_threads = weft_get_u32(&reader), place = weft_get_u32(&reader);
  if (weft_get_config(&reader, &zygote->arena, &zygote->config) != WEFT_OK || !zygote->module || !zygote->node_id)
    return EXIT_FAILURE;
  int in = weft_message_take(&message, 0), out = weft_message_take(&message, 1);
  zygote->eventfd = weft_message_take(&message, 2);
  if (weft_segments_map(&zygote->segments, in, out, n_bytes))
    return EXIT_FAILURE;
  int busy = weft_message_take(&message, 3);
  if (busy >= 0) {
    /* only a hint: without it the worker takes the threads that it was given */
    (void)weft_busy_join(busy, place);
    close(busy);
  }
  if (weft_pool_new(n_threads, &zygote->pool) != WEFT_OK)
    return EXIT_FAILURE;
  weft_worker_pool_offer(zygote->pool);
  weft_host_set_log(send_log, zygote);
  weft_host_set_finder(find_extension, zygote);
  return 0;
}

static int count_threads(void)
{
  DIR *tasks = opendir("/proc/self/task");
  int n = 0;
  for (struct dirent *entry; tasks && (entry = readdir(tasks));)
    n += entry->d_name[0] != '.';
  if (tasks)
    closedir(tasks);
  return n;
}

static weft_status create(struct weft_zygote *zygote, struct weft_setup *setup, struct weft_ports *ports)
{
  struct weft_module *module;
  weft_status status = weft_module_load(zygote->module, &module, setup->message);
  if (status != WEFT_OK)
    return status;
  zygote->node = weft_module_node(module, zygote->node_id, setup->message);
  if (!zygote->node)
    return WEFT_CONTRACT;
  set_phase(zygote, WEFT_PHASE_CREATE);
  status = zygote->node->create(setup, &zygote->config, &zygote->instance);
  if (status != WEFT_OK)
    return status;
  set_phase(zygote, WEFT_PHASE_PORTS);
  return zygote->node->ports(zygote->instance, setup, ports);
}

static void note_taken(struct weft_setup *setup, uint32_t input, const struct weft_port *port)
{
  struct weft_zygote *zygote = setup->data;
  weft_writer_clear(&zygote->taken);
  weft_put_u32(&zygote->taken, input);
  weft_put_u32(&zygote->taken, port != NULL);
  if (!port)
    return;
  struct weft_port plain = *port;
  plain.name = ""; /* it is the input's */
  plain.key = NULL;
  plain.rows_kind = plain.n_terms = 0;
  weft_put_port(&zygote->taken, &plain);
}

static int tell_refusal(struct weft_zygote *zygote, weft_status status, const char *message)
{
  struct weft_writer body = {0};
  put_status(&body, status, message);
  if (!zygote->taken.failed && zygote->taken.n_bytes <= MAX_TAKEN_BYTES)
    weft_put_bytes(&body, zygote->taken.data, zygote->taken.n_bytes);
  tell_body(zygote, WEFT_CONTROL_PORTS, &body, -1);
  return EXIT_FAILURE;
}

static int answer_ports(struct weft_zygote *zygote)
{
  struct weft_setup setup = {.resource_open = open_resource, .takes = note_taken, .data = zygote};
  struct weft_ports ports = {0};
  struct weft_writer body = {0};
  int before = count_threads();
  weft_status status = create(zygote, &setup, &ports);
  if (status == WEFT_OK && count_threads() > before)
    status = weft_host_table()->fail(&setup, WEFT_CONTRACT, "it started a thread before activate: it cannot be forked");
  if (status != WEFT_OK)
    return tell_refusal(zygote, status, setup.message);
  weft_writer_clear(&zygote->taken);
  zygote->n_outputs = ports.n_outputs;
  weft_put_u32(&body, WEFT_OK);
  weft_put_text(&body, NULL);
  weft_put_u32(&body, weft_host_n_computing() != 0);
  weft_put_ports(&body, &ports);
  return tell_body(zygote, WEFT_CONTROL_PORTS, &body, -1) ? EXIT_FAILURE : 0;
}

static int read_fork(struct weft_zygote *zygote, const struct weft_message *message, struct weft_fork *out)
{
  struct weft_reader reader = {message->data, message->n_bytes, 0, 0};
  out->base = weft_get_u32(&reader);
  out->spin_ns = weft_get_u64(&reader);
  out->limits.n_items = (int64_t)weft_get_u64(&reader);
  uint32_t n = weft_get_u32(&reader);
  if (n != zygote->config.n_inputs)
    return -1;
  int64_t *rows = calloc(n + 1, sizeof *rows), *groups = calloc(n + 1, sizeof *groups);
  out->limits.n_rows = rows;
  out->limits.n_groups = groups;
  for (uint32_t i = 0; rows && groups && i < n; i++) {
    rows[i] = (int64_t)weft_get_u64(&reader);
    groups[i] = (int64_t)weft_get_u64(&reader);
  }
  return rows && groups && !reader.failed ? 0 : -1;
}

/* Answers the pidfd of the new worker, or -1 when there is none. */
static int fork_worker(struct weft_zygote *zygote, const struct weft_fork *request)
{
  pid_t zygote_pid = getpid();
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != zygote_pid)
      _exit(EXIT_FAILURE);
    weft_serve(zygote, request);
  }
  int error = pid < 0 ? errno : 0;
  int pidfd = error ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  if (!error && pidfd < 0) {
    error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  char message[WEFT_MESSAGE_BYTES] = "";
  if (error)
    snprintf(message, sizeof message, "the zygote cannot fork a worker: %s", strerror(error));
  if (weft_zygote_tell(zygote, WEFT_CONTROL_FORKED, error ? WEFT_UNAVAILABLE : WEFT_OK, message, pidfd))
    _exit(EXIT_FAILURE);
  return pidfd;
}

static void reap(struct weft_zygote *zygote, int *pidfd)
{
  siginfo_t info;
  struct weft_writer body = {0};
  memset(&info, 0, sizeof info);
  waitid((idtype_t)P_PIDFD, (id_t)*pidfd, &info, WEXITED);
  close(*pidfd);
  *pidfd = -1;
  weft_put_u32(&body, (uint32_t)info.si_code);
  weft_put_u32(&body, (uint32_t)info.si_status);
  if (tell_body(zygote, WEFT_CONTROL_EXITED, &body, -1))
    _exit(EXIT_FAILURE);
}

/* Forks when asked, reports ends; leaves when the host closes the channel (its children are killed then). */
static int stand_by(struct weft_zygote *zygote)
{
  int pidfd = -1;
  for (;;) {
    struct pollfd fds[2] = {{zygote->control, POLLIN, 0}, {pidfd, POLLIN, 0}};
    struct weft_message message;
    struct weft_fork request;
    if (poll(fds, 2, -1) < 0)
      continue;
    if (fds[1].revents)
      reap(zygote, &pidfd);
    if (!fds[0].revents)
      continue;
    int error = weft_control_receive(zygote->control, &zygote->buffer, 0, &message);
    if (error == EPIPE)
      return 0;
    if (error || message.kind != WEFT_CONTROL_FORK || pidfd >= 0 || read_fork(zygote, &message, &request))
      return EXIT_FAILURE;
    pidfd = fork_worker(zygote, &request);
    free((void *)(uintptr_t)request.limits.n_rows);
    free((void *)(uintptr_t)request.limits.n_groups);
  }
}

int weft_zygote_run(struct weft_zygote *zygote)
{
  int failed = take_setup(zygote);
  if (!failed)
    failed = answer_ports(zygote);
  return failed ? failed : stand_by(zygote);
}
