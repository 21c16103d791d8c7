/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder.h"

#include "timeline.h"

WeftRecorder *weft_recorder_new(guint n_nodes, guint n_slots)
{
  WeftRecorder *recorder = g_new0(WeftRecorder, 1);
  recorder->n_nodes = n_nodes;
  recorder->n_slots = n_slots;
  recorder->nodes = g_new0(WeftNodeTimes, n_nodes + n_slots + 1);
  recorder->slots = g_new0(WeftSlotRecorder, n_slots + 1);
  for (guint i = 0; i < n_slots; i++)
    recorder->slots[i] = (WeftSlotRecorder){recorder, n_nodes + i};
  recorder->records = g_new0(WeftTraceRecord, WEFT_RECORDER_EVENTS);
  return recorder;
}

void weft_recorder_free(WeftRecorder *recorder)
{
  if (!recorder)
    return;
  g_free(recorder->nodes);
  g_free(recorder->slots);
  g_free(recorder->records);
  g_free(recorder);
}

static guint this_thread(void)
{
  static _Atomic guint n_threads;
  static __thread guint number;
  if (!number)
    number = atomic_fetch_add(&n_threads, 1) + 1;
  return number;
}

static void add_times(WeftNodeTimes *node, const struct weft_trace_event *event)
{
  guint64 busy = event->t_end - event->t_begin;
  guint64 share = event->n_call_items > event->n_items ? busy * event->n_items / event->n_call_items : busy;
  weft_histogram_add(&node->busy, busy);
  weft_histogram_add(&node->queued, event->t_begin - event->t_queued);
  atomic_fetch_add_explicit(&node->n_items, event->n_items, memory_order_relaxed);
  atomic_fetch_add_explicit(&node->n_failed, event->n_failed, memory_order_relaxed);
  atomic_fetch_add_explicit(&node->busy_ns, share, memory_order_relaxed);
}

void weft_recorder_take_slot(const struct weft_trace_event *event, void *data)
{
  const WeftSlotRecorder *slot = data;
  if (event->node == 0)
    add_times(&slot->recorder->nodes[slot->index], event);
}

void weft_recorder_take(const struct weft_trace_event *event, void *data)
{
  WeftRecorder *recorder = data;
  guint64 at = atomic_fetch_add_explicit(&recorder->n_events, 1, memory_order_relaxed);
  if (at < WEFT_RECORDER_EVENTS)
    recorder->records[at] = (WeftTraceRecord){*event, this_thread()};
  if (event->node < recorder->n_nodes)
    add_times(&recorder->nodes[event->node], event);
}

/* What a timeline is drawn of. */
typedef struct {
  const WeftRecorder *recorder;
  GPtrArray *records;        /* of WeftTraceRecord, by time of coming */
  const WeftRevisionNode **nodes; /* [n_nodes] by graph node */
  guint64 begin, end;
} Picture;

static int by_coming(gconstpointer a, gconstpointer b)
{
  const WeftTraceRecord *x = *(WeftTraceRecord *const *)a, *y = *(WeftTraceRecord *const *)b;
  if (x->event.t_queued != y->event.t_queued)
    return x->event.t_queued < y->event.t_queued ? -1 : 1;
  return (x->event.t_end > y->event.t_end) - (x->event.t_end < y->event.t_end);
}

static void choose(Picture *picture, guint64 window_ns)
{
  const WeftRecorder *recorder = picture->recorder;
  guint n = (guint)MIN(atomic_load(&recorder->n_events), WEFT_RECORDER_EVENTS);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(picture->records, &recorder->records[i]);
  g_ptr_array_sort(picture->records, by_coming);
  if (n == 0)
    return;
  const WeftTraceRecord *last = picture->records->pdata[MIN(n, WEFT_TIMELINE_EVENTS) - 1];
  picture->begin = ((const WeftTraceRecord *)picture->records->pdata[0])->event.t_queued;
  picture->end = window_ns ? picture->begin + window_ns : last->event.t_end;
}

static char *title_of(const struct weft_trace_event *event, const char *name)
{
  g_autoptr(GString) text = g_string_new(name);
  double ms = (double)(event->t_end - event->t_begin) / 1e6, queued = (double)(event->t_begin - event->t_queued) / 1e6;
  g_string_append_printf(text, ": %.3f ms", ms);
  if (event->t_begin > event->t_queued)
    g_string_append_printf(text, ", waited %.3f ms", queued);
  g_string_append_printf(text, ", request %" G_GUINT64_FORMAT, event->frame);
  if (event->call)
    g_string_append_printf(text, ", call of %u items", event->n_call_items);
  else if (event->n_items != 1)
    g_string_append_printf(text, ", %u items", event->n_items);
  if (event->n_failed)
    g_string_append_printf(text, ", %u failed", event->n_failed);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void add_bar(const Picture *picture, WeftTimeline *t, guint lane, const struct weft_trace_event *event, gboolean waits)
{
  const char *name = picture->nodes[event->node]->name;
  g_autofree char *title = title_of(event, name);
  WeftBar bar = {name, title, waits ? event->t_queued : event->t_begin, event->t_begin, event->t_end};
  weft_timeline_bar(t, lane, &bar);
}

/* Each request in a lane that is free while it runs. */
static void draw_requests(const Picture *picture, WeftTimeline *t)
{
  g_autoptr(GHashTable) lanes = g_hash_table_new(g_direct_hash, g_direct_equal);
  for (guint i = 0; i < picture->records->len; i++) {
    const struct weft_trace_event *event = &((const WeftTraceRecord *)picture->records->pdata[i])->event;
    if (event->node != WEFT_TRACE_FRAME || event->t_queued >= picture->end)
      continue;
    guint lane = weft_timeline_take(t, "requests", event->t_queued, event->t_end);
    g_hash_table_insert(lanes, GSIZE_TO_POINTER((gsize)event->frame), GUINT_TO_POINTER(lane));
  }
  for (guint i = 0; i < picture->records->len; i++) {
    const struct weft_trace_event *event = &((const WeftTraceRecord *)picture->records->pdata[i])->event;
    gpointer lane = NULL;
    if (event->node < picture->recorder->n_nodes && picture->nodes[event->node] &&
        g_hash_table_lookup_extended(lanes, GSIZE_TO_POINTER((gsize)event->frame), NULL, &lane))
      add_bar(picture, t, GPOINTER_TO_UINT(lane), event, TRUE);
  }
}

/* A call that frames share is told by one of their threads, and ran on another one: it stands in a lane of its node. */
static guint place_of(WeftTimeline *t, const WeftTraceRecord *record, const WeftRevisionNode *node, guint first)
{
  g_autofree char *thread = g_strdup_printf("thread %u", record->thread - first + 1);
  if (node->worker)
    return weft_timeline_lane(t, "workers", node->name);
  return record->event.call ? weft_timeline_lane(t, "shared calls", node->name) : weft_timeline_lane(t, "threads", thread);
}

/* Each call once, where it ran: threads, then shared calls, then workers. */
static void draw_places(const Picture *picture, WeftTimeline *t)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint first = G_MAXUINT;
  for (guint i = 0; i < picture->records->len; i++)
    first = MIN(first, ((const WeftTraceRecord *)picture->records->pdata[i])->thread);
  for (int pass = 0; pass < 3; pass++) {
    for (guint i = 0; i < picture->records->len; i++) {
      const WeftTraceRecord *record = picture->records->pdata[i];
      const struct weft_trace_event *event = &record->event;
      const WeftRevisionNode *node = event->node < picture->recorder->n_nodes ? picture->nodes[event->node] : NULL;
      if (!node || (node->worker ? 2 : event->call != 0) != pass || event->t_begin >= picture->end)
        continue;
      if (event->call && !g_hash_table_add(seen, g_strdup_printf("%u %" G_GUINT64_FORMAT, event->node, event->call)))
        continue;
      add_bar(picture, t, place_of(t, record, node, first), event, FALSE);
    }
  }
}

char *weft_recorder_svg(const WeftRecorder *recorder, const WeftRevision *revision, guint64 window_ns)
{
  guint n = 0;
  const WeftRevisionNode *nodes = weft_revision_nodes(revision, &n);
  g_autofree const WeftRevisionNode **by_graph = g_new0(const WeftRevisionNode *, recorder->n_nodes + 1);
  for (guint i = 0; i < n; i++)
    if (nodes[i].graph_node < recorder->n_nodes)
      by_graph[nodes[i].graph_node] = &nodes[i];
  g_autoptr(GPtrArray) records = g_ptr_array_new();
  Picture picture = {recorder, records, by_graph, 0, 1};
  choose(&picture, window_ns);
  g_autofree char *title = g_strdup_printf("%s@%.12s", weft_revision_name(revision), weft_revision_digest(revision));
  g_autoptr(WeftTimeline) t = weft_timeline_new(title, picture.begin, picture.end);
  draw_requests(&picture, t);
  draw_places(&picture, t);
  return weft_timeline_svg(t);
}
