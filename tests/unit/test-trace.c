/* SPDX-License-Identifier: Apache-2.0 */
/* The recording of when each frame was at each node. */
#include "runtime-fixture.h"

#include "clock.h"
#include "trace.h"

#include <stdatomic.h>
#include <string.h>

#define N_EVENTS 64

struct log {
  pthread_mutex_t lock;
  uint32_t n;
  struct weft_trace_event events[N_EVENTS];
};

static void on_event(const struct weft_trace_event *event, void *data)
{
  struct log *log = data;
  pthread_mutex_lock(&log->lock);
  g_assert_cmpuint(log->n, <, N_EVENTS);
  log->events[log->n++] = *event;
  pthread_mutex_unlock(&log->lock);
}

static const struct weft_trace_event *find(const struct log *log, uint64_t frame, uint32_t node)
{
  for (uint32_t i = 0; i < log->n; i++)
    if (log->events[i].frame == frame && log->events[i].node == node)
      return &log->events[i];
  return NULL;
}

static weft_status slow(void *instance, struct weft_call *call)
{
  g_usleep(20000);
  return fx_length(instance, call);
}

static void test_trace_nodes(void)
{
  struct fx fx;
  struct log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
  fx_init(&fx, 2);
  uint32_t text = fx_input(&fx, "text");
  uint32_t upper = fx_node(&fx, "upper", FX(fx_upper, NULL), fx_same_rows, &text, 1);
  fx_node(&fx, "slow", FX(slow, NULL), fx_f32, &upper, 1);
  fx_seal(&fx, 4);
  weft_frame_release(fx_run(&fx, (const char *[]){"before"}, 1));
  weft_graph_trace(fx.graph, on_event, &log);
  uint64_t before = weft_clock_now();
  weft_frame_release(fx_run(&fx, (const char *[]){"abc", "!loud"}, 2));
  uint64_t after = weft_clock_now();
  weft_graph_trace(fx.graph, NULL, NULL);
  weft_frame_release(fx_run(&fx, (const char *[]){"after"}, 1));
  g_assert_cmpuint(log.n, ==, 3);
  const struct weft_trace_event *first = find(&log, 2, 0), *second = find(&log, 2, 1),
                                *whole = find(&log, 2, WEFT_TRACE_FRAME);
  g_assert_true(first && second && whole);
  g_assert_cmpuint(first->n_items, ==, 2);
  g_assert_cmpuint(first->n_failed, ==, 1);
  g_assert_cmpuint(second->n_items, ==, 1);
  g_assert_cmpuint(second->n_call_items, ==, 1);
  g_assert_cmpuint(second->call, ==, 0);
  g_assert_cmpuint(second->t_end - second->t_begin, >=, 20000000);
  g_assert_cmpuint(second->t_queued, ==, second->t_begin);
  g_assert_cmpuint(whole->n_items, ==, 2);
  g_assert_cmpuint(whole->n_failed, ==, 1);
  g_assert_cmpuint(before, <=, whole->t_queued);
  g_assert_cmpuint(whole->t_queued, <=, whole->t_begin);
  g_assert_cmpuint(whole->t_begin, <=, second->t_end);
  g_assert_cmpuint(second->t_end, <=, whole->t_end);
  g_assert_cmpuint(whole->t_end, <=, after);
  fx_clear(&fx);
}

/* Holds the instance until the other frame has come this far too. */
static weft_status pass(void *instance, struct weft_call *call)
{
  atomic_fetch_add((_Atomic int *)instance, 1);
  return fx_upper(NULL, call);
}

static weft_status hold(void *instance, struct weft_call *call)
{
  while (atomic_load((_Atomic int *)instance) < 2)
    g_usleep(100);
  return slow(NULL, call);
}

/*
 * Two frames at an instance that takes one call at a time: how long one has waited for the other, 0 if the second
 * helper got no processor for as long as the first held the instance.
 */
static uint64_t wait_of_two(void)
{
  struct fx fx;
  struct log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
  struct fx_signal signal = FX_SIGNAL;
  _Atomic int n_passed = 0;
  fx_init(&fx, 2);
  uint32_t text = fx_input(&fx, "text");
  uint32_t passed = fx_node(&fx, "pass", FX(pass, &n_passed), fx_same_rows, &text, 1);
  fx_last(&fx)->parallel = 1;
  fx_node(&fx, "slow", FX(hold, &n_passed), fx_f32, &passed, 1);
  fx_seal(&fx, 1);
  weft_graph_trace(fx.graph, on_event, &log);
  struct weft_blob blobs[2];
  struct weft_request requests[2];
  struct weft_frame *frames[2];
  fx_requests(&fx, (const char *[]){"abc", "de"}, 2, blobs, requests);
  for (uint32_t i = 0; i < 2; i++)
    g_assert_cmpint(weft_graph_submit(fx.graph, &requests[i], 1, fx_done, &signal, &frames[i]), ==, WEFT_OK);
  fx_wait(&signal, 2);
  const struct weft_trace_event *a = find(&log, 1, 1), *b = find(&log, 2, 1);
  g_assert_true(a && b);
  uint64_t waited = (a->t_begin - a->t_queued) + (b->t_begin - b->t_queued);
  struct weft_counters counters;
  weft_graph_counters(fx.graph, 1, &counters);
  /* Both are of the same ticks, turned into nanoseconds at two moments. */
  g_assert_cmpfloat_with_epsilon((double)counters.queued_ns, (double)waited, 0.01 * (double)waited + 1000);
  weft_frame_release(frames[0]);
  weft_frame_release(frames[1]);
  fx_clear(&fx);
  return waited;
}

static void test_trace_queued(void)
{
  uint64_t waited = 0;
  for (int i = 0; i < 50 && !waited; i++)
    waited = wait_of_two();
  g_assert_cmpuint(waited, >, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/trace/nodes", test_trace_nodes);
  g_test_add_func("/trace/queued", test_trace_queued);
  return g_test_run();
}
