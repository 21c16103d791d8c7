/* SPDX-License-Identifier: Apache-2.0 */
/* Row i happens at start + (i + jitter * r(i)) / rate, r(i) in 0..1; its three numbers are that time. */
#include <weft/entry.h>
#include <weft/manifest.h>
#include <weft/source.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum how { FAIL, STATUS, ABORT, BAD, ALWAYS, NONSENSE, SILENT, STUCK };

struct ticks {
  double rate, start, length, jitter, die_at, back_at, speed, lag;
  int64_t chunk, i;
  enum how how;
  int fresh, revived;
  int64_t origin_ns, origin_row_ns; /* of the day, and of the first row */
  struct weft_port outputs[3];
  char rate_text[32];
  struct weft_attribute attributes[2];
};

static const struct weft_host *host;

static double number(const struct weft_config *config, const char *name)
{
  return weft_parameter_find(config, name)->number;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  static const char *const words[] = {"fail", "status", "abort", "bad", "always", "nonsense", "silent", "stuck"};
  struct ticks *self = calloc(1, sizeof *self);
  if (!self)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  self->rate = number(config, "rate");
  self->start = number(config, "start");
  self->length = number(config, "length");
  self->jitter = number(config, "jitter");
  self->die_at = number(config, "die_at");
  self->back_at = number(config, "back_at");
  self->speed = number(config, "speed");
  self->lag = number(config, "lag");
  self->chunk = weft_parameter_find(config, "chunk")->integer;
  for (int k = 0; k < 8; k++)
    if (strcmp(weft_parameter_find(config, "how")->text, words[k]) == 0)
      self->how = (enum how)k;
  snprintf(self->rate_text, sizeof self->rate_text, "%g", self->rate);
  uint32_t n_attributes = 0;
  if (self->speed == 0)
    self->attributes[n_attributes++] = (struct weft_attribute){WEFT_ATTRIBUTE_CLOCK, WEFT_CLOCK_SIMULATED};
  if (weft_parameter_find(config, "tells_rate")->integer)
    self->attributes[n_attributes++] = (struct weft_attribute){WEFT_ATTRIBUTE_RATE, self->rate_text};
  self->outputs[0] = (struct weft_port){.name = "samples", .dtype = weft_f32(), .rank = 2, .dims = {-1, 3},
                                        .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC,
                                        .attributes = self->attributes, .n_attributes = n_attributes};
  self->outputs[1] = (struct weft_port){.name = "samples.time", .dtype = weft_dtype_of(WEFT_DTYPE_INT, 64), .rank = 1,
                                        .dims = {-1}, .n_split_levels = 1, .rows_kind = WEFT_ROWS_DYNAMIC};
  self->outputs[2] = (struct weft_port){.name = "state", .dtype = weft_i32(), .rank = 2, .dims = {-1, 2}};
  *instance = self;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct ticks *)instance)->outputs, 3};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct ticks *self = instance;
  self->i = 0;
  self->fresh = 1;
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static double share(uint64_t i)
{
  i = (i + 1) * 0x9e3779b97f4a7c15u;
  i ^= i >> 29;
  return (double)(i * 0xbf58476d1ce4e5b9u >> 11) / 9007199254740992.0;
}

static int64_t time_of(const struct ticks *self, int64_t i)
{
  return llrint((self->start + ((double)i + self->jitter * share((uint64_t)i)) / self->rate) * 1e9);
}

static int64_t now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Goes on behind what the host has had; this is a second life where that is not nothing. */
static void begin(struct ticks *self, uint64_t from_ns)
{
  double from = (double)from_ns / 1e9;
  self->fresh = 0;
  self->revived = from_ns > 0;
  if (self->revived && from < self->back_at)
    from = self->back_at;
  if (self->revived)
    self->i = (int64_t)fmax(floor((from - self->start) * self->rate) - 1, 0);
  while (self->revived && time_of(self, self->i) < llrint(from * 1e9))
    self->i++;
  if (!self->origin_ns) { /* a second life in the same process keeps the pace */
    self->origin_ns = now_ns();
    self->origin_row_ns = time_of(self, self->i);
  }
}

/* How many nanoseconds the row is still to come; 0: now. */
static int64_t ahead(const struct ticks *self, int64_t time)
{
  if (self->speed == 0)
    return 0;
  int64_t due = self->origin_ns + (int64_t)((double)(time - self->origin_row_ns) / self->speed + self->lag * 1e9),
          now = now_ns();
  return due > now ? due - now : 0;
}

static weft_status fail(struct ticks *self, const struct weft_call *call, int32_t *state)
{
  if (self->how == ABORT)
    abort();
  if (self->how == STUCK)
    while (!weft_cancelled(call))
      nanosleep(&(struct timespec){0, 1000000}, NULL);
  if (self->how == SILENT || self->how == STUCK) {
    state[0] = WEFT_SOURCE_IDLE;
    state[1] = 10000;
    return WEFT_OK;
  }
  if (self->how == BAD)
    return host->fail_call(call, WEFT_BAD_INPUT, "row %lld is nonsense", (long long)self->i);
  if (self->how == STATUS)
    return host->fail_call(call, WEFT_UNAVAILABLE, "nobody answers");
  state[0] = self->how == NONSENSE ? 77 : WEFT_SOURCE_FAILED;
  return WEFT_OK;
}

static void write_row(float *row, int64_t time)
{
  row[0] = (float)(time / 1000000000);
  row[1] = (float)(time / 1000000 % 1000);
  row[2] = (float)(time % 1000000);
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct ticks *self = instance;
  struct weft_output *samples = &call->outputs[0], *times = &call->outputs[1];
  int32_t *state = call->outputs[2].tensor.data;
  int64_t n = 0, n_all = (int64_t)ceil(self->length * self->rate);
  weft_status status = host->output_reserve(call, 0, self->chunk);
  if (status == WEFT_OK)
    status = host->output_reserve(call, 1, self->chunk);
  if (status != WEFT_OK)
    return status;
  if (self->fresh)
    begin(self, call->items[0].time_ns);
  state[0] = WEFT_SOURCE_MORE;
  state[1] = 0;
  for (; n < self->chunk; n++, self->i++) {
    int64_t time = time_of(self, self->i), wait = ahead(self, time);
    int dies = self->die_at > 0 && (double)time >= self->die_at * 1e9 && (!self->revived || self->how == ALWAYS);
    if (wait > 0) {
      state[0] = WEFT_SOURCE_IDLE;
      state[1] = (int32_t)(wait / 1000 < 1000000 ? wait / 1000 + 1 : 1000000);
      break;
    }
    if (dies && n > 0) /* what happened before is told first */
      break;
    if (dies && (status = fail(self, call, state)) != WEFT_OK)
      return status;
    if (dies)
      break;
    if (self->i >= n_all) {
      state[0] = WEFT_SOURCE_ENDED;
      break;
    }
    write_row((float *)samples->tensor.data + 3 * n, time);
    ((int64_t *)times->tensor.data)[n] = time;
  }
  samples->splits[0][0] = times->splits[0][0] = 0;
  samples->splits[0][1] = times->splits[0][1] = n;
  samples->tensor.dims[0] = times->tensor.dims[0] = n;
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

static void destroy(void *instance)
{
  free(instance);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

/* Texts: the same life, a node of its own. */
static const struct weft_attribute sayings_attributes[] = {{WEFT_ATTRIBUTE_CLOCK, WEFT_CLOCK_SIMULATED}};
static const struct weft_port sayings_outputs[] = {
  {.name = "lines", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 2,
   .rows_kind = WEFT_ROWS_DYNAMIC, .attributes = sayings_attributes, .n_attributes = 1},
  {.name = "lines.time", .dtype = {WEFT_DTYPE_INT, 64, 1}, .rank = 1, .dims = {-1}, .n_split_levels = 1,
   .rows_kind = WEFT_ROWS_DYNAMIC},
  {.name = "state", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 2, .dims = {-1, 2}}};

static weft_status sayings_create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  *instance = calloc(1, sizeof(int64_t));
  return *instance ? WEFT_OK : host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
}

static weft_status sayings_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){sayings_outputs, 3};
  return WEFT_OK;
}

static weft_status sayings_activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                                    uint64_t *n_scratch_bytes)
{
  *(int64_t *)instance = 0;
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

/* Three texts a call: text i is i times the letter i, and happens at i / 2 s. */
static weft_status sayings_process(void *instance, struct weft_call *call)
{
  int64_t *next = instance, n_bytes = 0, n = 0;
  struct weft_output *lines = &call->outputs[0], *times = &call->outputs[1];
  weft_status status = host->output_reserve(call, 0, 64);
  if (status == WEFT_OK)
    status = host->output_reserve(call, 1, 3);
  if (status != WEFT_OK)
    return status;
  lines->splits[0][0] = lines->splits[1][0] = times->splits[0][0] = 0;
  for (; n < 3 && *next < 20; n++, (*next)++) {
    memset((char *)lines->tensor.data + n_bytes, 'a' + (int)*next, (size_t)*next);
    n_bytes += *next;
    lines->splits[1][n + 1] = n_bytes;
    ((int64_t *)times->tensor.data)[n] = *next * 500000000;
  }
  lines->splits[0][1] = times->splits[0][1] = n;
  lines->tensor.n_groups = times->tensor.dims[0] = n;
  lines->tensor.dims[0] = n_bytes;
  ((int32_t *)call->outputs[2].tensor.data)[0] = n ? WEFT_SOURCE_MORE : WEFT_SOURCE_ENDED;
  return WEFT_OK;
}

static const struct weft_node sayings_node = {sizeof sayings_node, 0,          sayings_create, sayings_ports, sayings_activate,
                                              sayings_process,     deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "ticks") == 0 ? &node : strcmp(id, "sayings") == 0 ? &sayings_node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
