/* SPDX-License-Identifier: Apache-2.0 */
/* Many requests in flight through the session and through `weft run --batch`, on the shipped digits pipeline. */
#include "hosttable.h"
#include "manifest.h"
#include "session.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program, *pipeline;

struct receiver {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  guint n_done, n_cancelled;
  json_t *answers[64];
};

struct slot {
  struct receiver *receiver;
  guint index;
};

static void on_done(json_t *answer, gpointer data)
{
  struct slot *slot = data;
  struct receiver *r = slot->receiver;
  pthread_mutex_lock(&r->lock);
  g_assert_null(r->answers[slot->index]);
  r->answers[slot->index] = answer;
  r->n_done++;
  pthread_cond_broadcast(&r->cond);
  pthread_mutex_unlock(&r->lock);
}

/* The same, once the gate is open: until then it keeps its helper, so that no queue empties. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void on_done_after_gate(json_t *answer, gpointer data)
{
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
  on_done(answer, data);
}

static const char *words[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};

static WeftSession *open_session(void)
{
  WeftSessionOptions options = {.n_threads = 2};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(pipeline);
  WeftSession *session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  g_assert_true(weft_session_load(session, pipeline, diagnostics));
  return session;
}

/* `words` is the last of the three inputs. */
static WeftQuery query_of(WeftValue *values, const char *text)
{
  memset(values, 0, 3 * sizeof *values);
  values[2].bytes = text ? g_bytes_new(text, strlen(text)) : NULL;
  return (WeftQuery){.inputs = values};
}

static void test_clients_submit(void)
{
  WeftSession *session = open_session();
  struct receiver r = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
  struct slot slots[64];
  WeftTicket *tickets[64];
  for (guint i = 0; i < 64; i++) {
    WeftValue values[3];
    g_autoptr(GError) error = NULL;
    /* Every eleventh brings nothing, which its answer says. */
    WeftQuery query = query_of(values, i % 11 == 10 ? NULL : words[i % 10]);
    slots[i] = (struct slot){&r, i};
    WeftReceiver receiver = {on_done, &slots[i]};
    g_assert_true(weft_session_submit(session, &query, &receiver, &tickets[i], &error));
    g_clear_pointer(&values[2].bytes, g_bytes_unref);
  }
  weft_ticket_cancel(tickets[63]);
  weft_session_drain(session);
  g_assert_cmpuint(r.n_done, ==, 64);
  for (guint i = 0; i < 64; i++) {
    const char *status = json_string_value(json_object_get(r.answers[i], "status"));
    const char *code = json_string_value(json_object_get(json_object_get(r.answers[i], "error"), "code"));
    const char *digit = json_string_value(json_object_get(json_object_get(r.answers[i], "outputs"), "digit"));
    if (i % 11 == 10)
      g_assert_cmpstr(code, ==, "bad-input");
    else if (i == 63 && code)
      g_assert_cmpstr(code, ==, "cancelled");
    else if (g_strcmp0(status, "ok") != 0 || (digit[0] - '0') != (int)(i % 10))
      g_error("request %u: %s, %s", i, status, digit ? digit : code);
    json_decref(r.answers[i]);
    weft_ticket_unref(tickets[i]);
  }
  weft_session_free(session);
}

#ifndef __SANITIZE_THREAD__
/* Beyond the bound a request is not taken, the error says which queue is full, and every taken one is answered once. */
static void test_clients_bound(void)
{
  WeftSession *session = open_session();
  static struct slot slots[4096];
  guint n_taken = 0, n_refused = 0;
  struct receiver r = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
  static struct receiver places[4096];
  pthread_mutex_lock(&gate);
  for (guint i = 0; i < 4096 && !n_refused; i++) {
    WeftValue values[3];
    g_autoptr(GError) error = NULL;
    WeftQuery query = query_of(values, "seven");
    places[i] = r;
    slots[i] = (struct slot){&places[i], 0};
    WeftReceiver receiver = {on_done_after_gate, &slots[i]};
    gboolean taken = weft_session_submit(session, &query, &receiver, NULL, &error);
    g_bytes_unref(values[2].bytes);
    n_taken += taken;
    if (taken)
      continue;
    n_refused++;
    g_assert_error(error, WEFT_ERROR, WEFT_UNAVAILABLE);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, "the queue of pipeline digits is full: 1024 requests are in flight, the most is 1024"));
    g_assert_nonnull(strstr(error->message, "wait for answers before you send more"));
  }
  pthread_mutex_unlock(&gate);
  weft_session_drain(session);
  for (guint i = 0; i < n_taken; i++) {
    g_assert_cmpuint(places[i].n_done, ==, 1);
    json_decref(places[i].answers[0]);
  }
  g_assert_cmpuint(n_refused, ==, 1);
  weft_session_free(session);
}

#endif

struct child {
  GPid pid;
  int in, out;
};

static struct child start(const char *const *more)
{
  struct child child;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_ptr_array_add(argv, program);
  g_ptr_array_add(argv, (gpointer) "run");
  g_ptr_array_add(argv, pipeline);
  for (; *more; more++)
    g_ptr_array_add(argv, (gpointer)*more);
  g_ptr_array_add(argv, NULL);
  g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child.pid, &child.in,
                           &child.out, NULL, &error);
  g_assert_no_error(error);
  return child;
}

static int end(struct child *child)
{
  int status = 0;
  close(child->out);
  g_assert_cmpint(waitpid(child->pid, &status, 0), ==, child->pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* From standard input each line is answered before the next comes. */
static void test_clients_line_by_line(void)
{
  struct child child = start((const char *[]){"--batch", "-", NULL});
  FILE *out = fdopen(dup(child.out), "r");
  for (guint i = 0; i < 10; i++) {
    g_autofree char *line = g_strdup_printf("{\"$id\": %u, \"words\": \"%s\"}\n", i, words[i]);
    char answer[4096];
    g_assert_cmpint(write(child.in, line, strlen(line)), ==, (gssize)strlen(line));
    g_assert_nonnull(fgets(answer, sizeof answer, out));
    g_autofree char *expected = g_strdup_printf("\"digit\":\"%u\"", i);
    g_assert_nonnull(strstr(answer, expected));
  }
  close(child.in);
  fclose(out);
  g_assert_cmpint(end(&child), ==, 0);
}

/* In order or not, every line is answered once. */
static void test_clients_order(void)
{
  for (guint k = 0; k < 3; k++) {
    const char *clients[] = {"1", "7", "300"};
    gboolean unordered = k == 2;
    struct child child = start((const char *[]){"--batch", "-", "--clients", clients[k], unordered ? "--unordered" : NULL, NULL});
    g_autoptr(GString) lines = g_string_new(NULL);
    guint seen[200] = {0};
    for (guint i = 0; i < 200; i++)
      g_string_append_printf(lines, "{\"$id\": %u, \"words\": \"%s\"}\n", i, i % 13 ? words[i % 10] : "");
    /* A pipe takes them all. */
    g_assert_cmpint(write(child.in, lines->str, lines->len), ==, (gssize)lines->len);
    close(child.in);
    FILE *out = fdopen(dup(child.out), "r");
    char text[8192];
    for (guint n = 0; fgets(text, sizeof text, out); n++) {
      json_t *answer = json_loads(text, 0, NULL);
      guint id = (guint)json_integer_value(json_object_get(answer, "$id"));
      g_assert_cmpuint(id, <, 200);
      if (!unordered)
        g_assert_cmpuint(id, ==, n);
      seen[id]++;
      json_decref(answer);
    }
    fclose(out);
    end(&child);
    for (guint i = 0; i < 200; i++)
      g_assert_cmpuint(seen[i], ==, 1);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  const char *source = g_getenv("G_TEST_SRCDIR"), *build = g_getenv("G_TEST_BUILDDIR");
  pipeline = g_build_filename(source, "examples", "digits", "pipeline.yaml", NULL);
  program = g_build_filename(build, "core", "cli", "weft", NULL);
  g_test_add_func("/clients/submit", test_clients_submit);
#ifndef __SANITIZE_THREAD__ /* its address space has no room for 1024 frames */
  g_test_add_func("/clients/bound", test_clients_bound);
#endif
  g_test_add_func("/clients/line-by-line", test_clients_line_by_line);
  g_test_add_func("/clients/order", test_clients_order);
  return g_test_run();
}
