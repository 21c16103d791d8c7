/* SPDX-License-Identifier: Apache-2.0 */
#include "profilereport.h"

#include "worker.h"
#include <stdio.h>
#include <string.h>

static json_t *times_of(const WeftHistogram *h)
{
  return json_pack("{s:f, s:f, s:f, s:f, s:f}", "mean", weft_histogram_mean(h) / 1e6, "p50",
                   (double)weft_histogram_quantile(h, .5) / 1e6, "p90", (double)weft_histogram_quantile(h, .9) / 1e6, "p99",
                   (double)weft_histogram_quantile(h, .99) / 1e6, "max", (double)atomic_load(&h->most) / 1e6);
}

/* How many calls had how many items: {"1": 3, "2-3": 10, "4-7": 2}. */
static json_t *sizes_of(const struct weft_counters *now, const struct weft_counters *before)
{
  json_t *sizes = json_object();
  for (guint b = 0; b < WEFT_BATCH_SIZES; b++) {
    guint64 n = now->batch_sizes[b] - before->batch_sizes[b];
    g_autofree char *name = b == 0                      ? g_strdup("1")
                            : b == WEFT_BATCH_SIZES - 1 ? g_strdup_printf("%u-", 1u << b)
                                                        : g_strdup_printf("%u-%u", 1u << b, (2u << b) - 1);
    if (n)
      json_object_set_new(sizes, name, json_integer((json_int_t)n));
  }
  return sizes;
}

static void add_batches(json_t *one, const struct weft_counters *now, const struct weft_counters *before)
{
  guint64 n = now->n_batches - before->n_batches, items = now->n_batch_items - before->n_batch_items;
  guint64 alone = now->n_calls - now->n_batched - (before->n_calls - before->n_batched);
  if (n == 0)
    return;
  json_object_set_new(one, "calls", json_integer((json_int_t)(n + alone)));
  json_object_set_new(one, "batch", json_pack("{s:f, s:I, s:o}", "mean", (double)items / (double)n, "largest",
                                              (json_int_t)now->n_items_largest, "sizes", sizes_of(now, before)));
}

static json_t *node_of(const WeftRevisionNode *node, const WeftNodeTimes *times, double all_ns)
{
  double busy = (double)atomic_load(&times->busy_ns);
  json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s}", "node", node->name, "plugin", node->plugin, "version",
                          node->version, "kind", node->kind, "where", node->worker ? "worker" : "process");
  json_object_set_new(one, "frames", json_integer((json_int_t)atomic_load(&times->busy.n)));
  json_object_set_new(one, "calls", json_integer((json_int_t)atomic_load(&times->busy.n)));
  json_object_set_new(one, "items", json_integer((json_int_t)atomic_load(&times->n_items)));
  json_object_set_new(one, "failed", json_integer((json_int_t)atomic_load(&times->n_failed)));
  json_object_set_new(one, "ms", times_of(&times->busy));
  json_object_set_new(one, "queued_ms", times_of(&times->queued));
  json_object_set_new(one, "share", json_real(all_ns > 0 ? busy / all_ns : 0));
  if (node->slot_of)
    json_object_set_new(one, "slot_of", json_string(node->slot_of));
  return one;
}

/* The nodes of the graph, each with its slots behind it. */
static void add_node(const WeftMeasurement *m, const WeftRevisionNode *node, double all_ns, json_t *list)
{
  guint n = 0, slot = m->recorder->n_nodes;
  const WeftRevisionNode *nodes = weft_revision_nodes(m->revision, &n);
  struct weft_counters now;
  weft_graph_counters(weft_revision_graph(m->revision), node->graph_node, &now);
  json_t *one = node_of(node, &m->recorder->nodes[node->graph_node], all_ns);
  add_batches(one, &now, &m->before[node->graph_node]);
  json_array_append_new(list, one);
  for (guint i = 0; i < n; i++) {
    if (!nodes[i].slot_of)
      continue;
    if (strcmp(nodes[i].slot_of, node->name) == 0)
      json_array_append_new(list, node_of(&nodes[i], &m->recorder->nodes[slot], all_ns));
    slot++;
  }
}

static json_t *memory_of_process(const WeftMemoryUse *use)
{
  return json_pack("{s:I, s:I, s:I, s:I, s:I}", "resident", (json_int_t)use->resident, "anonymous",
                   (json_int_t)use->anonymous, "peak", (json_int_t)use->peak, "weights_mapped",
                   (json_int_t)use->weights_mapped, "weights_resident", (json_int_t)use->weights_resident);
}

static json_t *memory_of(const WeftMeasurement *m)
{
  WeftMemoryUse use;
  struct weft_graph_usage frames;
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(m->revision, &n);
  json_t *memory = json_object(), *workers = json_object();
  weft_memory_use(0, &use);
  weft_graph_usage(weft_revision_graph(m->revision), &frames);
  for (guint i = 0; i < n; i++) {
    struct weft_worker_stats stats;
    WeftMemoryUse of_worker;
    if (!nodes[i].worker)
      continue;
    weft_worker_stats(nodes[i].worker, &stats);
    if (weft_memory_use(stats.pid, &of_worker))
      json_object_set_new(workers, nodes[i].name, memory_of_process(&of_worker));
  }
  json_object_set_new(memory, "process", memory_of_process(&use));
  json_object_set_new(memory, "frames", json_pack("{s:i, s:I, s:I}", "n", (int)frames.n_frames, "arena",
                                                  (json_int_t)frames.n_arena_bytes, "scratch_of_each",
                                                  (json_int_t)frames.n_scratch_bytes));
  json_object_set_new(memory, "workers", workers);
  return memory;
}

json_t *weft_profile_report(const WeftMeasurement *m)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(m->revision, &n);
  json_t *report = json_object(), *list = json_array();
  double all_ns = 0;
  for (guint i = 0; i < m->recorder->n_nodes; i++)
    all_ns += (double)atomic_load(&m->recorder->nodes[i].busy_ns);
  for (guint i = 0; i < n; i++)
    if (nodes[i].graph_node < m->recorder->n_nodes)
      add_node(m, &nodes[i], all_ns, list);
  guint64 n_events = atomic_load(&m->recorder->n_events);
  json_object_set_new(report, "schema", json_string("weft.profile/1"));
  json_object_set_new(report, "seconds", json_real(m->seconds));
  json_object_set_new(report, "cores_busy", json_real(m->seconds > 0 ? m->cpu_seconds / m->seconds : 0));
  json_object_set_new(report, "requests",
                      json_pack("{s:I, s:I, s:f, s:o}", "n", (json_int_t)m->n_requests, "failed", (json_int_t)m->n_failed,
                                "per_second", m->seconds > 0 ? (double)m->n_requests / m->seconds : 0, "ms",
                                times_of(m->latency)));
  json_object_set_new(report, "nodes", list);
  json_object_set_new(report, "memory", memory_of(m));
  json_object_set_new(report, "events", json_pack("{s:I, s:I}", "n", (json_int_t)n_events, "kept",
                                                  (json_int_t)MIN(n_events, WEFT_RECORDER_EVENTS)));
  return report;
}

static double number_at(const json_t *object, const char *key)
{
  return json_number_value(json_object_get(object, key));
}

static const char *text_at(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void print_times(const json_t *times)
{
  static const char *const keys[] = {"p50", "p90", "p99", "max"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    double ms = number_at(times, keys[i]);
    printf(" %8.*f", ms < 10 ? 3 : ms < 1000 ? 2 : 0, ms);
  }
}

static double megabytes(const json_t *object, const char *key)
{
  return number_at(object, key) / (1 << 20);
}

static void print_process(const char *name, const json_t *use)
{
  printf("%-20s %8.1f MiB resident (%.1f its own), peak %.1f", name, megabytes(use, "resident"),
         megabytes(use, "anonymous"), megabytes(use, "peak"));
  if (number_at(use, "weights_mapped") > 0)
    printf(", weights %.1f mapped, %.1f of them resident", megabytes(use, "weights_mapped"),
           megabytes(use, "weights_resident"));
  putchar('\n');
}

static void print_memory(const json_t *memory)
{
  const json_t *frames = json_object_get(memory, "frames");
  const char *name;
  json_t *one;
  putchar('\n');
  print_process("this process", json_object_get(memory, "process"));
  json_object_foreach(json_object_get(memory, "workers"), name, one)
  {
    g_autofree char *label = g_strconcat("worker of ", name, NULL);
    print_process(label, one);
  }
  printf("%-20s %8.1f MiB in %d, of which scratch %.1f each\n", "frames", megabytes(frames, "arena"),
         (int)number_at(frames, "n"), megabytes(frames, "scratch_of_each"));
}

static void print_sizes(const json_t *node)
{
  const json_t *batch = json_object_get(node, "batch");
  const char *size;
  json_t *n;
  if (!batch)
    return;
  printf("  batches of %s: mean %.2f, largest %d;", text_at(node, "node"), number_at(batch, "mean"),
         (int)number_at(batch, "largest"));
  json_object_foreach(json_object_get(batch, "sizes"), size, n)
  {
    printf(" %s: %" JSON_INTEGER_FORMAT, size, json_integer_value(n));
  }
  printf(" (items: calls)\n");
}

static void print_nodes(const json_t *nodes)
{
  size_t i;
  json_t *node;
  int width = 7;
  json_array_foreach((json_t *)nodes, i, node)
  {
    width = MAX(width, (int)strlen(text_at(node, "node")));
  }
  printf("\n%-*s %-7s %9s %9s %8s %8s %8s %8s %9s %9s %6s\n", width, "node", "where", "calls", "items", "p50", "p90",
         "p99", "max", "wait p50", "wait p99", "share");
  json_array_foreach((json_t *)nodes, i, node)
  {
    const json_t *queued = json_object_get(node, "queued_ms");
    if (number_at(node, "calls") == 0) {
      printf("%-*s %-7s %9d\n", width, text_at(node, "node"), text_at(node, "where"), 0);
      continue;
    }
    printf("%-*s %-7s %9.0f %9.0f", width, text_at(node, "node"), text_at(node, "where"), number_at(node, "calls"),
           number_at(node, "items"));
    print_times(json_object_get(node, "ms"));
    printf(" %9.3f %9.3f %5.1f%%", number_at(queued, "p50"), number_at(queued, "p99"), 100 * number_at(node, "share"));
    if (number_at(node, "failed") > 0)
      printf("  %.0f failed", number_at(node, "failed"));
    putchar('\n');
  }
  json_array_foreach((json_t *)nodes, i, node)
  {
    print_sizes(node);
  }
}

static void print_accuracy(const json_t *report)
{
  const char *output, *metric;
  json_t *one, *value;
  json_object_foreach(json_object_get(report, "outputs"), output, one)
  {
    printf("%s:", output);
    json_object_foreach(json_object_get(one, "metrics"), metric, value)
    {
      printf(" %s %.4f", metric, number_at(value, "value"));
    }
    printf(" (%.0f of %.0f answered)\n", number_at(one, "n_answered"), number_at(one, "n_expected"));
  }
}

void weft_profile_print(const json_t *report)
{
  const json_t *requests = json_object_get(report, "requests");
  printf("%s on %s: %.0f requests, %.0f failed, in %.2f s from %.0f clients: %.1f requests/s, %.2f cores busy\n",
         text_at(report, "revision"), text_at(report, "data"), number_at(requests, "n"), number_at(requests, "failed"),
         number_at(report, "seconds"), number_at(report, "clients"), number_at(requests, "per_second"),
         number_at(report, "cores_busy"));
  print_accuracy(report);
  printf("\n%-16s %8s %8s %8s %8s\n%-16s", "times in ms", "p50", "p90", "p99", "max", "a request");
  print_times(json_object_get(requests, "ms"));
  putchar('\n');
  print_nodes(json_object_get(report, "nodes"));
  print_memory(json_object_get(report, "memory"));
}
