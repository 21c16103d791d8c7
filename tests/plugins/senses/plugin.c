/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers that state what they give, and heads that state what they take: for
 * tests of what is said where the two differ. A head answers how many rows an
 * item has.
 */
#include <weft/entry.h>

#include <string.h>

static const struct weft_host *host;
static char shared_instance;

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  *instance = &shared_instance;
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

static void deactivate(void *instance) {}
static void destroy(void *instance) {}

static const struct weft_rows_term bytes_rows = {0, WEFT_COUNT_ROWS, 1};

static weft_status answer(struct weft_ports *out, const struct weft_port *ports, uint32_t n)
{
  out->outputs = ports;
  out->n_outputs = n;
  return WEFT_OK;
}

static weft_status head_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port y = {.name = "y", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};
  return answer(out, &y, 1);
}

static weft_status head_process(void *instance, struct weft_call *call)
{
  float *y = call->outputs[0].tensor.data;
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(call->inputs[0], i);
    y[i] = rows.present ? (float)(rows.end - rows.begin) : 0.0f;
  }
  return WEFT_OK;
}

static weft_status camera_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "pixels", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 2, .dims = {-1, 3}, .n_split_levels = 1,
     .rows_kind = WEFT_ROWS_BOUNDED, .n_terms = 1, .terms = &bytes_rows},
    {.name = "pixels.size", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 2, .dims = {-1, 2}}};
  return answer(out, ports, 2);
}

/* Whole pixels in one line; bytes that are left over are bad input. */
static weft_status camera_process(void *instance, struct weft_call *call)
{
  struct weft_output *pixels = &call->outputs[0];
  int32_t *size = call->outputs[1].tensor.data;
  int64_t n = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i);
    int64_t bytes = from.end - from.begin;
    if (bytes % 3)
      host->fail_item(call, i, WEFT_BAD_INPUT, "a frame has three bytes a pixel, found %lld bytes", (long long)bytes);
    pixels->splits[0][i] = n;
    if (pixels->wanted)
      memcpy((char *)pixels->tensor.data + 3 * n, (const char *)call->inputs[0]->data + from.begin, (size_t)(bytes / 3 * 3));
    if (call->outputs[1].wanted) {
      size[2 * i] = 1;
      size[2 * i + 1] = (int32_t)(bytes / 3);
    }
    n += bytes / 3;
  }
  pixels->splits[0][call->n_items] = n;
  pixels->tensor.dims[0] = n;
  return WEFT_OK;
}

static weft_status phone_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port ports[] = {
    {.name = "samples", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 2, .dims = {-1, 1}, .n_split_levels = 1,
     .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1, .terms = &bytes_rows},
    {.name = "samples.rate", .dtype = {WEFT_DTYPE_INT, 32, 1}, .rank = 1, .dims = {-1}}};
  return answer(out, ports, 2);
}

static weft_status phone_process(void *instance, struct weft_call *call)
{
  const uint8_t *bytes = call->inputs[0]->data;
  float *samples = call->outputs[0].tensor.data;
  int32_t *rate = call->outputs[1].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    for (int64_t k = 0; call->outputs[0].wanted && k < to.end - to.begin; k++)
      samples[to.begin + k] = ((float)bytes[from.begin + k] - 128.0f) / 128.0f;
    if (call->outputs[1].wanted)
      rate[i] = 8000;
  }
  return WEFT_OK;
}

static weft_status thermometer_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port value = {.name = "value", .dtype = {WEFT_DTYPE_FLOAT, 32, 1}, .rank = 1, .dims = {-1}};
  return answer(out, &value, 1);
}

static weft_status thermometer_process(void *instance, struct weft_call *call)
{
  float *value = call->outputs[0].tensor.data;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i);
    if (from.end - from.begin != 1)
      host->fail_item(call, i, WEFT_BAD_INPUT, "a reading is one byte, found %lld", (long long)(from.end - from.begin));
    else if (call->outputs[0].wanted)
      value[i] = ((const uint8_t *)call->inputs[0]->data)[from.begin];
  }
  return WEFT_OK;
}

static weft_status note_ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  static const struct weft_port text = {.name = "text", .dtype = {WEFT_DTYPE_UINT, 8, 1}, .rank = 1, .dims = {-1},
                                        .n_split_levels = 1, .rows_kind = WEFT_ROWS_EXACT, .n_terms = 1,
                                        .terms = &bytes_rows};
  return answer(out, &text, 1);
}

static weft_status note_process(void *instance, struct weft_call *call)
{
  for (uint32_t i = 0; call->outputs[0].wanted && i < call->n_items; i++) {
    struct weft_rows from = weft_rows_of(call->inputs[0], i), to = weft_rows_of(&call->outputs[0].tensor, i);
    if (to.end > to.begin)
      memcpy((char *)call->outputs[0].tensor.data + to.begin, (const char *)call->inputs[0]->data + from.begin,
             (size_t)(to.end - to.begin));
  }
  return WEFT_OK;
}

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *node_id)
{
#define NODE(ports, process) {sizeof(struct weft_node), 0, create, ports, activate, process, deactivate, destroy}
  static const struct weft_node camera = NODE(camera_ports, camera_process), phone = NODE(phone_ports, phone_process),
                                thermometer = NODE(thermometer_ports, thermometer_process),
                                note = NODE(note_ports, note_process), head = NODE(head_ports, head_process);
#undef NODE
  static const char *const heads[] = {"see-rgb",   "see-grey",   "hear-16k", "hear-stereo", "hear-pcm", "hear-wide", "warn-heat",
                                      "read-de",   "read-pages", "yes-no",   "near",        "two-ears"};
  static const struct {
    const char *id;
    const struct weft_node *node;
  } readers[] = {{"camera-bgr", &camera}, {"phone", &phone}, {"thermometer", &thermometer}, {"note", &note}};
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    if (strcmp(node_id, readers[i].id) == 0)
      return readers[i].node;
  }
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    if (strcmp(node_id, heads[i]) == 0)
      return &head;
  }
  return NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
  sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
