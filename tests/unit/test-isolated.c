/* SPDX-License-Identifier: Apache-2.0 */
/* Isolated nodes in the runtime: the same values, deaths, retries, deadlines, queues for one worker. */
#include "runtime-fixture.h"
#include "worker-rig.h"

#include "clock.h"

#include <string.h>

/* text -> fault (isolated) -> after (in process), and other (in process) beside it. */
struct isolated {
  struct fx fx;
  Rig rig;
  uint32_t y, other;
};

static const struct weft_port y_port = {.name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, RIG_D}};

static int64_t rig_ms = 100; /* of "slow" */

static void isolated_init(struct isolated *s, const char *how, const char *when, int pure, uint64_t deadline_ns)
{
  rig_init(&s->rig, "fault");
  rig_param(&s->rig, "how", how, 0);
  rig_param(&s->rig, "when", when, 0);
  rig_param(&s->rig, "ms", NULL, rig_ms);
  g_assert_cmpint(rig_start(&s->rig), ==, WEFT_OK);
  fx_init(&s->fx, 2);
  uint32_t text = fx_input(&s->fx, "text");
  s->y = fx_node(&s->fx, "fault", FX(NULL, NULL), y_port, &text, 1);
  struct weft_graph_node *node = fx_last(&s->fx);
  node->table = NULL;
  node->worker = s->rig.worker;
  node->pure = (uint32_t)pure;
  node->deadline_ns = deadline_ns;
  s->other = fx_node(&s->fx, "other", FX(fx_length, NULL), fx_f32, &text, 1);
  fx_node(&s->fx, "after", FX(fx_sum, NULL), fx_f32, (uint32_t[]){s->y, s->other}, 2);
  fx_seal(&s->fx, RIG_ITEMS);
}

static void isolated_clear(struct isolated *s)
{
  fx_clear(&s->fx);
  rig_stop(&s->rig);
}

static void assert_answers(const struct isolated *s, const struct weft_frame *frame, const char *const *texts, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    g_assert_cmpstr(weft_frame_message(frame, i), ==, "");
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_OK);
    g_assert_cmpfloat(fx_number(frame, s->other, i), ==, (float)strlen(texts[i]));
    const struct weft_tensor *y = weft_frame_value(frame, s->y);
    struct weft_rows rows = weft_rows_of(y, i);
    for (int k = 0; k < RIG_D; k++)
      g_assert_cmpfloat(((const float *)y->data)[rows.begin * RIG_D + k], ==, (float)strlen(texts[i]) + (float)k);
  }
}

static void test_isolated_values(void)
{
  const char *texts[] = {"a", "bb", "", "dddd"};
  struct isolated s;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_blob blobs[4];
  struct weft_request requests[4];
  isolated_init(&s, "none", "always", 1, 0);
  fx_requests(&s.fx, texts, 4, blobs, requests);
  for (int round = 0; round < 20; round++) {
    struct weft_frame *frame = fx_run(&s.fx, texts, 4);
    assert_answers(&s, frame, texts, 4);
    g_assert_cmpuint(weft_frame_node_ns(frame, 0), >, 0);
    weft_frame_release(frame);
    g_assert_cmpint(weft_graph_submit(s.fx.graph, requests, 4, fx_done, &signal, &frame), ==, WEFT_OK);
    fx_wait(&signal, round + 1);
    assert_answers(&s, frame, texts, 4);
    weft_frame_release(frame);
  }
  isolated_clear(&s);
}

/* Frames that want one worker at once wait in its queue. */
static void test_isolated_queue(void)
{
  const char *texts[] = {"a", "bb"};
  struct isolated s;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_frame *frames[16];
  struct weft_blob blobs[2];
  struct weft_request requests[2];
  isolated_init(&s, "none", "always", 1, 0);
  fx_requests(&s.fx, texts, 2, blobs, requests);
  for (int round = 0; round < 10; round++) {
    signal.n_done = 0;
    for (int i = 0; i < 16; i++)
      g_assert_cmpint(weft_graph_submit(s.fx.graph, requests, 2, fx_done, &signal, &frames[i]), ==, WEFT_OK);
    struct weft_frame *own = fx_run(&s.fx, texts, 2);
    assert_answers(&s, own, texts, 2);
    weft_frame_release(own);
    fx_wait(&signal, 16);
    for (int i = 0; i < 16; i++) {
      assert_answers(&s, frames[i], texts, 2);
      weft_frame_release(frames[i]);
    }
  }
  isolated_clear(&s);
}

static void test_isolated_death_pure(void)
{
  const char *texts[] = {"a", "!", "ccc", "!"}, *good[] = {"a"};
  struct isolated s;
  isolated_init(&s, "segv", "marked", 1, 0);
  for (int round = 0; round < 3; round++) {
    struct weft_frame *frame = fx_run(&s.fx, texts, 4);
    for (uint32_t i = 0; i < 4; i++) {
      g_assert_cmpint(weft_frame_status(frame, i), ==, i % 2 ? WEFT_INTERNAL : WEFT_OK);
      g_assert_cmpint(weft_frame_failed_node(frame, i), ==, i % 2 ? 0 : -1);
      if (i % 2)
        g_assert_nonnull(strstr(weft_frame_message(frame, i), "SIGSEGV"));
    }
    const struct weft_tensor *y = weft_frame_value(frame, s.y);
    g_assert_cmpfloat(((const float *)y->data)[weft_rows_of(y, 2).begin * RIG_D], ==, 3);
    weft_frame_release(frame);
    frame = fx_run(&s.fx, good, 1);
    assert_answers(&s, frame, good, 1);
    weft_frame_release(frame);
  }
  isolated_clear(&s);
}

static void test_isolated_death_impure(void)
{
  const char *texts[] = {"a", "!", "ccc"}, *good[] = {"a"};
  struct isolated s;
  isolated_init(&s, "abort", "marked", 0, 0);
  struct weft_frame *frame = fx_run(&s.fx, texts, 3);
  for (uint32_t i = 0; i < 3; i++) {
    g_assert_cmpint(weft_frame_status(frame, i), ==, WEFT_INTERNAL);
    g_assert_nonnull(strstr(weft_frame_message(frame, i), "SIGABRT"));
  }
  weft_frame_release(frame);
  frame = fx_run(&s.fx, good, 1);
  assert_answers(&s, frame, good, 1);
  weft_frame_release(frame);
  isolated_clear(&s);
}

static void test_isolated_deadline(void)
{
  const char *texts[] = {"a", "!"}, *good[] = {"a"};
  struct isolated s;
  for (int pure = 0; pure < 2; pure++) {
    isolated_init(&s, "hang", "marked", pure, 400000000); /* it is that of the call after it too */
    struct weft_frame *frame = fx_run(&s.fx, texts, 2);
    for (uint32_t i = 0; i < 2; i++) {
      /* A pure node is called with each item alone after the kill: only the one that hangs fails. */
      int fails = !pure || i == 1;
      g_assert_cmpint(weft_frame_status(frame, i), ==, fails ? WEFT_DEADLINE : WEFT_OK);
      g_assert_cmpstr(weft_frame_message(frame, i), ==,
                      fails ? "node 'fault' did not end within its deadline of 400000 us" : "");
    }
    weft_frame_release(frame);
    frame = fx_run(&s.fx, good, 1);
    assert_answers(&s, frame, good, 1);
    weft_frame_release(frame);
    isolated_clear(&s);
  }
}

/* The same where the plugin looks at its cancel word, so that nobody is killed. */
static void test_isolated_deadline_looked_at(void)
{
  const char *texts[] = {"a", "!", "ccc"};
  for (int pure = 0; pure < 2; pure++) {
    struct isolated s;
    struct weft_worker_stats stats;
    rig_ms = 20000;
    isolated_init(&s, "slow", "marked", pure, 400000000);
    struct weft_frame *frame = fx_run(&s.fx, texts, 3);
    for (uint32_t i = 0; i < 3; i++) {
      int fails = !pure || i == 1;
      g_assert_cmpint(weft_frame_status(frame, i), ==, fails ? WEFT_DEADLINE : WEFT_OK);
      g_assert_cmpstr(weft_frame_message(frame, i), ==,
                      fails ? "node 'fault' did not end within its deadline of 400000 us" : "");
    }
    weft_frame_release(frame);
    weft_worker_stats(s.rig.worker, &stats);
    g_assert_cmpuint(stats.n_deaths, ==, 0);
    isolated_clear(&s);
  }
}

/* The request's own deadline, and a caller who is gone: the hanging worker is killed. */
static void test_isolated_given_up(void)
{
  const char *texts[] = {"!"}, *good[] = {"a"};
  struct isolated s;
  struct fx_signal signal = FX_SIGNAL;
  struct weft_blob blob;
  struct weft_request request;
  struct weft_frame *frame;
  isolated_init(&s, "hang", "marked", 1, 0);
  fx_requests(&s.fx, texts, 1, &blob, &request);
  request.deadline_ns = weft_clock_now() + 50000000;
  g_assert_cmpint(weft_graph_run(s.fx.graph, &request, 1, &frame), ==, WEFT_OK);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_DEADLINE);
  weft_frame_release(frame);
  request.deadline_ns = 0;
  g_assert_cmpint(weft_graph_submit(s.fx.graph, &request, 1, fx_done, &signal, &frame), ==, WEFT_OK);
  g_usleep(20000);
  weft_frame_cancel(frame, 0);
  fx_wait(&signal, 1);
  g_assert_cmpint(weft_frame_status(frame, 0), ==, WEFT_CANCELLED);
  weft_frame_release(frame);
  frame = fx_run(&s.fx, good, 1);
  assert_answers(&s, frame, good, 1);
  weft_frame_release(frame);
  isolated_clear(&s);
}

int main(int argc, char **argv)
{
  /* Read by the workers alone: their deaths are the test, not a sanitizer's report of them. */
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/isolated/values", test_isolated_values);
  g_test_add_func("/isolated/queue", test_isolated_queue);
  g_test_add_func("/isolated/death-pure", test_isolated_death_pure);
  g_test_add_func("/isolated/death-impure", test_isolated_death_impure);
  g_test_add_func("/isolated/deadline", test_isolated_deadline);
  g_test_add_func("/isolated/deadline-looked-at", test_isolated_deadline_looked_at);
  g_test_add_func("/isolated/given-up", test_isolated_given_up);
  return g_test_run();
}
