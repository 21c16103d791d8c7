/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What putting requests of different clients into one call is worth. Arms take
 * turns within one run; every answer's bytes are compared with those of the
 * request alone; the cores that the process used are told beside each figure.
 *
 * - An expert of 200 MB, one row a request, 8 clients: batched against
 *   `batch: false`.
 * - A bert the size of MiniLM on texts of banking77, 8 and 32 clients: tokens
 *   a second against the same texts as one ragged call.
 * - The digits pipeline under pictures, sounds and words at once: each kind's
 *   times.
 */
#include "bench.h"
#include "install.h"
#include "load.h"
#include "modelmaker.h"
#include "pipeline-load.h"

#include <stdio.h>
#include <string.h>

#define EXPERT_D 1024
#define EXPERT_BYTES 200000000u
#define EXPERT_CLIENTS 8
#define N_ROWS 64
#define N_TEXTS 256
#define MIXED_P99_MS 100 /* what the mixed load promises each kind */

static int install_plugins(const char *folder)
{
  static const char *const files[] = {BENCH_BUILD "/tests/plugins/test-plain.so", BENCH_BUILD "/tests/plugins/test-vector.so"};
  const WeftInstallOptions options = {.probe_program = BENCH_BUILD "/core/install/weft-probe", .bundled = TRUE};
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, TRUE, &error);
  for (guint i = 0; registrar && i < G_N_ELEMENTS(files); i++) {
    g_autoptr(WeftInstallResult) result = weft_install_file(registrar, files[i], &options, &error);
    if (result && result->reason)
      fprintf(stderr, "batching: %s\n", result->reason);
    if (!result || result->outcome == WEFT_INSTALL_REFUSED)
      break;
    if (i + 1 == G_N_ELEMENTS(files))
      return 1;
  }
  fprintf(stderr, "batching: %s: %s\n", folder, error ? error->message : "a plugin was refused");
  return 0;
}

static double cores_of(const struct load_arm *arm)
{
  return arm->seconds > 0 ? arm->cpu_seconds / arm->seconds : 0;
}

static double ms_at(struct load_arm *arm, double q)
{
  return 1e3 * bench_quantile(arm->latency, arm->n_samples, q);
}

/* Items and calls of a node since the graph was made. */
static void count_calls(const struct bench_pipeline *b, const char *node, guint64 *n_items, guint64 *n_calls)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(weft_session_revision(b->session), &n);
  for (guint i = 0; i < n; i++) {
    struct weft_counters c;
    if (strcmp(nodes[i].name, node) != 0)
      continue;
    weft_graph_counters(b->graph, nodes[i].graph_node, &c);
    *n_items = c.n_items;
    *n_calls = c.n_batches + c.n_calls - c.n_batched;
  }
}

/* Two arms in turn, the first turn unmeasured. 0: an answer failed or differs. batch: mean items of the calls of `node`. */
static int take_turns(const struct bench_pipeline *b, struct load_arm *arms, double seconds, const char *node, double *batch)
{
  guint64 n_items[2] = {0}, n_calls[2] = {0};
  guint n = 2, n_turns = b->quick ? 3 : 8;
  for (guint a = 0; a < n; a++)
    if (!load_expect(b->graph, &arms[a]) || !load_run(b->graph, &arms[a], 1, seconds / 4))
      return 0;
  for (guint a = 0; a < n; a++) {
    arms[a].n_done = arms[a].n_samples = 0;
    arms[a].seconds = arms[a].cpu_seconds = 0;
  }
  count_calls(b, node, &n_items[0], &n_calls[0]);
  for (guint turn = 0; turn < n_turns; turn++)
    for (guint a = 0; a < n; a++)
      if (!load_run(b->graph, &arms[a], 1, seconds))
        return 0;
  for (guint a = 0; a < n; a++)
    if (arms[a].n_wrong) {
      fprintf(stderr, "batching: %" G_GUINT64_FORMAT " answers failed or differ from the request alone\n", arms[a].n_wrong);
      return 0;
    }
  count_calls(b, node, &n_items[1], &n_calls[1]);
  *batch = n_calls[1] > n_calls[0] ? (double)(n_items[1] - n_items[0]) / (double)(n_calls[1] - n_calls[0]) : 0;
  return 1;
}

static void report_expert(struct load_arm *alone, struct load_arm *batched, double batch, const char *wait)
{
  g_autofree char *name = g_strdup_printf("expert of 200 MB, 8 clients%s", *wait ? "" : ", no wait given");
  g_autofree char *p95_name = g_strdup_printf("%s, p95", name);
  g_autofree char *reason = g_strdup_printf(
      "cores busy %.2f unbatched, %.2f batched; p50 %.1f and %.1f ms, p99 %.1f and %.1f ms; %.2f rows a call; same bytes",
      cores_of(alone), cores_of(batched), ms_at(alone, .5), ms_at(batched, .5), ms_at(alone, .99), ms_at(batched, .99),
      batch);
  struct bench_result rate = {.bench = "batching", .name = name, .unit = "requests/s",
                              .ours = load_rate(batched), .rival = load_rate(alone), .has_rival = 1,
                              .goal = ">= 3.5x unbatched", .reason = reason};
  rate.pass = rate.ours >= 3.5 * rate.rival;
  bench_print(&rate);
  struct bench_result p95 = {.bench = "batching", .name = p95_name, .unit = "ms",
                             .ours = ms_at(batched, .95), .rival = ms_at(alone, .95), .has_rival = 1,
                             .goal = "below unbatched", .p99 = ms_at(batched, .99)};
  p95.pass = p95.ours < p95.rival;
  bench_print(&p95);
}

/* One client is kept waiting by nobody. */
static void report_alone(struct load_arm *alone, struct load_arm *batched)
{
  struct bench_result r = {.bench = "batching", .name = "expert of 200 MB, 1 client, no wait given, p50", .unit = "ms",
                           .ours = ms_at(batched, .5), .rival = ms_at(alone, .5), .has_rival = 1,
                           .goal = "<= 1.05x of batch: false", .p99 = ms_at(batched, .99)};
  r.pass = r.ours <= 1.05 * r.rival;
  bench_print(&r);
}

/* wait: ", wait: 2 ms", or "" for what a node does that says nothing. */
static int run_expert(struct bench_pipeline *b, const char *wait)
{
  g_autofree char *model = g_build_filename(b->work, "expert", NULL);
  g_autofree char *text = g_strdup_printf(
      "weft: 1\nname: expert\ninputs: {a: {type: bytes, optional: true}, b: {type: bytes, optional: true}}\n"
      "require: any(a, b)\nmodels: {m: %s}\nnodes:\n"
      "  xa: {use: vector, in: a, params: {d: %d}}\n  ea: {use: expert-mlp@^1, model: m, in: xa, batch: false}\n"
      "  xb: {use: vector, in: b, params: {d: %d}}\n"
      "  eb: {use: expert-mlp@^1, model: m, in: xb, batch: {items: 8%s}}\noutputs: {a: ea, b: eb}\n",
      model, EXPERT_D, EXPERT_D, wait);
  GBytes *rows[N_ROWS];
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  if (!modelmaker_expert(model, EXPERT_D, EXPERT_BYTES) || !bench_load(b, NULL, text))
    return 0;
  for (guint i = 0; i < N_ROWS; i++) {
    float row[EXPERT_D];
    for (guint k = 0; k < EXPERT_D; k++)
      row[k] = (float)g_rand_double_range(random, -1, 1);
    rows[i] = g_bytes_new(row, sizeof row);
  }
  g_autofree struct weft_request *of_a = bench_requests(b, "a", rows, N_ROWS), *of_b = bench_requests(b, "b", rows, N_ROWS);
  struct load_arm arms[] = {
    {.n_clients = EXPERT_CLIENTS, .n_items = 1, .requests = of_a, .n_requests = N_ROWS, .value = bench_value(b, "a"),
     .row_bytes = EXPERT_D * sizeof(float)},
    {.n_clients = EXPERT_CLIENTS, .n_items = 1, .requests = of_b, .n_requests = N_ROWS, .value = bench_value(b, "b"),
     .row_bytes = EXPERT_D * sizeof(float)}};
  double batch = 0;
  int ok = take_turns(b, arms, b->quick ? 1 : 3, "eb", &batch);
  if (ok && memcmp(arms[0].expected, arms[1].expected, N_ROWS * arms[0].row_bytes) != 0) {
    fprintf(stderr, "batching: the two experts answer differently\n");
    ok = 0;
  }
  if (ok)
    report_expert(&arms[0], &arms[1], batch, wait);
  load_clear(&arms[0]);
  load_clear(&arms[1]);
  if (ok && !*wait) {
    arms[0].n_clients = arms[1].n_clients = 1;
    arms[0].n_samples = arms[1].n_samples = 0;
    ok = take_turns(b, arms, b->quick ? 1 : 3, "eb", &batch);
    if (ok)
      report_alone(&arms[0], &arms[1]);
    load_clear(&arms[0]);
    load_clear(&arms[1]);
  }
  for (guint i = 0; i < N_ROWS; i++)
    g_bytes_unref(rows[i]);
  bench_unload(b);
  return ok;
}

/* Texts of banking77, spread over the test set: [N_TEXTS], NULL-terminated; caller frees with g_strfreev. NULL: no data. */
static char **texts_of(void)
{
  const char *data = g_getenv("WEFT_DATA");
  g_autofree char *path = g_build_filename(data ? data : BENCH_ROOT "/../shared/data", "banking77", "test.csv", NULL);
  g_autofree char *csv = NULL;
  if (!g_file_get_contents(path, &csv, NULL, NULL)) {
    fprintf(stderr, "batching: %s: cannot be read; set WEFT_DATA\n", path);
    return NULL;
  }
  g_auto(GStrv) lines = g_strsplit(csv, "\n", -1);
  char **texts = g_new0(char *, N_TEXTS + 1);
  guint n_lines = g_strv_length(lines), n = 0;
  for (guint i = 1; i < n_lines && n < N_TEXTS; i += MAX(1, n_lines / (N_TEXTS + 20))) {
    char *comma = strrchr(lines[i], ',');
    if (!comma || comma - lines[i] < 4)
      continue;
    *comma = '\0';
    texts[n++] = g_strdup(lines[i]);
  }
  return texts;
}

/* Words and marks, and the two tokens around them. */
static guint tokens_of(const char *text)
{
  g_autofree char *lower = g_utf8_strdown(text, -1);
  g_auto(GStrv) words = g_regex_split_simple("([^a-z0-9])", lower, 0, 0);
  guint n = 2;
  for (guint k = 0; words[k]; k++)
    n += (guchar)words[k][0] > ' ';
  return n;
}

static void report_bert(struct load_arm *ragged, struct load_arm *batched, double tokens, double batch, const char *wait)
{
  g_autofree char *name = g_strdup_printf("MiniLM-sized, %u clients%s", batched->n_clients, *wait ? "" : ", no wait given");
  g_autofree char *reason = g_strdup_printf(
      "%.1f tokens a text; cores busy %.2f ragged, %.2f batched; p50 %.2f, p95 %.2f ms; %.2f texts a call; same bytes",
      tokens, cores_of(ragged), cores_of(batched), ms_at(batched, .5), ms_at(batched, .95), batch);
  struct bench_result r = {.bench = "batching", .name = name, .unit = "tokens/s", .ours = tokens * load_rate(batched),
                           .rival = tokens * load_rate(ragged), .has_rival = 1,
                           .goal = ">= 0.9x the same texts as one ragged call", .reason = reason};
  r.pass = r.ours >= .9 * r.rival;
  bench_print(&r);
}

static int run_bert_with(struct bench_pipeline *b, GBytes **values, double tokens, guint n_clients, const char *wait)
{
  g_autofree struct weft_request *of_a = bench_requests(b, "a", values, N_TEXTS), *of_b = bench_requests(b, "b", values, N_TEXTS);
  struct load_arm arms[] = {
    {.n_clients = 1, .n_items = n_clients, .requests = of_a, .n_requests = N_TEXTS, .value = bench_value(b, "a"),
     .row_bytes = 384 * sizeof(float)},
    {.n_clients = n_clients, .n_items = 1, .requests = of_b, .n_requests = N_TEXTS, .value = bench_value(b, "b"),
     .row_bytes = 384 * sizeof(float)}};
  double batch = 0;
  int ok = take_turns(b, arms, b->quick ? 1 : 3, "rb", &batch);
  if (ok)
    report_bert(&arms[0], &arms[1], tokens, batch, wait);
  load_clear(&arms[0]);
  load_clear(&arms[1]);
  return ok;
}

static int run_bert(struct bench_pipeline *b, const char *wait)
{
  static const ModelmakerBert minilm = {384, 6, 12, 1536, 30522};
  g_autofree char *model = g_build_filename(b->work, "bert", NULL);
  g_autofree char *text = g_strdup_printf(
      "weft: 1\nname: bert\ninputs: {a: {type: text, optional: true}, b: {type: text, optional: true}}\n"
      "require: any(a, b)\nmodels: {m: %s}\nnodes:\n  ra: {use: bert@^1, model: m, in: a, batch: false}\n"
      "  rb: {use: bert@^1, model: m, in: b, batch: {items: 32%s}}\noutputs: {a: ra.pooled, b: rb.pooled}\n", model, wait);
  g_auto(GStrv) texts = texts_of();
  double tokens = 0;
  GBytes *values[N_TEXTS];
  if (!texts || !modelmaker_bert(model, &minilm, BENCH_ROOT "/tests/golden/bert-a/model/tokenizer.json", texts) ||
      !bench_load(b, NULL, text))
    return 0;
  for (guint i = 0; i < N_TEXTS; i++) {
    values[i] = g_bytes_new(texts[i], strlen(texts[i]));
    tokens += (double)tokens_of(texts[i]) / N_TEXTS;
  }
  int ok = run_bert_with(b, values, tokens, 8, wait) && run_bert_with(b, values, tokens, 32, wait);
  for (guint i = 0; i < N_TEXTS; i++)
    g_bytes_unref(values[i]);
  bench_unload(b);
  return ok;
}

static void report_mixed(struct load_arm *arms, const char *const *names, const guint *n_clients)
{
  for (guint a = 0; a < 3; a++) {
    g_autofree char *name = g_strdup_printf("mixed, %u clients with %s, p99", n_clients[a], names[a]);
    g_autofree char *goal = g_strdup_printf("<= %d", MIXED_P99_MS);
    g_autofree char *reason = g_strdup_printf("%.1f requests/s, p50 %.2f ms, largest %.1f ms; cores busy %.2f; same bytes",
                                              load_rate(&arms[a]), ms_at(&arms[a], .5), ms_at(&arms[a], 1), cores_of(&arms[a]));
    struct bench_result r = {.bench = "batching", .name = name, .unit = "ms", .ours = ms_at(&arms[a], .99), .goal = goal,
                             .reason = reason, .best = ms_at(&arms[a], 0)};
    r.pass = r.ours <= MIXED_P99_MS && arms[a].n_done > 0;
    bench_print(&r);
  }
}

static int run_mixed(struct bench_pipeline *b)
{
  static const char *const kinds[] = {"pictures", "sounds", "words"}, *const inputs[] = {"picture", "speech", "words"};
  static const char *const files[] = {BENCH_ROOT "/examples/digits/seven.png", BENCH_ROOT "/examples/digits/seven.wav"};
  static const guint n_clients[] = {3, 3, 2};
  struct load_arm arms[3] = {0};
  struct weft_request *requests[3];
  GBytes *values[3];
  int ok = bench_load(b, BENCH_ROOT "/examples/digits/pipeline.yaml", NULL);
  if (!ok)
    return 0;
  for (guint a = 0; a < 3; a++) {
    char *bytes = NULL;
    gsize n = 0;
    if (a == 2)
      bytes = g_strdup("seven");
    else if (!g_file_get_contents(files[a], &bytes, &n, NULL))
      g_error("%s: cannot be read", files[a]);
    values[a] = g_bytes_new_take(bytes, a == 2 ? strlen(bytes) : n);
    requests[a] = bench_requests(b, inputs[a], &values[a], 1);
    arms[a] = (struct load_arm){.n_clients = n_clients[a], .n_items = 1, .requests = requests[a], .n_requests = 1,
                                .value = bench_value(b, "probability"), .row_bytes = sizeof(float)};
    ok = ok && load_expect(b->graph, &arms[a]);
  }
  ok = ok && load_run(b->graph, arms, 3, b->quick ? 3 : 20);
  for (guint a = 0; a < 3 && ok; a++)
    ok = arms[a].n_wrong == 0;
  if (ok)
    report_mixed(arms, kinds, n_clients);
  else
    fprintf(stderr, "batching: answers of the mixed load failed or differ\n");
  for (guint a = 0; a < 3; a++) {
    load_clear(&arms[a]);
    g_bytes_unref(values[a]);
    g_free(requests[a]);
  }
  bench_unload(b);
  return ok;
}

int main(int argc, char **argv)
{
  g_autofree char *work = g_dir_make_tmp("weft-batching-XXXXXX", NULL);
  g_autofree char *catalogue = g_build_filename(work, "catalogue", NULL);
  struct bench_pipeline b = {.work = work, .quick = bench_is_quick(argc, argv)};
  int ok = install_plugins(catalogue) && run_expert(&b, ", wait: 2 ms") && run_expert(&b, "") &&
           run_bert(&b, ", wait: 500 us") && run_bert(&b, "") && run_mixed(&b);
  const char *remove[] = {"rm", "-r", work, NULL};
  g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  return ok ? 0 : 1;
}
