/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring with both ends as threads of one process over one mapping, so that
 * the thread sanitizer sees all of it; and a worker's end that lies.
 */
#include "hosttable.h"
#include "ring.h"
#include "segment.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define N_BYTES (1ull << 22)
#define ITEMS 16
#define D 4

/* Outputs: 0 exact [item, D] f32; 1 bounded ragged u8; 2 dynamic groups of u8. */
typedef struct {
  struct weft_segments segments;
  struct weft_ring_host ring;
  struct weft_ring_room rooms[3];
  struct weft_ring_worker *worker;
  pthread_t thread;
  struct weft_call_host host;
  struct weft_call call;
  struct weft_item items[ITEMS];
  weft_status status[ITEMS];
  struct weft_context context;
  struct weft_context_entry entries[WEFT_CONTEXT_MAX_ENTRIES + 1];
  char keys[WEFT_CONTEXT_MAX_ENTRIES + 1][16];
  struct weft_tensor text;
  const struct weft_tensor *inputs[1];
  struct weft_output outputs[3];
  int64_t text_splits[ITEMS + 1], splits[3][ITEMS + 1], groups[256];
  int32_t slots[3][ITEMS], text_slots[ITEMS];
  float exact[ITEMS * D];
  uint8_t bytes[4096], bounded[4096], dynamic[65536];
  uint64_t n_dynamic_max;
  uint32_t n_failed, failed_item;
  weft_status failed_status;
  char message[WEFT_MESSAGE_BYTES], item_message[WEFT_MESSAGE_BYTES];
  weft_status (*process)(struct weft_call *call);
} Ring;

static void on_fail(struct weft_call_host *self, const struct weft_call *call, uint32_t item, weft_status status,
                    const char *message)
{
  Ring *r = (Ring *)((char *)self - offsetof(Ring, host));
  r->n_failed++;
  r->failed_item = item;
  r->failed_status = status;
  g_strlcpy(r->item_message, message, sizeof r->item_message);
}

static weft_status on_reserve(struct weft_call_host *self, const struct weft_call *call, uint32_t output, int64_t n_rows)
{
  Ring *r = (Ring *)((char *)self - offsetof(Ring, host));
  if ((uint64_t)n_rows > r->n_dynamic_max)
    return WEFT_NO_MEMORY;
  call->outputs[output].tensor.data = r->dynamic;
  call->outputs[output].n_rows_max = n_rows;
  return WEFT_OK;
}

/* Rows of the text, to all three outputs; a text "!" fails, "-" has no exact row. */
static weft_status copy_texts(struct weft_call *call)
{
  const struct weft_tensor *text = call->inputs[0];
  struct weft_output *exact = &call->outputs[0], *bounded = &call->outputs[1], *dynamic = &call->outputs[2];
  int64_t n = 0, g = 0;
  g_assert_cmpint(weft_host_table()->output_reserve(call, 2, text->n_bytes), ==, WEFT_OK);
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(text, i);
    const uint8_t *from = (const uint8_t *)text->data + rows.begin;
    const struct weft_context *context = call->items[i].context;
    if (context) {
      g_assert_cmpstr(context->tenant, ==, "acme");
      g_assert_null(context->session);
      for (uint32_t e = 0; e < context->n_entries; e++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", e);
        g_assert_cmpstr(context->entries[e].key, ==, key);
        g_assert_cmpstr(context->entries[e].value, ==, e % 2 ? NULL : key + 3);
      }
    }
    g_assert_cmpuint(call->items[i].seed, ==, 100 + i);
    g_assert_cmpuint(call->items[i].time_ns, ==, 1000 + i);
    g_assert_cmpuint(call->flags, ==, 0);
    if (rows.present && rows.end > rows.begin && *from == '!')
      weft_host_table()->fail_item(call, i, WEFT_BAD_INPUT, "item %u says no\033", i);
    for (int k = 0; k < D; k++)
      ((float *)exact->tensor.data)[i * D + (uint32_t)k] = (float)(rows.end - rows.begin + k);
    exact->slots[i] = rows.present && *from == '-' ? -1 : (int32_t)i;
    bounded->splits[0][i] = n;
    dynamic->splits[0][i] = g;
    for (int64_t b = 0; b < rows.end - rows.begin; b++, n++) {
      ((uint8_t *)bounded->tensor.data)[n] = from[b];
      ((uint8_t *)dynamic->tensor.data)[n] = (uint8_t)(from[b] + 1);
      dynamic->splits[1][g++] = n;
    }
  }
  exact->tensor.slots = exact->slots;
  bounded->splits[0][call->n_items] = n;
  dynamic->splits[0][call->n_items] = g;
  dynamic->splits[1][g] = n;
  dynamic->tensor.n_groups = g;
  bounded->tensor.dims[0] = dynamic->tensor.dims[0] = n;
  return WEFT_OK;
}

static void *worker_thread(void *data)
{
  Ring *r = data;
  for (;;) {
    struct weft_call *call = weft_ring_worker_next(r->worker);
    if (!call->n_items)
      return NULL;
    weft_ring_worker_answer(r->worker, r->process(call));
  }
}

static void ring_begin(Ring *r, weft_status (*process)(struct weft_call *call), uint64_t spin_ns)
{
  memset(r, 0, sizeof *r);
  g_assert_cmpint(weft_segments_new(&r->segments, N_BYTES), ==, 0);
  weft_ring_host_init(&r->ring, r->segments.in, r->segments.out, N_BYTES);
  r->ring.rooms = r->rooms;
  r->ring.n_outputs = 3;
  r->ring.n_items_max = ITEMS;
  r->ring.spin_ns = spin_ns;
  r->host.fail = on_fail;
  r->host.reserve = on_reserve;
  r->n_dynamic_max = sizeof r->dynamic;
  r->context.tenant = "acme";
  for (uint32_t e = 0; e <= WEFT_CONTEXT_MAX_ENTRIES; e++) {
    snprintf(r->keys[e], sizeof r->keys[e], "key%u", e);
    r->entries[e] = (struct weft_context_entry){r->keys[e], e % 2 ? NULL : r->keys[e] + 3};
  }
  r->context.entries = r->entries;
  r->context.n_entries = 3;
  r->process = process;
  struct weft_ring_worker_spec spec = {.in = r->segments.in, .out = r->segments.out, .n_bytes = N_BYTES,
                                       .spin_ns = spin_ns, .n_items_max = ITEMS, .n_inputs = 1, .n_outputs = 3,
                                       .n_scratch_bytes = 64, .eventfd = -1};
  g_assert_cmpint(weft_ring_worker_new(&spec, &r->worker), ==, WEFT_OK);
  pthread_create(&r->thread, NULL, worker_thread, r);
}

static void ring_prepare(Ring *r, const char *const *texts)
{
  uint32_t n = 0;
  for (; texts[n]; n++) {
    memcpy(r->bytes + r->text_splits[n], texts[n], strlen(texts[n]));
    r->text_splits[n + 1] = r->text_splits[n] + (int64_t)strlen(texts[n]);
    r->items[n] = (struct weft_item){.seed = 100 + n, .context = n % 2 ? NULL : &r->context, .time_ns = 1000 + n};
    r->text_slots[n] = (int32_t)n;
  }
  int64_t rows = r->text_splits[n];
  r->text = (struct weft_tensor){.data = r->bytes, .n_bytes = rows, .dims = {rows}, .dtype = weft_u8(), .rank = 1,
                                 .device = WEFT_DEVICE_CPU, .slots = r->text_slots, .n_slots = n,
                                 .splits = {r->text_splits, NULL}};
  r->inputs[0] = &r->text;
  struct weft_tensor ragged = {.dtype = weft_u8(), .rank = 1, .device = WEFT_DEVICE_CPU, .n_slots = n};
  r->outputs[0] = (struct weft_output){.tensor = {.data = r->exact, .n_bytes = n * D * 4, .dims = {n, D},
                                                  .dtype = weft_f32(), .rank = 2, .device = WEFT_DEVICE_CPU, .n_slots = n},
                                       .slots = r->slots[0], .n_rows_max = n, .wanted = 1};
  r->outputs[1] = (struct weft_output){.tensor = ragged, .slots = r->slots[1], .splits = {r->splits[1], NULL},
                                       .n_rows_max = rows, .wanted = 1, .rows_kind = WEFT_ROWS_BOUNDED};
  r->outputs[1].tensor.data = r->bounded;
  r->outputs[2] = (struct weft_output){.tensor = ragged, .slots = r->slots[2], .splits = {r->splits[2], r->groups},
                                       .n_groups_max = 255, .wanted = 1, .rows_kind = WEFT_ROWS_DYNAMIC};
  memset(r->status, 0, sizeof r->status);
  r->call = (struct weft_call){.n_items = n, .n_inputs = 1, .n_outputs = 3, .items = r->items, .inputs = r->inputs,
                               .outputs = r->outputs, .item_status = r->status, .host_data = &r->host};
  r->n_failed = 0;
}

static weft_status ring_cross(Ring *r)
{
  g_assert_cmpint(weft_ring_post(&r->ring, &r->call, r->message), ==, WEFT_OK);
  g_assert_true(weft_ring_wait(&r->ring, 0));
  return weft_ring_take(&r->ring, &r->call, r->message);
}

static weft_status ring_call(Ring *r, const char *const *texts)
{
  ring_prepare(r, texts);
  return ring_cross(r);
}

static void ring_end(Ring *r)
{
  static const char *const none[] = {NULL};
  ring_prepare(r, none);
  g_assert_cmpint(weft_ring_post(&r->ring, &r->call, r->message), ==, WEFT_OK);
  pthread_join(r->thread, NULL);
  weft_ring_worker_free(r->worker);
  weft_segments_clear(&r->segments);
}

static const char *const texts[] = {"one", "", "three", "a-b", NULL};

static void check_answer(const Ring *r)
{
  int64_t n = r->text_splits[r->call.n_items];
  g_assert_cmpmem(r->bounded, (gsize)n, r->bytes, (gsize)n);
  g_assert_cmpint(r->outputs[1].tensor.n_bytes, ==, n);
  g_assert_cmpint(r->outputs[2].tensor.n_groups, ==, n);
  for (int64_t b = 0; b < n; b++)
    g_assert_cmpuint(r->dynamic[b], ==, r->bytes[b] + 1u);
  for (uint32_t i = 0; i < r->call.n_items; i++) {
    struct weft_rows rows = weft_rows_of(&r->outputs[1].tensor, i), groups = weft_rows_of(&r->outputs[2].tensor, i);
    g_assert_cmpint(rows.begin, ==, r->text_splits[i]);
    g_assert_cmpint(rows.end, ==, r->text_splits[i + 1]);
    g_assert_cmpint(groups.end, ==, r->text_splits[i + 1]);
    g_assert_cmpfloat(r->exact[i * D + 1], ==, (float)(rows.end - rows.begin + 1));
  }
}

static void test_ring_crossing(void)
{
  static const uint64_t spins[] = {0, 20000};
  for (size_t s = 0; s < G_N_ELEMENTS(spins); s++) {
    Ring r;
    ring_begin(&r, copy_texts, spins[s]);
    for (int i = 0; i < 2000; i++) {
      g_assert_cmpint(ring_call(&r, texts + i % 3), ==, WEFT_OK);
      check_answer(&r);
    }
    ring_end(&r);
  }
}

static void test_ring_items(void)
{
  static const char *const some[] = {"good", "!", "-", NULL};
  Ring r;
  ring_begin(&r, copy_texts, 0);
  g_assert_cmpint(ring_call(&r, some), ==, WEFT_OK);
  g_assert_cmpuint(r.n_failed, ==, 1);
  g_assert_cmpuint(r.failed_item, ==, 1);
  g_assert_cmpint(r.status[1], ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(r.item_message, ==, "item 1 says no ");
  g_assert_true(r.outputs[0].tensor.slots == r.slots[0]);
  g_assert_cmpint(r.slots[0][0], ==, 0);
  g_assert_cmpint(r.slots[0][2], ==, -1);
  ring_end(&r);
}

static void test_ring_dynamic_limit(void)
{
  Ring r;
  ring_begin(&r, copy_texts, 0);
  r.n_dynamic_max = 11;
  g_assert_cmpint(ring_call(&r, texts), ==, WEFT_OK);
  r.n_dynamic_max = 10;
  g_assert_cmpint(ring_call(&r, texts), ==, WEFT_NO_MEMORY);
  g_assert_cmpstr(r.message, ==, "output 2: no room for 11 rows");
  ring_end(&r);
}

/* What a worker may claim; each claim is refused, and the host's memory is untouched beyond its rooms. */
static int lie;

static weft_status lying(struct weft_call *call)
{
  struct weft_output *exact = &call->outputs[0], *bounded = &call->outputs[1], *dynamic = &call->outputs[2];
  copy_texts(call);
  switch (lie) {
  case 0: exact->tensor.dims[0]++; break;
  case 1: exact->tensor.dims[1] = D + 1; break;
  case 2: exact->slots[0] = (int32_t)call->n_items; break;
  case 3: exact->slots[0] = -2; break;
  case 4: bounded->tensor.dims[0] = bounded->n_rows_max + 1; break;
  case 5: bounded->tensor.dims[0] = -1; break;
  case 6: bounded->splits[0][1] = 1000; break;
  case 7: bounded->splits[0][1] = -1; break;
  case 8: bounded->tensor.n_slots = call->n_items + 1; break;
  case 9: dynamic->tensor.n_groups = 256; break;
  case 10: dynamic->splits[1][2] = INT64_MAX; break;
  case 11: dynamic->tensor.dims[0] = dynamic->n_rows_max = INT64_MAX; break;
  case 12: exact->tensor.n_slots = INT64_MIN; break;
  case 13: call->item_status[0] = 77; break;
  case 14: return 10;
  default: return -1;
  }
  return WEFT_OK;
}

static void test_ring_lies(void)
{
  Ring r;
  ring_begin(&r, lying, 0);
  for (lie = 0; lie <= 15; lie++) {
    g_assert_cmpint(ring_call(&r, texts), ==, WEFT_CONTRACT);
    g_test_message("%d: %s", lie, r.message);
    g_assert_true(g_str_has_prefix(r.message, "the worker answered "));
  }
  ring_end(&r);
}

/* A node that is only wrong: values at a place of its own would not cross, so the call fails as it does in process. */
static weft_status misplacing(struct weft_call *call)
{
  static float data[ITEMS * D];
  static int32_t slots[ITEMS];
  static int64_t splits[ITEMS + 1];
  copy_texts(call);
  switch (lie) {
  case 0: call->outputs[0].tensor.data = data; break;
  case 1: call->outputs[0].tensor.slots = slots; break;
  case 2: call->outputs[1].tensor.splits[0] = splits; break;
  case 3: call->outputs[2].tensor.splits[1] = splits; break;
  default: call->outputs[2].n_rows_max = 0; break;
  }
  return WEFT_OK;
}

static void test_ring_misplaced(void)
{
  static const char *const expected[] = {
    "output 0: data points elsewhere", "output 0: its slots point elsewhere", "output 1: its splits point elsewhere",
    "output 2: its splits point elsewhere", "output 2: it has more rows than were reserved"};
  Ring r;
  ring_begin(&r, misplacing, 0);
  for (lie = 0; lie < (int)G_N_ELEMENTS(expected); lie++) {
    g_assert_cmpint(ring_call(&r, texts), ==, WEFT_CONTRACT);
    g_test_message("%d: %s", lie, r.message);
    g_assert_nonnull(strstr(r.message, expected[lie]));
  }
  ring_end(&r);
}

static weft_status failing(struct weft_call *call)
{
  return weft_host_table()->fail_call(call, WEFT_UNSUPPORTED, "not today");
}

/* Said, and then forgotten: in process the items have failed all the same. */
static weft_status failing_quietly(struct weft_call *call)
{
  copy_texts(call);
  failing(call);
  return WEFT_OK;
}

static weft_status failing_nobody(struct weft_call *call)
{
  copy_texts(call);
  g_assert_cmpint(weft_host_table()->fail_item(call, call->n_items, WEFT_BAD_INPUT, "who?"), ==, WEFT_CONTRACT);
  return WEFT_OK;
}

static void test_ring_call_fails(void)
{
  static const struct {
    weft_status (*process)(struct weft_call *call);
    weft_status status;
    const char *message;
  } cases[] = {{failing, WEFT_UNSUPPORTED, "not today"},
               {failing_quietly, WEFT_UNSUPPORTED, "not today"},
               {failing_nobody, WEFT_CONTRACT, "fail_item named item 4; the call has items 0..3"}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    Ring r;
    ring_begin(&r, cases[i].process, 0);
    g_assert_cmpint(ring_call(&r, texts), ==, cases[i].status);
    g_assert_cmpstr(r.message, ==, cases[i].message);
    ring_end(&r);
  }
}

static void test_ring_limits(void)
{
  Ring r;
  ring_begin(&r, copy_texts, 0);
  ring_prepare(&r, texts);
  r.call.n_items = ITEMS + 1;
  g_assert_cmpint(weft_ring_post(&r.ring, &r.call, r.message), ==, WEFT_BAD_INPUT);
  /* The largest text that fits beside the descriptors, and one byte more. */
  uint8_t *large = g_malloc(N_BYTES);
  memset(large, 'x', N_BYTES);
  int64_t fits = 0, step = N_BYTES / 2;
  for (; step; step /= 2) {
    ring_prepare(&r, texts);
    r.outputs[1].wanted = r.outputs[2].wanted = 0;
    r.text.data = large;
    r.text.n_bytes = r.text.dims[0] = fits + step;
    struct weft_ring_host probe = r.ring;
    struct weft_segments other;
    g_assert_cmpint(weft_segments_new(&other, N_BYTES), ==, 0);
    probe.in = other.in;
    probe.out = other.out;
    weft_status status = weft_ring_post(&probe, &r.call, r.message);
    g_assert_true(status == WEFT_OK || status == WEFT_NO_MEMORY);
    if (status == WEFT_OK)
      fits += step;
    weft_segments_clear(&other);
  }
  g_assert_cmpint(fits, >, (int64_t)N_BYTES - 16384);
  g_assert_cmpint(fits, <, (int64_t)N_BYTES);
  r.text.n_bytes = r.text.dims[0] = fits + 1;
  g_assert_cmpint(weft_ring_post(&r.ring, &r.call, r.message), ==, WEFT_NO_MEMORY);
  g_assert_nonnull(strstr(r.message, "segment `in` of 4194304 bytes"));
  g_free(large);
  ring_end(&r);
}

/* As many entries of the context as there may be, and one more; a node that writes nothing where it was to. */
static void test_ring_context(void)
{
  Ring r;
  ring_begin(&r, copy_texts, 0);
  r.context.n_entries = WEFT_CONTEXT_MAX_ENTRIES;
  g_assert_cmpint(ring_call(&r, texts), ==, WEFT_OK);
  check_answer(&r);
  r.context.n_entries++;
  ring_prepare(&r, texts);
  g_assert_cmpint(weft_ring_post(&r.ring, &r.call, r.message), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(r.message, ==, "a context of 65 entries; at most 64 (WEFT_CONTEXT_MAX_ENTRIES)");
  r.context.n_entries = 0;
  g_assert_cmpint(ring_call(&r, texts), ==, WEFT_OK);
  ring_end(&r);
}

static weft_status write_every_second(struct weft_call *call)
{
  for (uint32_t i = 0; i < call->n_items; i += 2)
    ((float *)call->outputs[0].tensor.data)[i * D] = 1;
  for (int o = 1; o < 3; o++)
    memset(call->outputs[o].splits[0], 0, (call->n_items + 1) * sizeof(int64_t));
  return WEFT_OK;
}

static void test_ring_unwritten(void)
{
  Ring r;
  ring_begin(&r, write_every_second, 0);
  for (int marks = 0; marks < 2; marks++) {
    uint32_t written = 0, unwritten = 0;
    ring_prepare(&r, texts);
    r.call.flags = marks ? WEFT_RING_MARKS_FIRST : 0;
    g_assert_cmpint(ring_cross(&r), ==, WEFT_OK);
    memset(&unwritten, WEFT_RING_UNWRITTEN, sizeof unwritten);
    memcpy(&written, &r.exact[D], sizeof written);
    g_assert_cmpint(written == unwritten, ==, marks);
    g_assert_cmpfloat(r.exact[0], ==, 1);
    g_assert_cmpfloat(r.exact[2 * D], ==, 1);
  }
  ring_end(&r);
}

static void test_ring_lost(void)
{
  Ring r;
  int lost;
  ring_begin(&r, copy_texts, 0);
  g_assert_cmpint(ring_call(&r, texts), ==, WEFT_OK);
  weft_ring_bury(&r.ring, &lost);
  g_assert_false(lost);
  g_assert_true(weft_ring_ready(&r.ring));
  ring_end(&r);
}

static void *bury_later(void *data)
{
  Ring *r = data;
  int lost;
  g_usleep(20000);
  weft_ring_bury(&r->ring, &lost);
  g_assert_true(lost);
  return NULL;
}

/* Nobody answers: whoever waits is woken by the burial, once, and the next worker starts behind the lost call. */
static void test_ring_buried(void)
{
  static Ring r;
  pthread_t thread;
  int lost;
  memset(&r, 0, sizeof r);
  g_assert_cmpint(weft_segments_new(&r.segments, N_BYTES), ==, 0);
  weft_ring_host_init(&r.ring, r.segments.in, r.segments.out, N_BYTES);
  r.ring.rooms = r.rooms;
  r.ring.n_outputs = 3;
  r.ring.n_items_max = ITEMS;
  ring_prepare(&r, texts);
  g_assert_cmpint(weft_ring_post(&r.ring, &r.call, r.message), ==, WEFT_OK);
  g_assert_false(weft_ring_wait(&r.ring, weft_now_ns() + 1000000));
  pthread_create(&thread, NULL, bury_later, &r);
  g_assert_true(weft_ring_wait(&r.ring, 0));
  g_assert_false(weft_ring_answered(&r.ring));
  pthread_join(thread, NULL);
  g_assert_cmpuint(weft_ring_bury(&r.ring, &lost), ==, 1);
  g_assert_false(lost);
  weft_segments_clear(&r.segments);
}

/* After a large call the pages beyond WEFT_SEGMENT_KEEP_BYTES are given back. */
static void test_ring_gives_back(void)
{
  struct weft_segments segments;
  struct weft_ring_host ring;
  const uint64_t n_bytes = 256ull << 20, keep = WEFT_SEGMENT_KEEP_BYTES;
  g_assert_cmpint(weft_segments_new(&segments, n_bytes), ==, 0);
  weft_ring_host_init(&ring, segments.in, segments.out, n_bytes);
  memset(segments.in, 1, keep + 65536);
  ring.in_high = keep + 65536;
  weft_ring_trim(&ring);
  g_assert_cmpuint(((uint8_t *)segments.in)[keep - 1], ==, 1);
  g_assert_cmpuint(((uint8_t *)segments.in)[keep], ==, 0);
  g_assert_cmpuint(((uint8_t *)segments.in)[keep + 65535], ==, 0);
  weft_segments_clear(&segments);
}

/* Nobody can make the other side fault: the seals hold, and the reader cannot write. */
static void test_ring_segments(void)
{
  struct weft_segments segments;
  g_assert_cmpint(weft_segments_new(&segments, N_BYTES), ==, 0);
  g_assert_cmpint(ftruncate(segments.in_fd, 4096), ==, -1);
  g_assert_cmpint(ftruncate(segments.out_fd, N_BYTES * 2), ==, -1);
  int reader = weft_segments_reader(&segments);
  g_assert_cmpint(reader, >=, 0);
  g_assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED);
  g_assert_cmpint(errno, ==, EACCES);
  struct weft_segments mapped;
  g_assert_cmpint(weft_segments_map(&mapped, reader, dup(segments.out_fd), N_BYTES), ==, 0);
  g_assert_cmpint(mprotect(mapped.in, 4096, PROT_READ | PROT_WRITE), ==, -1);
  ((uint8_t *)segments.in)[5] = 7;
  g_assert_cmpuint(((uint8_t *)mapped.in)[5], ==, 7);
  weft_segments_clear(&mapped);
  weft_segments_clear(&segments);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ring/crossing", test_ring_crossing);
  g_test_add_func("/ring/items", test_ring_items);
  g_test_add_func("/ring/dynamic-limit", test_ring_dynamic_limit);
  g_test_add_func("/ring/lies", test_ring_lies);
  g_test_add_func("/ring/misplaced", test_ring_misplaced);
  g_test_add_func("/ring/call-fails", test_ring_call_fails);
  g_test_add_func("/ring/limits", test_ring_limits);
  g_test_add_func("/ring/context", test_ring_context);
  g_test_add_func("/ring/unwritten", test_ring_unwritten);
  g_test_add_func("/ring/lost", test_ring_lost);
  g_test_add_func("/ring/buried", test_ring_buried);
  g_test_add_func("/ring/gives-back", test_ring_gives_back);
  g_test_add_func("/ring/segments", test_ring_segments);
  return g_test_run();
}
