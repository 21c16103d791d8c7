/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-fixture.h"

#include <string.h>

static const struct weft_rows_term same_rows[] = {{0, WEFT_COUNT_ROWS, 1}};
static const struct weft_rows_term two_more[] = {{0, WEFT_COUNT_ROWS, 1}, {-1, WEFT_COUNT_ITEMS, 2}};
#define U8 {WEFT_DTYPE_UINT, 8, 1}
const struct weft_port fx_f32 = {.name = "number", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};
const struct weft_port fx_same_rows = {.name = "upper", .dtype = U8, .rank = 1, .dims = {-1}, .n_split_levels = 1,
                                       .n_terms = 1, .terms = same_rows};
const struct weft_port fx_two_more = {.name = "quoted", .dtype = U8, .rank = 1, .dims = {-1}, .n_split_levels = 1,
                                      .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 2, .terms = two_more};
const struct weft_port fx_groups = {.name = "words", .dtype = U8, .rank = 1, .dims = {-1}, .n_split_levels = 2,
                                    .rows_kind = WEFT_ROWS_DYNAMIC};
const struct weft_port fx_same_groups = {.name = "upper", .dtype = U8, .rank = 1, .dims = {-1}, .n_split_levels = 2,
                                         .n_terms = 1, .terms = same_rows};
static const struct weft_port input_port = {.name = "text", .dtype = U8, .rank = 1, .dims = {-1}, .n_split_levels = 1};

void fx_init(struct fx *fx, uint32_t n_threads)
{
  memset(fx, 0, sizeof *fx);
  g_assert_cmpint(weft_pool_new(n_threads, &fx->pool), ==, WEFT_OK);
  g_assert_cmpint(weft_runtime_new(fx->pool, &fx->runtime), ==, WEFT_OK);
}

void fx_clear(struct fx *fx)
{
  /* Helpers first: a frame may have been released in its last callback. */
  weft_graph_free(fx->graph);
  weft_runtime_free(fx->runtime);
  weft_pool_free(fx->pool);
}

uint32_t fx_input(struct fx *fx, const char *name)
{
  uint32_t v = fx->n_values++;
  fx->ports[v] = input_port;
  fx->ports[v].name = name;
  fx->values[v] = (struct weft_graph_value){&fx->ports[v], 1, 0};
  fx->n_inputs++;
  return v;
}

uint32_t fx_node(struct fx *fx, const char *name, struct fx_code code, struct weft_port port, const uint32_t *inputs,
                 uint32_t n)
{
  static struct weft_node tables[FX_MAX * 8];
  static uint32_t n_tables;
  uint32_t v = fx->n_values++;
  struct weft_node *table = &tables[n_tables++ % G_N_ELEMENTS(tables)];
  *table = (struct weft_node){.size = sizeof *table, .process = code.process};
  fx->ports[v] = port;
  fx->values[v] = (struct weft_graph_value){&fx->ports[v], 1, 0};
  memcpy(fx->ids + fx->n_ids, inputs, n * sizeof *inputs);
  fx->nodes[fx->n_nodes++] = (struct weft_graph_node){.name = name, .table = table, .instance = code.instance,
                                                      .inputs = fx->ids + fx->n_ids, .n_inputs = n,
                                                      .first_output = v, .n_outputs = 1};
  fx->n_ids += n;
  return v;
}

uint32_t fx_output(struct fx *fx, struct weft_port port)
{
  uint32_t v = fx->n_values++;
  fx->ports[v] = port;
  fx->values[v] = (struct weft_graph_value){&fx->ports[v], 1, 0};
  fx_last(fx)->n_outputs++;
  return v;
}

struct weft_graph_node *fx_last(struct fx *fx)
{
  return &fx->nodes[fx->n_nodes - 1];
}

static struct weft_graph_spec spec_of(const struct fx *fx, uint32_t n_items_max)
{
  return (struct weft_graph_spec){.values = fx->values, .nodes = fx->nodes, .n_values = fx->n_values,
                                  .n_inputs = fx->n_inputs, .n_nodes = fx->n_nodes, .n_items_max = n_items_max,
                                  .n_frames_max = fx->n_frames_max, .n_sessions_max = fx->n_sessions_max,
                                  .session_ttl_ns = fx->session_ttl_ns, .n_kept_bytes_max = fx->n_kept_bytes_max};
}

char *fx_refusal(struct fx *fx, uint32_t n_items_max)
{
  struct weft_graph_spec spec = spec_of(fx, n_items_max);
  char message[WEFT_MESSAGE_BYTES] = "";
  g_assert_cmpint(weft_graph_new(fx->runtime, &spec, &fx->graph, message), ==, WEFT_BAD_CONFIG);
  g_assert_null(fx->graph);
  return g_strdup(message);
}

void fx_seal(struct fx *fx, uint32_t n_items_max)
{
  struct weft_graph_spec spec = spec_of(fx, n_items_max);
  char message[WEFT_MESSAGE_BYTES] = "";
  fx->n_items_max = n_items_max;
  weft_status status = weft_graph_new(fx->runtime, &spec, &fx->graph, message);
  g_assert_cmpstr(message, ==, "");
  g_assert_cmpint(status, ==, WEFT_OK);
}

void fx_requests(const struct fx *fx, const char *const *texts, uint32_t n, struct weft_blob *blobs,
                 struct weft_request *requests)
{
  for (uint32_t i = 0; i < n; i++) {
    requests[i] = (struct weft_request){.inputs = blobs + i * fx->n_inputs, .seed = i};
    for (uint32_t k = 0; k < fx->n_inputs; k++) {
      const char *text = texts[i * fx->n_inputs + k];
      blobs[i * fx->n_inputs + k] = (struct weft_blob){text, text ? strlen(text) : 0, text != NULL};
    }
  }
}

struct weft_frame *fx_run(struct fx *fx, const char *const *texts, uint32_t n)
{
  g_autofree struct weft_blob *blobs = g_new0(struct weft_blob, n * fx->n_inputs);
  g_autofree struct weft_request *requests = g_new0(struct weft_request, n);
  struct weft_frame *frame;
  fx_requests(fx, texts, n, blobs, requests);
  g_assert_cmpint(weft_graph_run(fx->graph, requests, n, &frame), ==, WEFT_OK);
  return frame;
}

void fx_done(struct weft_frame *frame, void *data)
{
  struct fx_signal *signal = data;
  pthread_mutex_lock(&signal->lock);
  signal->n_done++;
  pthread_cond_broadcast(&signal->cond);
  pthread_mutex_unlock(&signal->lock);
}

void fx_wait(struct fx_signal *signal, int n_done)
{
  pthread_mutex_lock(&signal->lock);
  while (signal->n_done < n_done)
    pthread_cond_wait(&signal->cond, &signal->lock);
  pthread_mutex_unlock(&signal->lock);
}

char *fx_text(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  const struct weft_tensor *t = weft_frame_value(frame, value);
  if (!t)
    return NULL;
  struct weft_rows rows = weft_rows_of(t, item);
  if (!rows.present)
    return NULL;
  if (!t->splits[1])
    return rows.end == rows.begin ? g_strdup("") : g_strndup((const char *)t->data + rows.begin, (gsize)(rows.end - rows.begin));
  int64_t slot = t->slots ? t->slots[item] : (int64_t)item;
  char *text = g_malloc0((gsize)(rows.end - rows.begin + t->splits[0][slot + 1] - t->splits[0][slot] + 1)), *end = text;
  for (int64_t g = t->splits[0][slot]; g < t->splits[0][slot + 1]; g++) {
    if (g > t->splits[0][slot])
      *end++ = '|';
    for (int64_t k = t->splits[1][g]; k < t->splits[1][g + 1]; k++)
      *end++ = ((const char *)t->data)[k];
  }
  return text;
}

float fx_number(const struct weft_frame *frame, uint32_t value, uint32_t item)
{
  const struct weft_tensor *t = weft_frame_value(frame, value);
  g_assert_nonnull(t);
  struct weft_rows rows = weft_rows_of(t, item);
  g_assert_true(rows.present);
  return ((const float *)t->data)[rows.begin];
}

weft_status fx_length(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    g_assert_true(rows.present);
    y[i] = (float)(rows.end - rows.begin);
  }
  return WEFT_OK;
}

weft_status fx_upper(void *instance, struct weft_call *call)
{
  const struct weft_tensor *x = call->inputs[0];
  struct weft_output *output = &call->outputs[0];
  char *y = output->tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(x, i);
    const char *text = (const char *)x->data + rows.begin;
    if (rows.end > rows.begin && text[0] == '!')
      weft_host_table()->fail_item(call, i, WEFT_BAD_INPUT, "item %u is loud", i);
    struct weft_rows to = weft_rows_of(&output->tensor, i);
    g_assert_cmpint(to.end - to.begin, ==, rows.end - rows.begin);
    for (int64_t k = 0; k < rows.end - rows.begin; k++)
      y[to.begin + k] = g_ascii_toupper(text[k]);
  }
  return WEFT_OK;
}

weft_status fx_quote(void *instance, struct weft_call *call)
{
  const struct weft_tensor *x = call->inputs[0];
  struct weft_output *output = &call->outputs[0];
  char *y = output->tensor.data;
  int64_t n = 0;
  output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(x, i);
    y[n++] = '<';
    for (int64_t k = rows.begin; k < rows.end; k++)
      if (((const char *)x->data)[k] != ' ')
        y[n++] = ((const char *)x->data)[k];
    y[n++] = '>';
    output->splits[0][i + 1] = n;
  }
  g_assert_cmpint(n, <=, output->n_rows_max);
  output->tensor.dims[0] = n;
  return WEFT_OK;
}

/* Words are groups. An item that begins with '?' has no value. */
weft_status fx_words(void *instance, struct weft_call *call)
{
  const struct weft_tensor *x = call->inputs[0];
  struct weft_output *output = &call->outputs[0];
  int64_t n = 0, n_groups = 0, n_slots = 0;
  output->splits[0][0] = output->splits[1][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(x, i);
    const char *text = (const char *)x->data;
    output->slots[i] = -1;
    if (rows.end > rows.begin && text[rows.begin] == '?')
      continue;
    /* Twice, to see that content stays where it is when the range grows. */
    weft_status status = weft_host_table()->output_reserve(call, 0, n + (rows.end - rows.begin));
    if (status)
      return status;
    char *y = output->tensor.data;
    int in_word = 0;
    for (int64_t k = rows.begin; k <= rows.end; k++) {
      int letter = k < rows.end && text[k] != ' ';
      if (letter)
        y[n++] = text[k];
      else if (in_word)
        output->splits[1][++n_groups] = n;
      in_word = letter;
    }
    output->slots[i] = (int32_t)n_slots++;
    output->splits[0][n_slots] = n_groups;
  }
  output->tensor.slots = output->slots;
  output->tensor.n_slots = n_slots;
  output->tensor.n_groups = n_groups;
  output->tensor.dims[0] = n;
  return WEFT_OK;
}

weft_status fx_sum(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    float sum = 0;
    int n_present = 0;
    for (uint32_t k = 0; k < call->n_inputs; k++) {
      struct weft_rows rows = weft_rows_of(call->inputs[k], i);
      if (!rows.present)
        continue;
      n_present++;
      sum += ((const float *)call->inputs[k]->data)[rows.begin];
    }
    g_assert_cmpint(n_present, >, 0);
    y[i] = sum;
  }
  return WEFT_OK;
}
