/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a source: calls it, checks what it yields, and puts the rows where windows are made of them. */
#include "live-private.h"

#include "clock.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/source.h>

/* How often a wait for a worker looks whether the run has ended, and how long a cancelled call may take. */
#define LOOK_NS 50000000u
#define GRACE_NS 1000000000u
/* Texts of one chunk. */
#define CHUNK_TEXTS 65536

enum { ROWS, TIMES, STATE };

static void note(struct weft_call_host *host, const struct weft_call *call, uint32_t item, weft_status status,
                 const char *message)
{
  struct feed *feed = (struct feed *)host;
  snprintf(feed->message, sizeof feed->message, "%s", message);
}

static weft_status reserve(struct weft_call_host *host, const struct weft_call *call, uint32_t o, int64_t n_rows)
{
  struct feed *feed = (struct feed *)host;
  struct weft_output *output = &feed->outputs[o];
  const struct weft_region *room = o == ROWS ? feed->rows_room : feed->times_room;
  int64_t row_bytes = weft_row_bytes(&output->tensor);
  if (o > TIMES || n_rows < 0)
    return WEFT_CONTRACT;
  if (n_rows > (int64_t)room->n_bytes / row_bytes) {
    snprintf(feed->message, sizeof feed->message, "a chunk of %lld rows of %lld bytes; at most %u bytes are taken at once "
             "(WEFT_LIVE_CHUNK_BYTES)", (long long)n_rows, (long long)row_bytes, WEFT_LIVE_CHUNK_BYTES);
    return WEFT_NO_MEMORY;
  }
  if (n_rows > output->n_rows_max)
    output->n_rows_max = n_rows;
  return WEFT_OK;
}

/* Rows of an output that is not dynamic: a source has no inputs to count. */
static int64_t promised(const struct weft_port *port)
{
  int64_t n = 0;
  for (uint32_t t = 0; t < port->n_terms; t++)
    n += port->terms[t].of == WEFT_COUNT_ITEMS ? port->terms[t].factor : 0;
  return n;
}

static void prepare_output(struct feed *feed, uint32_t o, void *data, int64_t most)
{
  const struct weft_port *port = &feed->spec->ports[o];
  struct weft_output *output = &feed->outputs[o];
  *output = (struct weft_output){.slots = &feed->slots[o], .wanted = 1, .rows_kind = port->rows_kind};
  struct weft_tensor *tensor = &output->tensor;
  tensor->dtype = port->dtype;
  tensor->rank = port->rank;
  tensor->device = WEFT_DEVICE_CPU;
  tensor->n_slots = 1;
  tensor->data = data;
  for (uint32_t d = 1; d < port->rank; d++)
    tensor->dims[d] = port->dims[d];
  if (o == STATE) {
    output->rows_kind = WEFT_ROWS_EXACT;
    output->n_rows_max = tensor->dims[0] = 1;
    tensor->n_bytes = weft_row_bytes(tensor);
    return;
  }
  int64_t n = port->rows_kind == WEFT_ROWS_DYNAMIC ? 0 : promised(port);
  output->n_rows_max = n < most ? n : most;
  output->splits[0] = feed->splits[o];
  tensor->splits[0] = feed->splits[o];
  feed->splits[o][0] = feed->splits[o][1] = 0;
  if (port->n_split_levels == 2) {
    int64_t *groups = (int64_t *)(void *)feed->groups_room->base;
    groups[0] = 0;
    output->splits[1] = groups;
    tensor->splits[1] = groups;
    output->n_groups_max = CHUNK_TEXTS;
  }
  if (port->rows_kind == WEFT_ROWS_EXACT) {
    tensor->dims[0] = feed->splits[o][1] = output->n_rows_max;
    tensor->n_bytes = tensor->dims[0] * weft_row_bytes(tensor);
  }
}

static void prepare(struct feed *feed)
{
  int64_t row_bytes = 0;
  prepare_output(feed, STATE, feed->state_room, 1);
  prepare_output(feed, TIMES, feed->times_room->base, (int64_t)(feed->times_room->n_bytes / sizeof(int64_t)));
  prepare_output(feed, ROWS, feed->rows_room->base, 0);
  row_bytes = weft_row_bytes(&feed->outputs[ROWS].tensor);
  prepare_output(feed, ROWS, feed->rows_room->base, (int64_t)feed->rows_room->n_bytes / row_bytes);
  memset(feed->state_room, 0, sizeof feed->state_room);
  feed->item_status = WEFT_OK;
  feed->message[0] = 0;
  feed->item.time_ns = feed->floor > 0 ? (uint64_t)feed->floor : 0;
  feed->call = (struct weft_call){.n_items = 1, .n_outputs = 3, .items = &feed->item, .outputs = feed->outputs,
                                  .item_status = &feed->item_status, .scratch = feed->scratch,
                                  .n_scratch_bytes = feed->spec->n_scratch_bytes, .cancel = &feed->cancel,
                                  .host_data = &feed->host};
}

static int is_cancelled(struct feed *feed)
{
  return __atomic_load_n(&feed->cancel, __ATOMIC_RELAXED) != 0;
}

static uint64_t n_deaths(const struct feed *feed)
{
  struct weft_worker_stats stats;
  weft_worker_stats(feed->spec->worker, &stats);
  return stats.n_deaths;
}

/* Its process died between two calls and was replaced: the new one begins anew, and would give rows a second time. */
static weft_status was_replaced(struct feed *feed)
{
  if (n_deaths(feed) == feed->n_deaths)
    return WEFT_OK;
  weft_worker_last_death(feed->spec->worker, feed->message);
  return WEFT_INTERNAL;
}

/* One call in the source's worker: cancelled when the run ends, and after a while killed. */
static weft_status call_worker(struct feed *feed, int *died)
{
  struct weft_worker *worker = feed->spec->worker;
  uint64_t kill_at = 0;
  weft_status status = was_replaced(feed);
  if (status == WEFT_OK)
    status = weft_worker_start(worker, &feed->call);
  if (status != WEFT_OK)
    return status;
  while (!weft_worker_wait(worker, weft_clock_now() + LOOK_NS)) {
    if (!is_cancelled(feed))
      continue;
    weft_worker_cancel(worker);
    kill_at = kill_at ? kill_at : weft_clock_now() + GRACE_NS;
    if (weft_clock_now() > kill_at)
      weft_worker_kill(worker);
  }
  status = weft_worker_finish(worker, &feed->call, died);
  return status == WEFT_OK ? was_replaced(feed) : status;
}

/* Splits that rise within 0..end. */
static int is_rising(const int64_t *splits, int64_t n, int64_t end)
{
  int64_t last = 0;
  for (int64_t k = 0; k <= n; k++) {
    if (splits[k] < last || splits[k] > end)
      return 0;
    last = splits[k];
  }
  return 1;
}

static int is_placed(const struct feed *feed, uint32_t o)
{
  static const uint32_t most_groups = CHUNK_TEXTS;
  const struct weft_output *output = &feed->outputs[o];
  const struct weft_tensor *tensor = &output->tensor;
  const uint8_t *data = o == ROWS ? feed->rows_room->base : feed->times_room->base;
  if (tensor->data != data || tensor->dims[0] < 0 || tensor->dims[0] > output->n_rows_max ||
      tensor->splits[0] != feed->splits[o] || tensor->n_slots != 1 || (tensor->slots && tensor->slots != output->slots))
    return 0;
  for (uint32_t d = 1; d < tensor->rank; d++)
    if (tensor->dims[d] != feed->spec->ports[o].dims[d])
      return 0;
  if (feed->spec->ports[o].n_split_levels < 2)
    return is_rising(feed->splits[o], 1, tensor->dims[0]);
  return tensor->splits[1] == output->splits[1] && tensor->n_groups >= 0 && tensor->n_groups <= most_groups &&
         is_rising(feed->splits[o], 1, tensor->n_groups) && is_rising(tensor->splits[1], tensor->n_groups, tensor->dims[0]);
}

/* What the source yielded, checked; WEFT_CONTRACT with a message where it makes no sense. */
static weft_status take_chunk(struct feed *feed, struct weft_rows_chunk *chunk)
{
  const struct weft_tensor *rows = &feed->outputs[ROWS].tensor, *times = &feed->outputs[TIMES].tensor;
  *chunk = (struct weft_rows_chunk){0};
  if (!is_placed(feed, ROWS) || !is_placed(feed, TIMES)) {
    snprintf(feed->message, sizeof feed->message, "rows, splits or slots are not where the host gave room for them");
    return WEFT_CONTRACT;
  }
  int present = !(rows->slots && rows->slots[0] < 0) && !(times->slots && times->slots[0] < 0);
  int64_t from = feed->splits[ROWS][0], n = feed->splits[ROWS][1] - from;
  int64_t t = feed->splits[TIMES][0], n_times = feed->splits[TIMES][1] - t;
  if (n != n_times) {
    snprintf(feed->message, sizeof feed->message, "%lld rows have %lld times", (long long)n, (long long)n_times);
    return WEFT_CONTRACT;
  }
  const int64_t *time = (const int64_t *)times->data + t;
  for (int64_t i = 0; present && i < n; i++)
    if (time[i] < -TIME_MAX || time[i] > TIME_MAX) {
      snprintf(feed->message, sizeof feed->message, "row %lld has the time %lld, which is none", (long long)i,
               (long long)time[i]);
      return WEFT_CONTRACT;
    }
  chunk->n = present ? n : 0;
  chunk->times = time;
  chunk->data = rows->data;
  if (rows->splits[1])
    chunk->splits = rows->splits[1] + from;
  else
    chunk->data += from * weft_row_bytes(rows);
  return WEFT_OK;
}

static weft_status call_source(struct feed *feed, struct weft_rows_chunk *chunk)
{
  int died = 0;
  feed->replaced = 0;
  weft_status status = feed->spec->worker ? call_worker(feed, &died)
                                          : feed->spec->table->process(feed->spec->instance, &feed->call);
  if (status == WEFT_OK)
    status = feed->item_status;
  feed->replaced = died;
  return status == WEFT_OK ? take_chunk(feed, chunk) : died ? WEFT_INTERNAL : status;
}

/* Waits on `room` until woken, or a while; the lock is held. */
static void wait_ns(WeftLive *live, uint64_t ns)
{
  uint64_t at = weft_clock_now() + ns;
  struct timespec until = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
  pthread_cond_timedwait(&live->room, &live->lock, &until);
}

/* Nothing is known of the stream behind its last row, until one comes again. The lock is held. */
static void open_gap(struct feed *feed)
{
  int64_t after = feed->rows.newest == INT64_MIN ? TIME_NONE : feed->rows.newest;
  if (feed->gaps[0].after == after && feed->gaps[0].until == TIME_MAX)
    return;
  feed->gaps[1] = feed->gaps[0];
  feed->gaps[0] = (struct feed_gap){after, TIME_MAX};
}

/* The first row behind the gap, where rows come again: a source may repeat older ones. The lock is held. */
static void close_gap(struct feed *feed, const struct weft_rows_chunk *chunk)
{
  struct feed_gap *gap = &feed->gaps[0];
  for (int64_t i = 0, open = gap->after != TIME_MAX && gap->until == TIME_MAX; open && i < chunk->n; i++)
    if (chunk->times[i] > gap->after && chunk->times[i] < gap->until)
      gap->until = chunk->times[i];
}

/* The lock is held. */
static void put(struct feed *feed, struct weft_rows_chunk *chunk)
{
  WeftLive *live = feed->live;
  if (chunk->n) {
    feed->n_failures = 0;
    feed->starting = 0;
    feed->heard_at = weft_clock_now();
    close_gap(feed, chunk);
  }
  for (;;) {
    struct weft_rows_rules rules = {feed->floor, feed->spec->tolerance_ns, feed->spec->hold, feed->spec->drops};
    if (weft_rows_take(&feed->rows, chunk, &rules) || live->ending)
      break;
    feed->blocked = 1;
    pthread_cond_signal(&live->changed);
    pthread_cond_wait(&live->room, &live->lock);
  }
  feed->blocked = 0;
  pthread_cond_signal(&live->changed);
}

/* What is wrong with the data or the parameters stays wrong. */
static int is_final(weft_status status)
{
  return status == WEFT_BAD_INPUT || status == WEFT_BAD_CONFIG || status == WEFT_UNSUPPORTED || status == WEFT_CONTRACT;
}

/* The lock is held; returns when the source is to be called again, or the run ends. */
static void die(struct feed *feed, weft_status status)
{
  WeftLive *live = feed->live;
  snprintf(feed->obituary, sizeof feed->obituary, "%s", feed->message[0] ? feed->message : weft_status_name(status));
  feed->starting = 0;
  feed->n_failures++;
  feed->fatal = is_final(status);
  open_gap(feed);
  feed->state = FEED_DEAD;
  pthread_cond_signal(&live->changed);
  while (feed->state == FEED_DEAD && !live->ending)
    pthread_cond_wait(&live->room, &live->lock);
}

/* One call and what follows from it; the lock is held before and after. */
static void turn(struct feed *feed)
{
  WeftLive *live = feed->live;
  struct weft_rows_chunk chunk = {0};
  prepare(feed);
  feed->called_at = weft_clock_now();
  pthread_mutex_unlock(&live->lock);
  weft_status status = call_source(feed, &chunk);
  pthread_mutex_lock(&live->lock);
  feed->called_at = 0;
  if (live->ending)
    return;
  if (status != WEFT_OK) {
    die(feed, status);
    return;
  }
  put(feed, &chunk);
  int32_t state = feed->state_room[0], pause_us = feed->state_room[1];
  if (state == WEFT_SOURCE_ENDED) {
    feed->state = FEED_ENDED;
    feed->starting = 0;
    pthread_cond_signal(&live->changed);
  } else if (state == WEFT_SOURCE_FAILED) {
    die(feed, WEFT_UNAVAILABLE);
  } else if (state == WEFT_SOURCE_IDLE && !live->ending) {
    wait_ns(live, pause_us > 0 ? (uint64_t)pause_us * 1000u : 1000000u);
  } else if (state != WEFT_SOURCE_MORE && state != WEFT_SOURCE_IDLE) {
    snprintf(feed->message, sizeof feed->message, "its state is %d; expected 0..%d", state, WEFT_SOURCE_FAILED);
    die(feed, WEFT_CONTRACT);
  }
}

static void *feed_main(void *data)
{
  struct feed *feed = data;
  pthread_mutex_lock(&feed->live->lock);
  while (!feed->live->ending && feed->state != FEED_ENDED)
    turn(feed);
  pthread_mutex_unlock(&feed->live->lock);
  return NULL;
}

weft_status weft_feed_init(struct feed *feed, WeftLive *live, const WeftRevisionSource *spec, guint index)
{
  int texts = spec->ports[ROWS].n_split_levels == 2;
  *feed = (struct feed){.host = {note, reserve}, .live = live, .spec = spec, .index = index, .floor = TIME_NONE,
                        .resumed = TIME_NONE,
                        .died_ns = TIME_NONE, .pause_ns = WEFT_LIVE_PAUSE_NS, .heard_at = weft_clock_now(),
                        .gaps = {{TIME_MAX, TIME_MAX}, {TIME_MAX, TIME_MAX}}};
  struct weft_tensor row = {.dtype = spec->ports[ROWS].dtype, .rank = spec->ports[ROWS].rank};
  for (uint32_t d = 1; d < row.rank; d++)
    row.dims[d] = spec->ports[ROWS].dims[d];
  weft_status status = weft_rows_store_init(&feed->rows, texts ? 0 : weft_row_bytes(&row), spec->buffer_bytes);
  feed->rows_room = weft_region_new(WEFT_LIVE_CHUNK_BYTES);
  feed->times_room = weft_region_new(WEFT_LIVE_CHUNK_BYTES);
  feed->groups_room = weft_region_new((CHUNK_TEXTS + 1) * sizeof(int64_t));
  if (!spec->worker && spec->n_scratch_bytes)
    feed->scratch = weft_mem_alloc(spec->n_scratch_bytes);
  if (status == WEFT_OK && feed->rows_room && feed->times_room && feed->groups_room &&
      (spec->worker || !spec->n_scratch_bytes || feed->scratch))
    return WEFT_OK;
  weft_feed_clear(feed);
  return WEFT_NO_MEMORY;
}

void weft_feed_clear(struct feed *feed)
{
  weft_rows_store_clear(&feed->rows);
  weft_region_free(feed->rows_room);
  weft_region_free(feed->times_room);
  weft_region_free(feed->groups_room);
  weft_mem_free(feed->scratch);
  feed->rows_room = feed->times_room = feed->groups_room = NULL;
  feed->scratch = NULL;
}

int weft_feed_start(struct feed *feed)
{
  feed->n_deaths = feed->spec->worker ? n_deaths(feed) : 0;
  int error = pthread_create(&feed->thread, NULL, feed_main, feed);
  feed->has_thread = !error;
  return error;
}

void weft_feed_cancel(struct feed *feed)
{
  __atomic_store_n(&feed->cancel, 1, __ATOMIC_RELAXED);
}

gboolean weft_feed_revive(struct feed *feed)
{
  const WeftRevisionSource *spec = feed->spec;
  struct weft_setup *setup = &feed->live->setup;
  uint64_t n_scratch_bytes = 0;
  setup->message[0] = 0;
  if (spec->worker) {
    /* replaced: by a worker that is activated already */
    gboolean ok = feed->replaced || weft_worker_activate(spec->worker, setup, &spec->limits) == WEFT_OK;
    feed->n_deaths = n_deaths(feed); /* afterwards: the end of the one before may count as a death */
    return ok;
  }
  spec->table->deactivate(spec->instance);
  return spec->table->activate(spec->instance, setup, &spec->limits, &n_scratch_bytes) == WEFT_OK;
}
