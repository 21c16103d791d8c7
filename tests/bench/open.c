/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a checkpoint of 90 MB (the shape of MiniLM-L6, random weights) from
 * the catalogue: the pipeline of one node from its text to a revision that
 * runs, weights packed by an earlier start; and what of it is resident after a
 * text. "cold": its files are out of the page cache. Beside it the same model
 * as a folder of the user's, read and packed each time.
 */
#include "artifact.h"
#include "bench.h"
#include "modelmaker.h"
#include "session.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOKENIZER BENCH_ROOT "/tests/golden/bert-a/model/tokenizer.json"
#define SMALL "words:text ! read=bert model='" BENCH_ROOT "/examples/digits/models/bert'"

static char *work, *catalogue, *stored, *folder;

static int load(WeftSession *session, const char *line, double *ms)
{
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(line);
  double begin = bench_now();
  int ok = weft_session_load(session, line, diagnostics);
  *ms = (bench_now() - begin) * 1e3;
  if (!ok)
    fprintf(stderr, "open: %s", weft_diagnostics_text(diagnostics));
  return ok;
}

/* Every file of the catalogue leaves the page cache, as far as nobody maps it. */
static void forget(const char *path)
{
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    int fd = g_file_test(inner, G_FILE_TEST_IS_REGULAR) ? open(inner, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
      posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      close(fd);
    } else if (g_file_test(inner, G_FILE_TEST_IS_DIR) && !g_file_test(inner, G_FILE_TEST_IS_SYMLINK)) {
      forget(inner);
    }
  }
}

static int measure(WeftSession *session, const char *name, const char *line, size_t n, int cold)
{
  double ms[64], other;
  for (size_t i = 0; i < n; i++) {
    if (!load(session, SMALL, &other)) /* nobody maps the other model */
      return 0;
    if (cold)
      forget(catalogue);
    if (!load(session, line, &ms[i]))
      return 0;
  }
  double median = bench_quantile(ms, n, 0.5);
  int is_folder = line == folder;
  struct bench_result r = {.bench = "open", .name = name, .unit = "ms", .ours = median, .best = ms[0], .p99 = ms[n - 1],
                           .goal = is_folder ? "reported" : "<= 5", .pass = is_folder || median <= 5,
                           .reason = "the whole pipeline: plugin, tokenizer and model"};
  bench_print(&r);
  return 1;
}

/* MiB of the catalogue's files that are mapped: as `key` of smaps says. */
static double mapped_mib(const char *key)
{
  g_autofree char *smaps = NULL;
  double sum = 0;
  int inside = 0;
  if (!g_file_get_contents("/proc/self/smaps", &smaps, NULL, NULL))
    return 0;
  g_auto(GStrv) lines = g_strsplit(smaps, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    const char *dash = strchr(lines[i], '-'), *space = strchr(lines[i], ' ');
    if (dash && space && dash < space)
      inside = strstr(lines[i], catalogue) != NULL;
    else if (inside && g_str_has_prefix(lines[i], key))
      sum += (double)g_ascii_strtoull(lines[i] + strlen(key), NULL, 10) / 1024;
  }
  return sum;
}

static int measure_memory(WeftSession *session, double file_mib)
{
  double ms;
  json_t *answer = NULL;
  g_autoptr(GBytes) text = g_bytes_new_static("two words", 9);
  WeftValue value = {.bytes = text};
  WeftQuery query = {.inputs = &value};
  if (!load(session, stored, &ms))
    return 0;
  weft_session_run(session, &query, 1, &answer);
  int ok = g_strcmp0(json_string_value(json_object_get(answer, "status")), "ok") == 0;
  json_decref(answer);
  double resident = mapped_mib("Rss:"), dirty = mapped_mib("Private_Dirty:");
  g_autofree char *reason = g_strdup_printf("of mapped files after one text; the file has %.1f MiB, %.1f MiB are the process's own",
                                            file_mib, dirty);
  struct bench_result r = {.bench = "open", .name = "resident", .unit = "MiB", .ours = resident, .rival = file_mib, .has_rival = 1,
                           .goal = "<= 1.1x the file", .pass = resident <= 1.1 * file_mib, .reason = reason};
  bench_print(&r);
  return ok;
}

static int prepare(void)
{
  static const ModelmakerBert minilm = {.d = 384, .n_layers = 6, .n_heads = 12, .d_hidden = 1536, .n_words = 30522};
  char *texts[] = {"two words", NULL};
  g_autofree char *model = g_build_filename(work, "minilm", NULL);
  g_autoptr(GError) error = NULL;
  gboolean is_new;
  if (!modelmaker_bert(model, &minilm, TOKENIZER, texts))
    return 0;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(catalogue, FALSE, &error);
  WeftArtifactSource source = {WEFT_ARTIFACT_MODEL, model, "minilm", "1.0.0"};
  stored = g_strdup("words:text ! read=bert model=minilm@^1");
  folder = g_strdup_printf("words:text ! read=bert model='%s'", model);
  if (registrar && weft_artifact_add(registrar, &source, &is_new, &error))
    return 1;
  fprintf(stderr, "open: %s\n", error->message);
  return 0;
}

int main(int argc, char **argv)
{
  size_t n = bench_is_quick(argc, argv) ? 5 : 15;
  double first;
  g_autoptr(GError) error = NULL;
  work = g_dir_make_tmp("weft-open-XXXXXX", NULL);
  catalogue = g_build_filename(work, "catalogue", NULL);
  int ok = prepare();
  WeftSessionOptions options = {.catalogue = catalogue, .build = {.isolate = "none"}};
  WeftSession *session = ok ? weft_session_new(&options, &error) : NULL;
  g_autofree char *weights = g_build_filename(work, "minilm", "model.safetensors", NULL);
  GStatBuf about = {0};
  g_stat(weights, &about);
  ok = session && load(session, stored, &first) && measure(session, "warm", stored, n, 0) &&
       measure(session, "cold", stored, n, 1) && measure(session, "a folder, read and packed", folder, n < 5 ? n : 5, 0) &&
       measure_memory(session, (double)about.st_size / 1048576);
  weft_session_free(session);
  const char *remove[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  return ok ? 0 : 1;
}
