/* SPDX-License-Identifier: Apache-2.0 */
#include "media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/entry.h>
#include <weft/manifest.h>
#include <weft/source.h>

/* Rows of one chunk. */
#define CHUNK 4096
/* A stream of many rows is given in pieces of that much time, not row by row. */
#define PIECE_NS 10000000
#define PAUSE_MOST_NS 1000000000
#define NO_TIME INT64_MIN

enum { SAMPLES, TIMES, STATE, N_OUTPUTS };

struct replay {
  struct media media;
  double speed;
  int loop;
  int64_t start, from;  /* NO_TIME: not said */
  int64_t shift;        /* added to the times of the file */
  int64_t first, last, step; /* of the file: first and latest time, latest distance */
  int64_t due_ns, due_row;   /* the row of that time is due at that time of the day; due_row NO_TIME: not known yet */
  int64_t skip_before;
  int fresh, n_ahead;   /* n_ahead: rows read, but not given yet */
  int64_t at;           /* of those */
  float *rows;          /* [CHUNK, channels] */
  int64_t times[CHUNK];
  char rate[32];
  struct weft_port outputs[N_OUTPUTS];
  struct weft_attribute attributes[4];
};

static const struct weft_host *host;

static weft_status take_time(struct weft_setup *setup, const struct weft_config *config, const char *name, int64_t *ns)
{
  const char *text = weft_parameter_find(config, name)->text;
  *ns = NO_TIME;
  if (!*text || timestamp_parse(text, strlen(text), MEDIA_TIME_AUTO, ns) == 0)
    return WEFT_OK;
  return host->fail(setup, WEFT_BAD_CONFIG, "replay: %s \"%s\" is no time; expected seconds since 1970 or ISO 8601, such as "
                    "2024-01-31T12:00:00Z", name, text);
}

static weft_status open_media(struct weft_setup *setup, const struct weft_config *config, struct replay *self)
{
  static const char *const formats[] = {"auto", "s", "ms", "iso"};
  const char *format = weft_parameter_find(config, "time_format")->text;
  struct weft_resource file = {0};
  weft_status status = host->resource_open(setup, "asset/file", 0, &file);
  struct media_options options = {.time_column = weft_parameter_find(config, "time")->text,
                                  .rate_hz = weft_parameter_find(config, "rate")->number,
                                  .channels_first = (int)weft_parameter_find(config, "channels_first")->integer};
  for (int i = 0; i < 4; i++)
    if (strcmp(format, formats[i]) == 0)
      options.time_format = (enum media_time)i;
  if (status == WEFT_OK)
    status = take_time(setup, config, "start", &self->start);
  if (status == WEFT_OK)
    status = take_time(setup, config, "from", &self->from);
  if (status != WEFT_OK)
    return status;
  if (media_open(&self->media, file.data, (size_t)file.n_bytes, &options) != WEFT_OK)
    return host->fail(setup, WEFT_BAD_CONFIG, "replay: %s", self->media.reason);
  self->media.options.time_column = NULL; /* lives no longer than this call */
  self->rows = calloc((size_t)CHUNK * (size_t)self->media.n_channels, sizeof *self->rows);
  return self->rows ? WEFT_OK : host->fail(setup, WEFT_NO_MEMORY, "no memory for the rows");
}

static void set_ports(struct replay *self)
{
  uint32_t n = 0;
  if (self->speed == 0)
    self->attributes[n++] = (struct weft_attribute){WEFT_ATTRIBUTE_CLOCK, WEFT_CLOCK_SIMULATED};
  if (self->media.rate_hz > 0) {
    snprintf(self->rate, sizeof self->rate, "%.17g", self->media.rate_hz);
    self->attributes[n++] = (struct weft_attribute){WEFT_ATTRIBUTE_RATE, self->rate};
  }
  if (self->media.names[0])
    self->attributes[n++] = (struct weft_attribute){WEFT_ATTRIBUTE_CHANNELS, self->media.names};
  self->outputs[SAMPLES] = (struct weft_port){.name = "samples", .dtype = weft_f32(), .rank = 2,
                                              .dims = {-1, self->media.n_channels}, .n_split_levels = 1,
                                              .rows_kind = WEFT_ROWS_DYNAMIC, .attributes = self->attributes,
                                              .n_attributes = n};
  self->outputs[TIMES] = (struct weft_port){.name = "samples.time", .dtype = weft_dtype_of(WEFT_DTYPE_INT, 64), .rank = 1,
                                            .dims = {-1}, .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC};
  self->outputs[STATE] = (struct weft_port){.name = "state", .dtype = weft_i32(), .rank = 2, .dims = {-1, 2}};
}

static void destroy(void *instance)
{
  struct replay *self = instance;
  if (!self)
    return;
  media_close(&self->media);
  free(self->rows);
  free(self);
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct replay *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->speed = weft_parameter_find(config, "speed")->number;
  self->loop = (int)weft_parameter_find(config, "loop")->integer;
  weft_status status = open_media(setup, config, self);
  if (status != WEFT_OK) {
    destroy(self);
    return status;
  }
  set_ports(self);
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct replay *)instance)->outputs, N_OUTPUTS};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct replay *self = instance;
  media_rewind(&self->media);
  self->fresh = 1;
  self->n_ahead = 0;
  self->first = self->last = self->due_row = NO_TIME;
  self->shift = self->step = 0;
  self->skip_before = self->from;
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static int64_t now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The next round of a loop begins one step after the last row. */
static int again(struct replay *self)
{
  if (!self->loop || self->first == NO_TIME)
    return 0;
  int64_t step = self->step > 0 ? self->step : 1;
  self->shift += self->last - self->first + step;
  media_rewind(&self->media);
  return 1;
}

/* Reads ahead; 1: rows are there, 0: the end, -1: media.reason. */
static int fill(struct replay *self)
{
  if (self->n_ahead)
    return 1;
  int64_t n = media_read(&self->media, self->rows, self->times, CHUNK);
  if (n <= 0)
    return n < 0 ? -1 : again(self) ? fill(self) : 0;
  if (self->first == NO_TIME) {
    self->first = self->last = self->times[0];
    if (self->start != NO_TIME)
      self->shift = self->start - self->first;
  }
  for (int64_t i = 0; i < n; i++) {
    if (self->times[i] > self->last) {
      self->step = self->times[i] - self->last;
      self->last = self->times[i];
    }
    if (__builtin_add_overflow(self->times[i], self->shift, &self->times[i])) {
      snprintf(self->media.reason, sizeof self->media.reason, "a time is beyond the year 2262");
      return -1;
    }
  }
  self->n_ahead = (int)n;
  self->at = 0;
  return 1;
}

/* How long until the row of that time is due. */
static int64_t ahead(struct replay *self, int64_t time)
{
  if (self->speed == 0)
    return 0;
  if (self->due_row == NO_TIME) {
    self->due_row = self->skip_before != NO_TIME ? self->skip_before : time;
    self->due_ns = now_ns();
  }
  double wait = (double)(time - self->due_row) / self->speed - (double)(now_ns() - self->due_ns);
  return wait > 0 ? (int64_t)fmin(wait, PAUSE_MOST_NS) + 1 : 0;
}

/* Rows that are due, of those read ahead: how many may be given; *wait: how long until the next one. */
static int64_t n_due(struct replay *self, int64_t *wait)
{
  int64_t n = 0;
  *wait = 0;
  while (n < self->n_ahead) {
    *wait = ahead(self, self->times[self->at + n]);
    if (*wait > 0)
      break;
    n++;
  }
  return n;
}

static void drop(struct replay *self, int64_t n)
{
  self->at += n;
  self->n_ahead -= (int)n;
}

static void skip(struct replay *self)
{
  while (self->skip_before != NO_TIME && self->n_ahead && self->times[self->at] < self->skip_before)
    drop(self, 1);
}

static weft_status give(struct replay *self, struct weft_call *call, int64_t n)
{
  size_t channels = (size_t)self->media.n_channels;
  weft_status status = host->output_reserve(call, SAMPLES, n);
  if (status == WEFT_OK)
    status = host->output_reserve(call, TIMES, n);
  if (status != WEFT_OK)
    return status;
  if (n) {
    memcpy(call->outputs[SAMPLES].tensor.data, self->rows + (size_t)self->at * channels,
           (size_t)n * channels * sizeof *self->rows);
    memcpy(call->outputs[TIMES].tensor.data, self->times + self->at, (size_t)n * sizeof *self->times);
  }
  for (int o = SAMPLES; o <= TIMES; o++) {
    call->outputs[o].splits[0][0] = 0;
    call->outputs[o].splits[0][1] = n;
    call->outputs[o].tensor.dims[0] = n;
  }
  drop(self, n);
  return WEFT_OK;
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct replay *self = instance;
  int32_t *state = call->outputs[STATE].tensor.data;
  int64_t wait = 0, from = (int64_t)call->items[0].time_ns;
  if (self->fresh && from > 0 && (self->from == NO_TIME || from > self->from)) /* another life: what was given is given */
    self->skip_before = from;
  self->fresh = 0;
  state[0] = WEFT_SOURCE_MORE;
  state[1] = 0;
  int found = fill(self);
  if (found < 0)
    return host->fail_call(call, WEFT_BAD_INPUT, "replay: %s", self->media.reason);
  if (found == 0)
    state[0] = WEFT_SOURCE_ENDED;
  skip(self);
  int64_t n = n_due(self, &wait);
  if (wait > 0) {
    state[0] = WEFT_SOURCE_IDLE;
    state[1] = (int32_t)((wait > PIECE_NS ? wait : PIECE_NS) / 1000);
  }
  return give(self, call, n);
}

static void deactivate(void *instance)
{
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "replay") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
