/* SPDX-License-Identifier: Apache-2.0 */
/* An isolated node: the same bytes as in process, and every way of dying. */
#include "module.h"
#include "worker-rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const three[] = {"seven", "", "a longer text than the others", NULL};
static const char *const marked[] = {"!", NULL};

static int n_rounds(void)
{
  const char *rounds = g_getenv("WEFT_TEST_ROUNDS");
  return rounds ? (int)g_ascii_strtoll(rounds, NULL, 10) : 25;
}

static int count_descriptors(void)
{
  DIR *folder = opendir("/proc/self/fd");
  int n = 0;
  while (readdir(folder))
    n++;
  closedir(folder);
  return n;
}

static uint64_t now_ms(void)
{
  return (uint64_t)g_get_monotonic_time() / 1000;
}

static void check_fault_answer(const Rig *rig)
{
  for (uint32_t i = 0; i < rig->call.n_items; i++)
    for (int k = 0; k < RIG_D; k++)
      g_assert_cmpfloat(rig->y[i * RIG_D + (uint32_t)k], ==, (float)(rig->splits[i + 1] - rig->splits[i] + k));
}

static void test_worker_same_bytes(void)
{
  static const char *const plugins[] = {"source", "fault"};
  for (size_t p = 0; p < G_N_ELEMENTS(plugins); p++) {
    Rig rig;
    rig_init(&rig, plugins[p]);
    g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
    rig_texts(&rig, three);
    g_assert_cmpint(rig_call(&rig, NULL), ==, WEFT_OK);
    float isolated[RIG_ITEMS * RIG_D], *in_process = rig.y;
    memcpy(isolated, rig.y, sizeof isolated);

    struct weft_module *module;
    char message[WEFT_MESSAGE_BYTES];
    void *instance = NULL;
    g_assert_cmpint(weft_module_load(rig.spec.module, &module, message), ==, WEFT_OK);
    const struct weft_node *node = weft_module_node(module, plugins[p], message);
    g_assert_cmpint(node->create(&rig.setup, &rig.config, &instance), ==, WEFT_OK);
    memset(rig.y, 0xA5, sizeof rig.y);
    g_assert_cmpint(node->process(instance, &rig.call), ==, WEFT_OK);
    g_assert_cmpmem(isolated, sizeof isolated, in_process, sizeof isolated);
    node->destroy(instance);
    rig_stop(&rig);
  }
}

static void test_worker_ports(void)
{
  Rig rig;
  rig_init(&rig, "pass");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  const struct weft_ports *ports = weft_worker_ports(rig.worker);
  g_assert_cmpuint(ports->n_outputs, ==, 1);
  g_assert_cmpstr(ports->outputs[0].name, ==, "y");
  g_assert_cmpint(ports->outputs[0].dims[0], ==, -1);
  g_assert_cmpint(ports->outputs[0].dims[1], ==, RIG_D);
  g_assert_true(weft_dtype_equal(ports->outputs[0].dtype, weft_f32()));
  rig_stop(&rig);
}

/* The worker may answer before the host has heard that it lives. */
static void await_respawns(const Rig *rig, uint64_t n, struct weft_worker_stats *stats)
{
  uint64_t until = now_ms() + 60000;
  do {
    weft_worker_stats(rig->worker, stats);
    g_usleep(stats->n_respawns < n ? 100 : 0);
  } while (stats->n_respawns < n && now_ms() < until);
}

static int by_size(const void *a, const void *b)
{
  const uint64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* A crash in process: an error of that call, and the next one is served. */
static void check_deaths(const char *how, const char *expected)
{
  Rig rig;
  struct weft_worker_stats stats;
  g_autoptr(GArray) respawns = g_array_new(FALSE, FALSE, sizeof stats.last_respawn_ns);
  rig_init(&rig, "fault");
  rig_param(&rig, "how", how, 0);
  rig_param(&rig, "when", "marked", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  for (int i = 0; i < n_rounds(); i++) {
    int died = 0;
    rig_texts(&rig, marked);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_INTERNAL);
    g_assert_true(died);
    g_assert_cmpstr(rig.message, ==, expected);
    rig_texts(&rig, three);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_OK);
    g_assert_false(died);
    check_fault_answer(&rig);
    await_respawns(&rig, (uint64_t)i + 1, &stats);
    g_assert_cmpuint(stats.n_deaths, ==, (guint64)i + 1);
    g_assert_cmpuint(stats.n_respawns, ==, (guint64)i + 1);
    g_array_append_val(respawns, stats.last_respawn_ns);
  }
  g_array_sort(respawns, by_size);
  g_test_message("respawn: median %.2f ms, slowest %.2f ms",
                 (double)g_array_index(respawns, uint64_t, respawns->len / 2) / 1e6,
                 (double)g_array_index(respawns, uint64_t, respawns->len - 1) / 1e6);
  rig_stop(&rig);
}

static void test_worker_segv(void)
{
  check_deaths("segv", "plugin fault@1.0.0 in node x: worker died by signal 11 (SIGSEGV) in process");
}

static void test_worker_abort(void)
{
  check_deaths("abort", "plugin fault@1.0.0 in node x: worker died by signal 6 (SIGABRT) in process");
}

static void test_worker_exit(void)
{
  check_deaths("exit", "plugin fault@1.0.0 in node x: worker ended with exit code 3 in process; a plugin must not end its "
                       "process");
}

static void test_worker_hang(void)
{
  Rig rig;
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "hang", 0);
  rig_param(&rig, "when", "marked", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  for (int i = 0; i < n_rounds(); i++) {
    int died = 0;
    rig_texts(&rig, three);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_OK);
    rig_texts(&rig, marked);
    g_assert_cmpint(weft_worker_start(rig.worker, &rig.call), ==, WEFT_OK);
    g_assert_false(weft_worker_wait(rig.worker, (uint64_t)g_get_monotonic_time() * 1000 + 2000000));
    weft_worker_kill(rig.worker);
    g_assert_true(weft_worker_wait(rig.worker, 0));
    g_assert_cmpint(weft_worker_finish(rig.worker, &rig.call, &died), ==, WEFT_DEADLINE);
    g_assert_true(died);
    g_assert_cmpstr(rig.message, ==, "plugin fault@1.0.0 in node x: worker killed at the deadline of its call");
  }
  rig_stop(&rig);
}

static void test_worker_cancel(void)
{
  Rig rig;
  int died = 0;
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "slow", 0);
  rig_param(&rig, "ms", "60000", 60000);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  rig_texts(&rig, marked);
  rig.output.wanted = 0;
  rig.call.host_data = &rig.host;
  rig.inputs[0] = &rig.text;
  rig.call.items = rig.items;
  rig.call.inputs = rig.inputs;
  rig.call.outputs = &rig.output;
  rig.call.item_status = rig.item_status;
  rig.call.n_inputs = rig.call.n_outputs = 1;
  rig.output.tensor.rank = 2;
  g_assert_cmpint(weft_worker_start(rig.worker, &rig.call), ==, WEFT_OK);
  weft_worker_cancel(rig.worker);
  g_assert_true(weft_worker_wait(rig.worker, 0));
  g_assert_cmpint(weft_worker_finish(rig.worker, &rig.call, &died), ==, WEFT_CANCELLED);
  g_assert_false(died);
  rig_stop(&rig);
}

static void test_worker_items(void)
{
  Rig rig;
  static const char *const texts[] = {"good", "!bad", "fine", NULL};
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "fail", 0);
  rig_param(&rig, "when", "marked", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  rig_texts(&rig, texts);
  g_assert_cmpint(rig_call(&rig, NULL), ==, WEFT_OK);
  g_assert_cmpint(rig.item_status[0], ==, WEFT_OK);
  g_assert_cmpint(rig.item_status[1], ==, WEFT_BAD_INPUT);
  g_assert_cmpint(rig.item_status[2], ==, WEFT_OK);
  g_assert_cmpstr(rig.item_message[1], ==, "fault: the text begins with `!`");
  g_assert_cmpfloat(rig.y[2 * RIG_D + 3], ==, 4 + 3);
  rig_stop(&rig);

  rig_init(&rig, "fault");
  rig_param(&rig, "how", "fail", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  rig_texts(&rig, texts);
  g_assert_cmpint(rig_call(&rig, NULL), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(rig.message, ==, "fault: the call fails, as it was told to");
  rig_stop(&rig);
}

/* Dying before there is a worker: spawn or activate fails with a message, nothing is left behind. */
static void test_worker_setup_faults(void)
{
  static const char *const places[] = {"create", "ports", "activate"};
  static const struct {
    const char *how, *expected;
    weft_status status;
  } faults[] = {
    {"segv", "plugin fault@1.0.0 in node x: worker died by signal 11 (SIGSEGV) in PLACE", WEFT_INTERNAL},
    {"abort", "plugin fault@1.0.0 in node x: worker died by signal 6 (SIGABRT) in PLACE", WEFT_INTERNAL},
    {"exit", "plugin fault@1.0.0 in node x: worker ended with exit code 3 in PLACE; a plugin must not end its process",
     WEFT_INTERNAL},
    {"hang", "plugin fault@1.0.0 in node x: worker hung in PLACE for 2000 ms; killed", WEFT_INTERNAL},
    {"fail", "fault: PLACE fails, as it was told to", WEFT_BAD_CONFIG},
  };
  int rounds = MAX(n_rounds() / 5, 1), before = 0;
  for (int round = 0; round < rounds; round++)
    for (size_t p = 0; p < G_N_ELEMENTS(places); p++)
      for (size_t f = 0; f < G_N_ELEMENTS(faults); f++) {
        Rig rig;
        int hangs = strcmp(faults[f].how, "hang") == 0;
        if (hangs && round > rounds / 10)
          continue; /* each takes two seconds, so that a busy machine gets there */
        g_auto(GStrv) parts = g_strsplit(faults[f].expected, "PLACE", 2);
        g_autofree char *expected = g_strjoin(places[p], parts[0], parts[1], NULL);
        rig_init(&rig, "fault");
        rig_param(&rig, "how", faults[f].how, 0);
        rig_param(&rig, "at", places[p], 0);
        if (hangs)
          rig.spec.setup_timeout_ns = 2000000000;
        g_assert_cmpint(rig_start(&rig), ==, faults[f].status);
        g_assert_cmpstr(rig.setup.message, ==, expected);
        g_assert_cmpint(rig.setup.status, ==, faults[f].status);
        rig_stop(&rig);
        if (!before)
          before = count_descriptors();
        g_assert_cmpint(count_descriptors(), ==, before);
      }
}

static void await_pid(const Rig *rig, int32_t other_than, struct weft_worker_stats *stats)
{
  uint64_t until = now_ms() + 60000;
  do {
    weft_worker_stats(rig->worker, stats);
    g_usleep(200);
  } while (stats->pid == other_than && now_ms() < until);
}

/* A zombie waits for whoever adopted it; it lives no more. */
static int lives(int32_t pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) && strrchr(text, ')')[2] != 'Z';
}

static int32_t parent_of(int32_t pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
  int parent = 0;
  if (g_file_get_contents(path, &text, NULL, NULL))
    sscanf(strrchr(text, ')') + 2, "%*c %d", &parent);
  return parent;
}

/* kill -9 from outside, idle or in a call, of the worker and of its zygote. */
static void test_worker_killed_from_outside(void)
{
  Rig rig;
  struct weft_worker_stats stats;
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "slow", 0);
  rig_param(&rig, "when", "marked", 0);
  rig_param(&rig, "ms", "60000", 60000);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  for (int i = 0; i < n_rounds(); i++) {
    int died = 0, zygote = i % 2, in_call = i / 2 % 2;
    rig_texts(&rig, three);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_OK);
    check_fault_answer(&rig);
    await_pid(&rig, 0, &stats);
    int32_t victim = zygote ? parent_of(stats.pid) : stats.pid;
    g_assert_cmpint(victim, >, 1);
    if (in_call) {
      rig_texts(&rig, marked);
      g_assert_cmpint(weft_worker_start(rig.worker, &rig.call), ==, WEFT_OK);
      g_usleep(1000);
      kill(victim, SIGKILL);
      g_assert_true(weft_worker_wait(rig.worker, 0));
      g_assert_cmpint(weft_worker_finish(rig.worker, &rig.call, &died), ==, WEFT_INTERNAL);
      g_assert_true(died);
      g_assert_nonnull(strstr(rig.message, zygote ? "its zygote died by signal 9 (SIGKILL) in process"
                                                  : "worker died by signal 9 (SIGKILL) in process"));
    } else {
      kill(victim, SIGKILL);
      await_pid(&rig, stats.pid, &stats);
    }
  }
  rig_stop(&rig);
}

static void test_worker_two_at_once(void)
{
  Rig rigs[2];
  for (int k = 0; k < 2; k++) {
    rig_init(&rigs[k], "source");
    g_assert_cmpint(rig_start(&rigs[k]), ==, WEFT_OK);
    rig_texts(&rigs[k], three);
    g_assert_cmpint(rig_call(&rigs[k], NULL), ==, WEFT_OK);
  }
  g_assert_cmpmem(rigs[0].y, sizeof rigs[0].y, rigs[1].y, sizeof rigs[1].y);
  rig_stop(&rigs[0]);
  g_assert_cmpint(rig_call(&rigs[1], NULL), ==, WEFT_OK);
  rig_stop(&rigs[1]);
}

static void test_worker_leaves_nothing(void)
{
  int n = n_rounds() > 200 ? n_rounds() : 200, before = 0;
  uint64_t live = 0;
  for (int i = 0; i < n; i++) {
    Rig rig;
    rig_init(&rig, "source");
    g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
    rig_stop(&rig);
    if (i == 0) {
      before = count_descriptors();
      live = weft_mem_live();
    }
  }
  g_assert_cmpint(count_descriptors(), ==, before);
  g_assert_cmpuint(weft_mem_live(), ==, live);
}

/* The test program itself, as a host that is killed: prints its worker's pid, then waits. */
static int be_a_host(void)
{
  Rig rig;
  struct weft_worker_stats stats;
  rig_init(&rig, "source");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  weft_worker_stats(rig.worker, &stats);
  fprintf(stderr, "pids %d %d\n", stats.pid, parent_of(stats.pid));
  pause();
  return 0;
}

static void test_worker_dies_with_host(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  char *arguments[] = {self, (char *)"--host", NULL}, line[64] = "";
  GPid pid;
  int out, worker, zygote;
  g_spawn_async_with_pipes(NULL, arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, NULL, &out, &error);
  g_assert_no_error(error);
  g_assert_cmpint(read(out, line, sizeof line - 1), >, 0);
  g_assert_cmpint(sscanf(line, "pids %d %d", &worker, &zygote), ==, 2);
  g_assert_cmpint(kill(worker, 0), ==, 0);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  uint64_t until = now_ms() + 60000;
  while ((lives(worker) || lives(zygote)) && now_ms() < until)
    g_usleep(1000);
  g_assert_false(lives(worker));
  g_assert_false(lives(zygote));
  close(out);
}

static void test_worker_no_program(void)
{
  Rig rig;
  rig_init(&rig, "source");
  g_free((char *)rig.spec.program);
  rig.spec.program = g_strdup("/nowhere/weft-worker");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_UNAVAILABLE);
  g_assert_cmpstr(rig.setup.message, ==,
                  "plugin source@1.0.0 in node x: cannot start /nowhere/weft-worker: No such file or directory");
  rig_stop(&rig);
}

static void test_worker_too_many_items(void)
{
  Rig rig;
  rig_init(&rig, "source");
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  rig_texts(&rig, three);
  rig.call.n_items = RIG_ITEMS;
  for (int i = 3; i <= RIG_ITEMS; i++)
    rig.splits[i] = rig.splits[3];
  rig.text.n_slots = RIG_ITEMS;
  g_assert_cmpint(rig_call(&rig, NULL), ==, WEFT_OK);
  rig.call.n_items = RIG_ITEMS + 1;
  g_assert_cmpint(weft_worker_start(rig.worker, &rig.call), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(rig.message, ==, "a call of 9 items; the node was activated for at most 8");
  rig_stop(&rig);
}

/* A worker that is activated again just after its death, while its respawn is under way, comes to rest and serves. */
static void test_worker_activate_after_death(void)
{
  int64_t rows = 4096, groups = 0;
  struct weft_limits limits = {RIG_ITEMS, &rows, &groups};
  Rig rig;
  rig_init(&rig, "fault");
  rig_param(&rig, "how", "abort", 0);
  rig_param(&rig, "when", "marked", 0);
  g_assert_cmpint(rig_start(&rig), ==, WEFT_OK);
  for (int round = 0; round < n_rounds(); round++) {
    int died = 0;
    rig_texts(&rig, marked);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_INTERNAL);
    g_assert_true(died);
    /* From before the fork to after it has answered. */
    g_usleep((gulong)(round % 25) * 80);
    alarm(20); /* this would wait for ever */
    g_assert_cmpint(weft_worker_activate(rig.worker, &rig.setup, &limits), ==, WEFT_OK);
    alarm(0);
    rig_texts(&rig, three);
    g_assert_cmpint(rig_call(&rig, &died), ==, WEFT_OK);
    check_fault_answer(&rig);
  }
  rig_stop(&rig);
}

int main(int argc, char **argv)
{
  /* Read by the workers alone: their deaths are the test, not a sanitizer's report of them. */
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  if (argc > 1 && strcmp(argv[1], "--host") == 0) {
    g_test_init(&argc, &argv, NULL);
    return be_a_host();
  }
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/worker/same-bytes", test_worker_same_bytes);
  g_test_add_func("/worker/ports", test_worker_ports);
  g_test_add_func("/worker/items", test_worker_items);
  g_test_add_func("/worker/cancel", test_worker_cancel);
  g_test_add_func("/worker/segv", test_worker_segv);
  g_test_add_func("/worker/abort", test_worker_abort);
  g_test_add_func("/worker/exit", test_worker_exit);
  g_test_add_func("/worker/hang", test_worker_hang);
  g_test_add_func("/worker/setup-faults", test_worker_setup_faults);
  g_test_add_func("/worker/killed-from-outside", test_worker_killed_from_outside);
  g_test_add_func("/worker/two-at-once", test_worker_two_at_once);
  g_test_add_func("/worker/leaves-nothing", test_worker_leaves_nothing);
  g_test_add_func("/worker/dies-with-host", test_worker_dies_with_host);
  g_test_add_func("/worker/no-program", test_worker_no_program);
  g_test_add_func("/worker/too-many-items", test_worker_too_many_items);
  g_test_add_func("/worker/activate-after-death", test_worker_activate_after_death);
  return g_test_run();
}
