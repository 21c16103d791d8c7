/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A helper thread that is stopped by a tracer. The scenario runs in a child;
 * this process traces it, stops the thread that the child names and lets it go
 * on when told.
 */
#include "runtime-fixture.h"

#include "clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_PERMITTED 77

struct command {
  char what; /* 's': stop; 'c': continue */
  pid_t thread;
};

static int to_tracer = -1, from_tracer = -1;

static void tell(char what, pid_t thread)
{
  struct command command = {what, thread};
  char answer = 0;
  g_assert_cmpint(write(to_tracer, &command, sizeof command), ==, sizeof command);
  g_assert_cmpint(read(from_tracer, &answer, 1), ==, 1);
  if (answer == 'n')
    _exit(NOT_PERMITTED);
}

static char obey(const struct command *command)
{
  int status;
  if (command->what == 'c')
    return ptrace(PTRACE_DETACH, command->thread, NULL, NULL) ? 'e' : 'k';
  if (ptrace(PTRACE_SEIZE, command->thread, NULL, NULL))
    return errno == EPERM || errno == ENOSYS ? 'n' : 'e';
  g_assert_cmpint(ptrace(PTRACE_INTERRUPT, command->thread, NULL, NULL), ==, 0);
  g_assert_cmpint(waitpid(command->thread, &status, __WALL), ==, command->thread);
  g_assert_true(WIFSTOPPED(status));
  return 'k';
}

static void trace(void (*scenario)(int), int variant)
{
  int up[2], down[2], status = 0;
  g_assert_cmpint(pipe(up), ==, 0);
  g_assert_cmpint(pipe(down), ==, 0);
  pid_t child = fork();
  if (child == 0) {
    close(up[0]);
    close(down[1]);
    to_tracer = up[1];
    from_tracer = down[0];
    alarm(30);
    scenario(variant);
    _exit(0);
  }
  close(up[1]);
  close(down[0]);
  struct command command;
  while (read(up[0], &command, sizeof command) == (ssize_t)sizeof command) {
    char answer = obey(&command);
    g_assert_cmpint(answer, !=, 'e');
    g_assert_cmpint(write(down[1], &answer, 1), ==, 1);
  }
  close(up[0]);
  close(down[1]);
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
    g_test_skip("this machine does not permit ptrace");
  else
    g_assert_cmpint(status, ==, 0);
}

static pid_t own_id(void)
{
  return (pid_t)syscall(SYS_gettid);
}

/* Both helpers at once, each noting who it is. */
struct both {
  _Atomic int n_inside;
  _Atomic pid_t threads[2];
};

static weft_status meet(void *instance, struct weft_call *call)
{
  struct both *both = instance;
  int k = atomic_fetch_add(&both->n_inside, 1);
  if (k < 2)
    atomic_store(&both->threads[k], own_id());
  while (atomic_load(&both->n_inside) < 2)
    g_usleep(100);
  return fx_length(NULL, call);
}

static void count(void *arg, uint32_t chunk)
{
  (void)chunk;
  atomic_fetch_add((_Atomic uint32_t *)arg, 1);
}

/* Stopped while it sleeps: neither a join nor a frame waits for it, although it may be the one that is woken. */
static void idle(int which)
{
  struct fx fx;
  struct both both = {0};
  struct fx_signal signal = FX_SIGNAL;
  struct weft_frame *frames[2];
  struct weft_blob blob;
  struct weft_request request;
  _Atomic uint32_t n_chunks = 0;
  fx_init(&fx, 2);
  uint32_t text = fx_input(&fx, "text");
  fx_node(&fx, "meet", FX(meet, &both), fx_f32, &text, 1);
  fx_last(&fx)->parallel = 1;
  fx_seal(&fx, 1);
  fx_requests(&fx, (const char *[]){"abc"}, 1, &blob, &request);
  for (int i = 0; i < 2; i++)
    g_assert_cmpint(weft_graph_submit(fx.graph, &request, 1, fx_done, &signal, &frames[i]), ==, WEFT_OK);
  fx_wait(&signal, 2);
  for (int i = 0; i < 2; i++)
    weft_frame_release(frames[i]);
  g_usleep(50000);
  tell('s', both.threads[which]);
  uint64_t begin = weft_clock_now();
  for (int i = 0; i < 50; i++)
    weft_pool_parallel(fx.pool, 16, count, &n_chunks);
  g_assert_cmpuint(n_chunks, ==, 800);
  for (int i = 0; i < 50; i++) {
    g_assert_cmpint(weft_graph_submit(fx.graph, &request, 1, fx_done, &signal, &frames[0]), ==, WEFT_OK);
    fx_wait(&signal, 3 + i);
    g_assert_cmpint(weft_frame_status(frames[0], 0), ==, WEFT_OK);
    weft_frame_release(frames[0]);
    if (i % 10 == 0)
      g_usleep(2000); /* the other sleeps again */
  }
  g_assert_cmpuint(weft_clock_now() - begin, <, 5000000000u);
  tell('c', both.threads[which]);
  fx_clear(&fx);
}

/* A node whose calls use the pool; on an item that begins with '*' a helper keeps its chunk. */
struct splitter {
  struct weft_pool_impl *pool;
  _Atomic pid_t caller, holder;
  _Atomic int go;
};

static void hold(void *arg, uint32_t chunk)
{
  struct splitter *s = arg;
  pid_t none = 0, self = own_id();
  (void)chunk;
  if (self != atomic_load(&s->caller) && atomic_compare_exchange_strong(&s->holder, &none, self))
    while (!atomic_load(&s->go))
      g_usleep(100);
  while (!atomic_load(&s->holder))
    g_usleep(100);
}

static weft_status split(void *instance, struct weft_call *call)
{
  struct splitter *s = instance;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end == rows.begin || ((const char *)call->inputs[0]->data)[rows.begin] != '*')
      continue;
    atomic_store(&s->caller, own_id());
    weft_pool_parallel(s->pool, 2, hold, s);
  }
  return fx_length(NULL, call);
}

struct asker {
  struct fx *fx;
  struct weft_request *request;
  struct weft_frame *frame;
  _Atomic uint64_t ended;
};

static void on_ended(struct weft_frame *frame, void *data)
{
  struct asker *asker = data;
  (void)frame;
  atomic_store(&asker->ended, weft_clock_now());
}

static void *ask(void *data)
{
  struct asker *asker = data;
  g_assert_cmpint(weft_graph_run(asker->fx->graph, asker->request, 1, &asker->frame), ==, WEFT_OK);
  atomic_store(&asker->ended, weft_clock_now());
  return NULL;
}

static void others_go_on(struct fx *fx)
{
  struct fx_signal signal = FX_SIGNAL;
  const char *text = "four";
  struct weft_blob blob;
  struct weft_request request;
  struct weft_frame *frame;
  fx_requests(fx, &text, 1, &blob, &request);
  for (int i = 0; i < 20; i++) {
    g_assert_cmpint(weft_graph_submit(fx->graph, &request, 1, fx_done, &signal, &frame), ==, WEFT_OK);
    fx_wait(&signal, i + 1);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
    g_assert_cmpfloat(fx_number(frame, 1, 0), ==, 4);
    weft_frame_release(frame);
  }
}

static void until_returned(struct fx *fx)
{
  struct weft_load load;
  for (int i = 0; i < 5000; i++) {
    weft_graph_load(fx->graph, &load);
    if (!load.n_frames)
      return;
    g_usleep(1000);
  }
  g_error("%u frames did not come back", load.n_frames);
}

enum { BY_RUN = 1, BATCHING = 2 };

/* Stopped while it holds a chunk: only that request is late, and answered at its deadline; its frame comes back later. */
static void holding(int how)
{
  struct fx fx;
  struct splitter s = {0};
  char *text = g_strdup("*held");
  struct weft_blob blob;
  struct weft_request request;
  struct weft_load load;
  pthread_t thread;
  fx_init(&fx, 2);
  s.pool = fx.pool;
  uint32_t input = fx_input(&fx, "text");
  fx_node(&fx, "split", FX(split, &s), fx_f32, &input, 1);
  fx_last(&fx)->parallel = fx_last(&fx)->pure = 1;
  fx_last(&fx)->batching.n_items_max = how & BATCHING ? 8 : 0;
  fx_last(&fx)->limits.n_items = 8;
  fx_seal(&fx, 1);
  others_go_on(&fx);
  fx_requests(&fx, (const char *const *)&text, 1, &blob, &request);
  struct asker asker = {.fx = &fx, .request = &request};
  uint64_t deadline = request.deadline_ns = weft_clock_now() + 400000000;
  if (how & BY_RUN)
    g_assert_cmpint(pthread_create(&thread, NULL, ask, &asker), ==, 0);
  else
    g_assert_cmpint(weft_graph_submit(fx.graph, &request, 1, on_ended, &asker, &asker.frame), ==, WEFT_OK);
  while (!atomic_load(&s.holder))
    g_usleep(100);
  tell('s', s.holder);
  others_go_on(&fx);
  while (!atomic_load(&asker.ended))
    g_usleep(100);
  if (how & BY_RUN)
    pthread_join(thread, NULL);
  g_assert_cmpuint(asker.ended, >=, deadline);
  g_assert_cmpuint(asker.ended, <, deadline + 300000000);
  g_assert_cmpint(weft_frame_status(asker.frame, 0), ==, WEFT_DEADLINE);
  g_assert_nonnull(strstr(weft_frame_message(asker.frame, 0), "deadline has passed"));
  g_assert_null(weft_frame_value(asker.frame, 1));
  weft_frame_release(asker.frame);
  /* What was sent may be gone now. */
  memset(text, '#', strlen(text));
  g_free(text);
  weft_graph_load(fx.graph, &load);
  g_assert_cmpuint(load.n_frames, ==, 1);
  others_go_on(&fx);
  atomic_store(&s.go, 1);
  g_usleep(20000);
  weft_graph_load(fx.graph, &load);
  g_assert_cmpuint(load.n_frames, ==, 1);
  tell('c', s.holder);
  until_returned(&fx);
  others_go_on(&fx);
  fx_clear(&fx);
}

/* A value so large that a helper mostly copies it: into the store of the sessions, or out of it. */
#define HELD_BYTES (48u << 20)
#define N_STOPS 12

static weft_status who(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    if (rows.end > rows.begin && ((const char *)call->inputs[0]->data)[rows.begin] == '*')
      atomic_store((_Atomic pid_t *)instance, own_id());
  }
  return fx_length(NULL, call);
}

static weft_status first_number(void *instance, struct weft_call *call)
{
  (void)instance;
  for (uint32_t i = 0; i < call->n_items; i++)
    ((float *)call->outputs[0].tensor.data)[i] =
      ((const float *)call->inputs[0]->data)[weft_rows_of(call->inputs[0], i).begin];
  return WEFT_OK;
}

struct keeper {
  struct fx fx;
  _Atomic pid_t copies;
  uint32_t y;
};

/* Of that session, with and without what is held; small requests go on meanwhile. */
static void ask_small(struct keeper *keeper, uint64_t stream, int n)
{
  for (int i = 0; i < n; i++) {
    struct fx_signal signal = FX_SIGNAL;
    struct weft_blob blobs[2];
    struct weft_request request;
    struct weft_frame *frame;
    fx_requests(&keeper->fx, (const char *[]){i % 2 ? NULL : "held", "four"}, 1, blobs, &request);
    request.stream = stream;
    g_assert_cmpint(weft_graph_submit(keeper->fx.graph, &request, 1, fx_done, &signal, &frame), ==, WEFT_OK);
    fx_wait(&signal, 1);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
    g_assert_cmpfloat(fx_number(frame, keeper->y, 0), ==, 4);
    weft_frame_release(frame);
  }
}

/* Stopped while it keeps (reads: while it copies) a held value: others go on, those of the same session, too. */
static void copying(int reads)
{
  const struct weft_input_policy policies[2] = {{WEFT_MISSING_MASK, 0}, {WEFT_MISSING_HOLD, UINT64_MAX}};
  struct keeper keeper = {0};
  struct fx *fx = &keeper.fx;
  struct weft_blob blobs[2];
  struct weft_request request;
  struct weft_frame *frame;
  g_autofree char *large = g_strnfill(HELD_BYTES, 'l');
  fx_init(fx, 2);
  uint32_t held = fx_input(fx, "held"), text = fx_input(fx, "text");
  uint32_t sign = fx_node(fx, "who", FX(who, &keeper.copies), fx_f32, &text, 1);
  fx_last(fx)->parallel = 1;
  keeper.y = fx_node(fx, "keep", FX(first_number, NULL), fx_f32, (uint32_t[]){sign, held}, 2);
  fx_last(fx)->parallel = 1;
  fx_last(fx)->policies = policies;
  fx_seal(fx, 1);
  for (uint64_t i = 0; i < N_STOPS; i++) {
    struct fx_signal signal = FX_SIGNAL;
    fx_requests(fx, (const char *[]){large, "*first"}, 1, blobs, &request);
    request.stream = 1;
    if (reads) {
      g_assert_cmpint(weft_graph_run(fx->graph, &request, 1, &frame), ==, WEFT_OK);
      weft_frame_release(frame);
      blobs[0] = (struct weft_blob){0};
    }
    atomic_store(&keeper.copies, 0);
    g_assert_cmpint(weft_graph_submit(fx->graph, &request, 1, fx_done, &signal, &frame), ==, WEFT_OK);
    pid_t thread;
    while (!(thread = atomic_load(&keeper.copies)))
      ;
    g_usleep(i * 1000);
    tell('s', thread);
    uint64_t begin = weft_clock_now();
    ask_small(&keeper, 2 + i, 10);
    ask_small(&keeper, 1, 10);
    g_assert_cmpuint(weft_clock_now() - begin, <, 2000000000u);
    tell('c', thread);
    fx_wait(&signal, 1);
    g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_OK);
    weft_frame_release(frame);
  }
  fx_clear(fx);
}

static void test_stopped_copying(void)
{
  trace(copying, 0);
  trace(copying, 1);
}

static void test_stopped_idle(void)
{
  trace(idle, 0);
  trace(idle, 1);
}

static void test_stopped_holding_submit(void)
{
  trace(holding, 0);
}

static void test_stopped_holding_run(void)
{
  trace(holding, BY_RUN);
}

static void test_stopped_holding_batching(void)
{
  trace(holding, BATCHING);
  trace(holding, BATCHING | BY_RUN);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stopped/idle", test_stopped_idle);
  g_test_add_func("/stopped/holding-submit", test_stopped_holding_submit);
  g_test_add_func("/stopped/holding-run", test_stopped_holding_run);
  g_test_add_func("/stopped/holding-batching", test_stopped_holding_batching);
  g_test_add_func("/stopped/copying", test_stopped_copying);
  return g_test_run();
}
