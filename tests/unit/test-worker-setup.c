/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between host and worker while a node is set up, and what a host makes of nonsense. */
#include "control.h"
#include "wire.h"
#include "worker-private.h"
#include "worker-rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const texts[] = {"one", "two", NULL};
static int n_opened;
static uint64_t large_bytes;
static char *large;

/* model/a is large (its bytes repeat "0123456789abcdef"), model/empty empty, nothing else is there. */
static weft_status open_model(struct weft_setup *setup, const char *name, uint32_t flags, struct weft_resource *out)
{
  n_opened++;
  if (strcmp(name, "model/a") == 0)
    *out = (struct weft_resource){large, large_bytes, 7};
  else if (strcmp(name, "model/empty") == 0)
    *out = (struct weft_resource){"", 0, 8};
  else if (flags & WEFT_RESOURCE_OPTIONAL)
    *out = (struct weft_resource){NULL, 0, 0};
  else
    return weft_host_table()->fail(setup, WEFT_BAD_CONFIG, "no file \"%s\" in the model", name);
  return WEFT_OK;
}

static void make_large(uint64_t n_bytes)
{
  large_bytes = n_bytes;
  large = g_realloc(large, n_bytes);
  for (uint64_t i = 0; i < n_bytes; i++)
    large[i] = "0123456789abcdef"[i % 16];
}

static void check_reads(Rig *rig)
{
  rig_texts(rig, texts);
  g_assert_cmpint(rig_call(rig, NULL), ==, WEFT_OK);
  for (int k = 0; k < 2 * RIG_D; k++)
    g_assert_cmpfloat(rig->y[k], ==, (float)"0123456789abcdef"[k % 16]);
}

static char last_log[WEFT_MESSAGE_BYTES];

static void keep_log(void *data, uint32_t level, const char *line)
{
  g_strlcpy(last_log, line, sizeof last_log);
}

static void test_setup_resources(void)
{
  Rig rig;
  make_large(5 << 20);
  weft_host_set_log(keep_log, NULL);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  n_opened = 0;
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  weft_host_set_log(NULL, NULL);
  g_assert_cmpint(n_opened, ==, 3); /* a second opening gets the same bytes without asking */
  g_assert_cmpstr(last_log, ==, "plugin reads@1.0.0 in node x: activated for 8 items");
  const struct weft_port *port = &weft_worker_ports(rig.worker)->outputs[0];
  g_assert_cmpuint(port->n_attributes, ==, 2);
  g_assert_cmpstr(port->attributes[0].key, ==, "space");
  g_assert_cmpstr(port->attributes[0].value, ==, "abc/tokens");
  /* What the host had is of no more use to the worker. */
  memset(large, 0, large_bytes);
  check_reads(&rig);
  rig_stop(&rig);
}

static void test_setup_missing_resource(void)
{
  Rig rig;
  rig_init(&rig, "reads");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_BAD_CONFIG);
  g_assert_cmpstr(rig.setup.message, ==, "no resources here: \"model/a\" was asked for");
  rig_stop(&rig);
  make_large(5);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  g_assert_cmpint(rig_start(&rig), ==, WEFT_BAD_CONFIG);
  g_assert_cmpstr(rig.setup.message, ==, "reads: model/a is too short");
  rig_stop(&rig);
}

/* The zygote dies: its successor gets the resources that the first one got, though the setup is gone. */
static void test_setup_relaunch(void)
{
  Rig rig;
  struct weft_worker_stats stats;
  make_large(1 << 20);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  rig.setup.resource_open = NULL;
  memset(large, 0, large_bytes);
  for (int i = 0; i < 5; i++) {
    check_reads(&rig);
    do
      weft_worker_stats(rig.worker, &stats);
    while (!stats.pid);
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", stats.pid), *text = NULL;
    int zygote = 0;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(strrchr(text, ')') + 2, "%*c %d", &zygote), ==, 1);
    kill(zygote, SIGKILL);
    while (stats.pid)
      weft_worker_stats(rig.worker, &stats);
  }
  check_reads(&rig);
  rig_stop(&rig);
}

static void test_setup_activate_again(void)
{
  Rig rig;
  int64_t rows = 10, groups = 0;
  struct weft_limits one = {1, &rows, &groups}, two = {2, &rows, &groups}, none = {0, &rows, &groups};
  make_large(64);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  g_assert_cmpint(weft_worker_activate(rig.worker, &rig.setup, &one), ==, WEFT_OK);
  rig_texts(&rig, texts);
  g_assert_cmpint(rig_call(&rig, NULL), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_worker_activate(rig.worker, &rig.setup, &two), ==, WEFT_OK);
  check_reads(&rig);
  g_assert_cmpint(weft_worker_activate(rig.worker, &rig.setup, &none), ==, WEFT_BAD_CONFIG);
  rig_stop(&rig);
}

static void test_setup_thread(void)
{
  Rig rig;
  make_large(64);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  rig_param(&rig, "thread", "true", 1);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_CONTRACT);
  g_assert_cmpstr(rig.setup.message, ==, "it started a thread before activate: it cannot be forked");
  rig_stop(&rig);
}

/* The k-th allocation of a whole spawn fails, for every k: a status each time, nothing left behind. */
static void test_setup_no_memory(void)
{
  Rig rig;
  make_large(64);
  rig_init(&rig, "reads");
  rig.setup.resource_open = open_model;
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  weft_worker_free(rig.worker);
  uint64_t live = weft_mem_live();
  weft_status status = WEFT_NO_MEMORY;
  for (uint64_t k = 1; status != WEFT_OK; k++) {
    rig.worker = NULL;
    rig.setup.message[0] = '\0';
    weft_mem_fail_at(k);
    status = rig_start(&rig);
    weft_mem_fail_at(0);
    if (status != WEFT_OK)
      g_assert_cmpstr(rig.setup.message, !=, "");
    weft_worker_free(rig.worker);
    g_assert_cmpuint(weft_mem_live(), ==, live);
    g_assert_cmpuint(k, <, 1000);
  }
  rig.worker = NULL;
  rig_stop(&rig);
}

/* A configuration beyond a packet travels in a memfd; beyond the limit it is refused, naming it. */
static void test_setup_large_config(void)
{
  for (int beyond = 0; beyond < 2; beyond++) {
    Rig rig;
    size_t n = beyond ? WEFT_CONTROL_MAX_BYTES : WEFT_CONTROL_MAX_BYTES - 4096;
    g_autofree char *text = g_strnfill(n, 'x');
    rig_init(&rig, "source");
    rig_param(&rig, "long", text, 0);
    g_assert_cmpint(rig_start(&rig), ==, beyond ? WEFT_BAD_CONFIG : WEFT_OK);
    if (beyond)
      g_assert_nonnull(strstr(rig.setup.message, "WEFT_CONTROL_MAX_BYTES"));
    rig_stop(&rig);
  }
}

/* A module that is none, a node that it lacks. */
static void test_setup_wrong_module(void)
{
  Rig rig;
  rig_init(&rig, "source");
  g_free((char *)rig.spec.node_id);
  rig.spec.node_id = g_strdup("nobody");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_CONTRACT);
  g_assert_nonnull(strstr(rig.setup.message, "get_node knows no \"nobody\""));
  rig_stop(&rig);
  rig_init(&rig, "source");
  g_free((char *)rig.spec.module);
  rig.spec.module = g_strdup("/nowhere/x.so");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_UNAVAILABLE);
  g_assert_nonnull(strstr(rig.setup.message, "/nowhere/x.so"));
  rig_stop(&rig);
}

static void test_wire_round_trip(void)
{
  const struct weft_rows_term terms[] = {{0, WEFT_COUNT_ROWS, 3}, {-1, WEFT_COUNT_ITEMS, -2}};
  const struct weft_attribute attributes[] = {{"modality", "text"}, {"space", ""}};
  const struct weft_parameter parameters[] = {{"beam", "4", 4, 4, WEFT_PARAMETER_INT, 0}, {"name", NULL, 0.5, 0, 0, 0}};
  const struct weft_port port = {"tokens", "left", weft_f32(), 2, {-1, 8}, 1, WEFT_ROWS_BOUNDED, 2, 2, terms, attributes};
  const struct weft_config config = {"node", parameters, &port, 2, 1, "digest", 2};
  struct weft_writer writer = {0};
  struct weft_arena arena = {0};
  struct weft_config back;
  weft_put_config(&writer, &config);
  g_assert_false(writer.failed);
  /* Every cut is an error, never more than that. */
  for (size_t n = 0; n <= writer.n_bytes; n++) {
    g_autofree uint8_t *exact = g_memdup2(writer.data, n + 1);
    struct weft_reader reader = {exact, n, 0, 0};
    g_assert_cmpint(weft_get_config(&reader, &arena, &back), ==, n < writer.n_bytes ? WEFT_CONTRACT : WEFT_OK);
    if (n < writer.n_bytes)
      weft_arena_clear(&arena);
  }
  g_assert_cmpstr(back.node_name, ==, "node");
  g_assert_cmpstr(back.model_digest, ==, "digest");
  g_assert_cmpuint(back.precision, ==, 2);
  g_assert_cmpstr(back.parameters[0].text, ==, "4");
  g_assert_null(back.parameters[1].text);
  g_assert_cmpfloat(back.parameters[1].number, ==, 0.5);
  g_assert_cmpstr(back.inputs[0].key, ==, "left");
  g_assert_cmpint(back.inputs[0].terms[1].factor, ==, -2);
  g_assert_cmpstr(back.inputs[0].attributes[1].value, ==, "");
  weft_arena_clear(&arena);
  weft_writer_clear(&writer);
}

static void test_wire_noise(void)
{
  struct weft_writer writer = {0};
  const struct weft_port port = {"y", NULL, weft_f32(), 2, {-1, 8}, 1, WEFT_ROWS_BOUNDED, 0, 0, NULL, NULL};
  const struct weft_ports ports = {&port, 1};
  weft_put_ports(&writer, &ports);
  for (int i = 0; i < 20000; i++) {
    struct weft_arena arena = {0};
    struct weft_ports back;
    g_autofree uint8_t *noisy = g_memdup2(writer.data, writer.n_bytes);
    for (int k = g_test_rand_int_range(1, 5); k; k--)
      noisy[g_test_rand_int_range(0, (gint32)writer.n_bytes)] = (uint8_t)g_test_rand_int();
    struct weft_reader reader = {noisy, writer.n_bytes, 0, 0};
    weft_status status = weft_get_ports(&reader, &arena, &back);
    g_assert_true(status == WEFT_OK || status == WEFT_CONTRACT);
    weft_arena_clear(&arena);
  }
  weft_writer_clear(&writer);
}

static void test_control_messages(void)
{
  int pair[2];
  struct weft_control_buffer buffer = {0};
  struct weft_message in, out = {.kind = 5};
  g_autofree uint8_t *body = g_malloc0(WEFT_CONTROL_MAX_BYTES + 1);
  body[WEFT_CONTROL_MAX_BYTES - 1] = 9;
  out.data = body;
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
  static const size_t sizes[] = {0, 1, WEFT_CONTROL_PACKET_BYTES, WEFT_CONTROL_PACKET_BYTES + 1, WEFT_CONTROL_MAX_BYTES};
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
    out.n_bytes = sizes[i];
    out.n_fds = (uint32_t)(i % 3);
    out.fds[0] = out.fds[1] = STDIN_FILENO;
    g_assert_cmpint(weft_control_send(pair[0], &out, 0), ==, 0);
    g_assert_cmpint(weft_control_receive(pair[1], &buffer, 0, &in), ==, 0);
    g_assert_cmpuint(in.kind, ==, 5);
    g_assert_cmpuint(in.n_fds, ==, out.n_fds);
    g_assert_cmpmem(in.data, in.n_bytes, body, sizes[i]);
    weft_message_close(&in);
  }
  out.n_bytes = WEFT_CONTROL_MAX_BYTES + 1;
  g_assert_cmpint(weft_control_send(pair[0], &out, 0), ==, EMSGSIZE);
  /* What is no message of ours. */
  g_assert_cmpint(write(pair[0], "short", 5), ==, 5);
  g_assert_cmpint(weft_control_receive(pair[1], &buffer, 0, &in), ==, EPROTO);
  uint8_t wrong[20] = {5, 0, 0, 0, 0, 0, 0, 0, 99};
  g_assert_cmpint(write(pair[0], wrong, sizeof wrong), ==, sizeof wrong);
  g_assert_cmpint(weft_control_receive(pair[1], &buffer, 0, &in), ==, EPROTO);
  uint8_t no_fd[16] = {5, 0, 0, 0, 1, 0, 0, 0, 99};
  g_assert_cmpint(write(pair[0], no_fd, sizeof no_fd), ==, sizeof no_fd);
  g_assert_cmpint(weft_control_receive(pair[1], &buffer, 0, &in), ==, EPROTO);
  g_assert_cmpint(weft_control_receive(pair[1], &buffer, MSG_DONTWAIT, &in), ==, EAGAIN);
  close(pair[0]);
  g_assert_cmpint(weft_control_receive(pair[1], &buffer, 0, &in), ==, EPIPE);
  close(pair[1]);
  weft_control_clear(&buffer);
}

/* Word of the worker (kind, status), as its host hears it. */
static int hear(struct weft_worker *worker, uint32_t kind, weft_status status, const char *text, int fd)
{
  struct weft_writer body = {0};
  weft_put_u32(&body, (uint32_t)status);
  weft_put_text(&body, text);
  struct weft_message message = {.kind = kind, .n_fds = fd >= 0, .n_bytes = body.n_bytes, .data = body.data, .fds = {fd}};
  int good = weft_talk_handle(worker, &message, NULL);
  weft_message_close(&message);
  weft_writer_clear(&body);
  return good;
}

/* The worker and its zygote speak on one channel: what the worker says of activate counts, whoever is heard first. */
static void test_setup_order_of_words(void)
{
  for (int worker_first = 0; worker_first < 2; worker_first++) {
    struct weft_worker worker = {.label = "x", .zygote_pid = getpid(), .control = -1, .zygote_fd = -1, .worker_fd = -1};
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
      pause();
      _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(pidfd, >=, 0);
    atomic_store(&worker.state, WEFT_WORKER_STARTING);
    for (int i = 0; i < 2; i++) {
      if (i == worker_first)
        g_assert_true(hear(&worker, WEFT_CONTROL_FORKED, WEFT_OK, "", pidfd));
      else
        g_assert_true(hear(&worker, WEFT_CONTROL_ACTIVATED, WEFT_BAD_CONFIG, "no such beam", -1));
    }
    g_assert_cmpint(worker.failure_status, ==, WEFT_BAD_CONFIG);
    g_assert_cmpstr(worker.failure, ==, "no such beam");
    g_assert_true(worker.forked && !worker.activated);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(worker.worker_fd);
  }
}

/* Its end may be seen before its last word is read: that is no breach of the protocol. */
static void test_setup_last_word(void)
{
  struct weft_worker worker = {.label = "x", .control = -1, .zygote_fd = -1, .worker_fd = -1, .forked = 1};
  atomic_store(&worker.state, WEFT_WORKER_ENDING);
  g_assert_true(hear(&worker, WEFT_CONTROL_ACTIVATED, WEFT_BAD_CONFIG, "no such beam", -1));
  g_assert_cmpstr(worker.failure, ==, "no such beam");
  g_assert_cmpint(atomic_load(&worker.state), ==, WEFT_WORKER_ENDING);
}

/* Descriptors that this process cannot take are its own lack, not the worker's fault. */
static void test_setup_no_descriptor(void)
{
  struct rlimit limit, none;
  struct weft_control_buffer buffer = {0};
  struct weft_message got, sent = {.kind = WEFT_CONTROL_LOG, .n_fds = 1, .fds = {0}};
  int ends[2];
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_assert_cmpint(weft_control_send(ends[0], &sent, 0), ==, 0);
  g_assert_cmpint(weft_control_send(ends[0], &sent, 0), ==, 0);
  g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
  none = (struct rlimit){1, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  int error = weft_control_receive(ends[1], &buffer, 0, &got);
  setrlimit(RLIMIT_NOFILE, &limit);
  g_assert_cmpint(error, ==, EMFILE);
  g_assert_cmpint(weft_control_receive(ends[1], &buffer, 0, &got), ==, 0);
  g_assert_cmpuint(got.n_fds, ==, 1);
  weft_message_close(&got);
  weft_control_clear(&buffer);
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/worker-setup/resources", test_setup_resources);
  g_test_add_func("/worker-setup/missing-resource", test_setup_missing_resource);
  g_test_add_func("/worker-setup/relaunch", test_setup_relaunch);
  g_test_add_func("/worker-setup/order-of-words", test_setup_order_of_words);
  g_test_add_func("/worker-setup/last-word", test_setup_last_word);
  g_test_add_func("/worker-setup/activate-again", test_setup_activate_again);
  g_test_add_func("/worker-setup/thread", test_setup_thread);
  g_test_add_func("/worker-setup/no-descriptor", test_setup_no_descriptor);
  g_test_add_func("/worker-setup/no-memory", test_setup_no_memory);
  g_test_add_func("/worker-setup/large-config", test_setup_large_config);
  g_test_add_func("/worker-setup/wrong-module", test_setup_wrong_module);
  g_test_add_func("/wire/round-trip", test_wire_round_trip);
  g_test_add_func("/wire/noise", test_wire_noise);
  g_test_add_func("/control/messages", test_control_messages);
  int result = g_test_run();
  g_free(large);
  return result;
}
