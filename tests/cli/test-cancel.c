/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is given up in the middle of a long plan: an encoder of many
 * layers on a text as long as it takes, and an expert of 200 MB in two products,
 * of random weights, in process and isolated. It ends within one operation of
 * the plan, of the expert within a part of its product, and the session serves on.
 */
#include "modelmaker.h"
#include "session.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>

#define D 512
#define N_LAYERS 12
#define EXPERT_BYTES 200000000
/* The whole plan takes this many times as long as giving up may, in which one operation of many is done. */
#define AT_LEAST 3

struct receiver {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  json_t *answer;
  gint64 ended;
};

typedef struct {
  const char *name, *isolate;
  guint n_words; /* of the long text; its first word is the short one */
} Case;

static char *work;

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

static void test_cancel_plan(gconstpointer data)
{
  const Case *c = data;
  WeftSessionOptions options = {.n_threads = 2, .build = {.isolate = c->isolate}};
  g_autoptr(GError) error = NULL;
  g_autofree char *file = g_strconcat(c->name, ".yaml", NULL), *pipeline = g_build_filename(work, file, NULL);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(pipeline);
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  GString *text = g_string_new("word");
  g_assert_no_error(error);
  if (!weft_session_load(session, pipeline, diagnostics))
    g_error("%s", weft_diagnostics_text(diagnostics));
  for (guint i = 1; i < c->n_words; i++)
    g_string_append(text, " word");
  ask(session, "word", WHOLE, 0);
  gint64 whole = ask(session, text->str, WHOLE, 0);
  for (enum how how = CANCEL; how <= DEADLINE; how++)
    for (int k = 1; k <= 3; k++) {
      gint64 took = ask(session, text->str, how, whole * k / 8);
      g_test_message("%s, %s: the whole takes %.0f ms; given up after %.0f ms it ended %.1f ms later", c->name, c->isolate,
                     (double)whole / 1e3, (double)whole * k / 8e3, (double)took / 1e3);
      g_assert_cmpint(took, <, whole / AT_LEAST);
      ask(session, "word", WHOLE, 0);
    }
  g_string_free(text, TRUE);
}

/* A bert called `name` of n_layers; models, more: those and the nodes behind it. */
static gboolean write_case(const char *name, guint n_layers, const char *models, const char *more)
{
  const ModelmakerBert shape = {D, n_layers, 8, 2048, 100};
  g_autofree char *model = g_build_filename(work, name, NULL), *path = g_strconcat(model, ".yaml", NULL);
  g_autofree char *tokenizer = g_test_build_filename(G_TEST_DIST, "tests", "golden", "bert-a", "model", "tokenizer.json", NULL);
  g_autofree char *text = g_strdup_printf("weft: 1\nname: long\ninputs: {a: {type: text}}\n"
                                          "models: {m: ./%s%s}\nnodes:\n"
                                          "  e: {use: bert@^1, model: m, in: a}\n%s", name, models, more);
  char *texts[] = {"word", NULL};
  return modelmaker_bert(model, &shape, tokenizer, texts) && g_file_set_contents(path, text, -1, NULL);
}

int main(int argc, char **argv)
{
  static const Case cases[] = {{"encoder", "none", 500}, {"encoder", "all", 500}, {"expert", "none", 120}, {"expert", "all", 120}};
  g_test_init(&argc, &argv, NULL);
  work = g_dir_make_tmp("weft-cancel-XXXXXX", NULL);
  g_autofree char *mlp = g_build_filename(work, "mlp", NULL);
  if (!write_case("encoder", N_LAYERS, "", "outputs: {v: e.pooled}\n") ||
      !write_case("expert", 1, ", mlp: ./mlp", "  x: {use: expert-mlp-tokens@^1, model: mlp, in: e}\noutputs: {v: x}\n") ||
      !modelmaker_expert(mlp, D, EXPERT_BYTES))
    return 1;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *path = g_strdup_printf("/cancel/%s/%s", cases[i].name, i % 2 ? "isolated" : "in_process");
    g_test_add_data_func(path, &cases[i], test_cancel_plan);
  }
  int code = g_test_run();
  const char *remove[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free(work);
  return code;
}
