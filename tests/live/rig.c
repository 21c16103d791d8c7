/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <string.h>
#include <sys/wait.h>

static char *work, *catalogue;

void rig_begin(int argc, char **argv)
{
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE); /* read by workers: their deaths are wanted */
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  g_test_init(&argc, &argv, NULL);
  g_autofree char *program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "cli", "weft", NULL);
  work = g_dir_make_tmp("weft-live-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  for (int i = 1; i < argc; i++) {
    g_autofree char *out = NULL, *err = NULL;
    char *words[] = {program, "plugin", "install", "--catalogue", catalogue, argv[i], NULL};
    int status = 0;
    g_spawn_sync(NULL, words, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      g_error("%s", err);
  }
}

void rig_end(void)
{
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", work);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
}

char *rig_path(const char *name)
{
  return g_build_filename(work, name, NULL);
}

static void on_event(void *data, const char *line)
{
  g_string_append_printf(((Rig *)data)->events, "%s\n", line);
}

static void on_window(void *data, const WeftLiveWindow *window, json_t *answer)
{
  Rig *rig = data;
  RigWindow one = {.begin_ns = window->begin_ns, .end_ns = window->end_ns, .status = window->status,
                   .latency_ns = window->latency_ns};
  guint n = MIN(rig->stats.n_streams, RIG_STREAMS);
  memcpy(one.states, window->states, n * sizeof *window->states);
  memcpy(one.n_rows, window->n_rows, n * sizeof *window->n_rows);
  const json_t *seen = json_object_get(json_object_get(answer, "outputs"), "seen");
  for (guint k = 0; k < json_array_size(seen); k++)
    one.seen[k] = json_integer_value(json_array_get(seen, k));
  if (rig->each)
    rig->each(&one, answer);
  if (!rig->forget)
    g_array_append_val(rig->windows, one);
}

void rig_run(Rig *rig, const char *pipeline, const char *isolate)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = rig_path("t.yaml");
  g_file_set_contents(path, pipeline, -1, &error);
  g_assert_no_error(error);
  rig->windows = g_array_new(FALSE, TRUE, sizeof(RigWindow));
  rig->events = g_string_new(NULL);
  WeftSessionOptions options = {.catalogue = catalogue, .n_threads = 2,
                                .build = {.live = TRUE, .n_items_max = 1, .isolate = isolate}};
  g_autoptr(WeftSession) session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new("t.yaml");
  if (!weft_session_load(session, path, diagnostics)) {
    rig->error = weft_diagnostics_text(diagnostics);
    return;
  }
  WeftLiveOptions live_options = {.for_ns = rig->for_ns, .n_in_flight = rig->n_in_flight, .window = on_window,
                                  .event = on_event, .data = rig, .want_answers = !rig->quiet};
  g_autoptr(WeftLive) live = weft_live_new(session, &live_options, &error);
  if (live) {
    weft_live_stats(live, &rig->stats);
    weft_live_run(live, &error);
    weft_live_stats(live, &rig->stats);
  }
  rig->error = error ? g_strdup(error->message) : NULL;
}

void rig_clear(Rig *rig)
{
  g_array_unref(rig->windows);
  g_string_free(rig->events, TRUE);
  g_free(rig->error);
}
