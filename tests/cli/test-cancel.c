/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is given up in the middle of a long plan: an encoder of random
 * weights on a text as long as it takes, in process and isolated. It ends
 * within one operation of the plan, and the session serves on.
 */
#include "modelmaker.h"
#include "session.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>

#define N_WORDS 500
#define N_LAYERS 12
/* The whole plan takes this many times as long as giving up may, in which one operation of many is done. */
#define AT_LEAST 3

struct receiver {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  json_t *answer;
  gint64 ended;
};

static char *pipeline;

static void on_done(json_t *answer, gpointer data)
{
  struct receiver *r = data;
  pthread_mutex_lock(&r->lock);
  r->answer = answer;
  r->ended = g_get_monotonic_time();
  pthread_cond_broadcast(&r->cond);
  pthread_mutex_unlock(&r->lock);
}

enum how { WHOLE, CANCEL, DEADLINE };

/* Microseconds: of the whole request, or from when it was given up to its answer. */
static gint64 ask(WeftSession *session, const char *text, enum how how, gint64 after_us)
{
  struct receiver r = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0};
  WeftReceiver receiver = {on_done, &r};
  g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
  WeftValue value = {.bytes = bytes};
  WeftQuery query = {.inputs = &value, .timeout_ns = how == DEADLINE ? (guint64)after_us * 1000 : 0};
  g_autoptr(GError) error = NULL;
  WeftTicket *ticket = NULL;
  gint64 begin = g_get_monotonic_time();
  g_assert_true(weft_session_submit(session, &query, &receiver, &ticket, &error));
  if (how == CANCEL) {
    g_usleep((gulong)after_us);
    begin = g_get_monotonic_time();
    weft_ticket_cancel(ticket);
  } else if (how == DEADLINE) {
    begin += after_us;
  }
  pthread_mutex_lock(&r.lock);
  while (!r.answer)
    pthread_cond_wait(&r.cond, &r.lock);
  pthread_mutex_unlock(&r.lock);
  weft_session_drain(session);
  const char *code = json_string_value(json_object_get(json_object_get(r.answer, "error"), "code"));
  g_assert_cmpstr(code, ==, how == WHOLE ? NULL : how == CANCEL ? "cancelled" : "deadline");
  json_decref(r.answer);
  weft_ticket_unref(ticket);
  return r.ended - begin;
}

static void test_cancel_plan(gconstpointer isolate)
{
  WeftSessionOptions options = {.n_threads = 2, .build = {.isolate = isolate}};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(pipeline);
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  GString *text = g_string_new("word");
  g_assert_no_error(error);
  if (!weft_session_load(session, pipeline, diagnostics))
    g_error("%s", weft_diagnostics_text(diagnostics));
  for (guint i = 1; i < N_WORDS; i++)
    g_string_append(text, " word");
  ask(session, "word", WHOLE, 0);
  gint64 whole = ask(session, text->str, WHOLE, 0);
  for (enum how how = CANCEL; how <= DEADLINE; how++)
    for (int k = 1; k <= 3; k++) {
      gint64 took = ask(session, text->str, how, whole * k / 8);
      g_test_message("%s: the whole takes %.0f ms; given up after %.0f ms it ended %.1f ms later", (const char *)isolate,
                     (double)whole / 1e3, (double)whole * k / 8e3, (double)took / 1e3);
      g_assert_cmpint(took, <, whole / AT_LEAST);
      ask(session, "word", WHOLE, 0);
    }
  g_string_free(text, TRUE);
}

int main(int argc, char **argv)
{
  static const ModelmakerBert shape = {512, N_LAYERS, 8, 2048, 100};
  g_test_init(&argc, &argv, NULL);
  g_autofree char *work = g_dir_make_tmp("weft-cancel-XXXXXX", NULL);
  g_autofree char *model = g_build_filename(work, "bert", NULL);
  g_autofree char *tokenizer = g_test_build_filename(G_TEST_DIST, "tests", "golden", "bert-a", "model", "tokenizer.json", NULL);
  g_autofree char *text = g_strdup_printf("weft: 1\nname: long\ninputs: {a: {type: text}}\nmodels: {m: %s}\nnodes:\n"
                                          "  e: {use: bert@^1, model: m, in: a}\noutputs: {v: e.pooled}\n", model);
  char *texts[] = {"word", NULL};
  pipeline = g_build_filename(work, "p.yaml", NULL);
  g_assert_true(g_file_set_contents(pipeline, text, -1, NULL));
  if (!modelmaker_bert(model, &shape, tokenizer, texts))
    return 1;
  g_test_add_data_func("/cancel/in-process", "none", test_cancel_plan);
  g_test_add_data_func("/cancel/isolated", "all", test_cancel_plan);
  int code = g_test_run();
  const char *remove[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free(pipeline);
  return code;
}
