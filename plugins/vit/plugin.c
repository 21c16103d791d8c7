/* SPDX-License-Identifier: Apache-2.0 */
#include "vit.h"

#include <stdlib.h>
#include <string.h>
#include <weft/encoder.h>
#include <weft/entry.h>

static const struct weft_host *host;

static void destroy(void *instance)
{
  struct vit *vit = instance;
  if (vit)
    weft_nn_encoder_clear(&vit->encoder);
  free(vit);
}

static weft_status create_as(struct weft_setup *setup, const struct weft_config *config, int as_values,
                             void **instance)
{
  int picture = weft_input_find(config, as_values ? "values" : "pixels");
  int size = weft_input_find(config, as_values ? "values.size" : "pixels.size");
  if (picture < 0 || size < 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "whoever gives the picture does not give its size; expected the "
                                              "companion `size`, as image readers have it");
  struct vit *vit = calloc(1, sizeof *vit);
  if (!vit)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  vit->as_values = as_values;
  vit->picture = picture;
  vit->size = size;
  weft_status status = vit_model_read(vit, host, setup, config);
  if (status == WEFT_OK)
    *instance = vit;
  else
    destroy(vit);
  return status;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create_as(setup, config, 0, instance);
}

static weft_status create_values(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  return create_as(setup, config, 1, instance);
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  return weft_nn_encoder_ports(&((struct vit *)instance)->encoder, out);
}

static uint64_t plane_bytes(const struct vit *vit)
{
  return (uint64_t)(vit->n_channels * vit->height * vit->width) * sizeof(float);
}

/* Scratch: the model's inputs of all items; then either what preparing one picture takes, or the run. */
static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  struct vit *vit = instance;
  uint64_t run = 0, image = 0;
  weft_status status = weft_nn_encoder_scratch(&vit->encoder, setup, limits->n_items,
                                               limits->n_items * vit->encoder.shape.n_tokens, &run);
  if (status != WEFT_OK)
    return status;
  if (!vit->as_values)
    image = weft_image_scratch_bytes(&vit->image, limits->n_rows[vit->picture]);
  *n_scratch_bytes = weft_nn_align((uint64_t)limits->n_items * plane_bytes(vit)) + (run > image ? run : image);
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

/* The picture of one item: its rows, and height and width from the companion. */
struct picture {
  struct weft_rows rows;
  int32_t height, width;
};

static weft_status find_picture(const struct vit *vit, const struct weft_call *call, uint32_t item,
                                struct picture *out)
{
  struct weft_rows rows = weft_rows_of(call->inputs[vit->picture], item);
  struct weft_rows at = weft_rows_of(call->inputs[vit->size], item);
  if (!rows.present || !at.present)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "a picture and its size must come together");
  const int32_t *sides = (const int32_t *)call->inputs[vit->size]->data + 2 * at.begin;
  *out = (struct picture){rows, sides[0], sides[1]};
  if (sides[0] < 0 || sides[1] < 0 || (int64_t)sides[0] * sides[1] != rows.end - rows.begin)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "the picture's size says %d x %d, but it has %lld pixels",
                           sides[0], sides[1], (long long)(rows.end - rows.begin));
  return WEFT_OK;
}

static weft_status from_pixels(const struct vit *vit, const struct weft_call *call, uint32_t item,
                               const struct picture *picture, float *planes)
{
  char message[WEFT_MESSAGE_BYTES], *scratch = (char *)call->scratch + weft_nn_align(call->n_items * plane_bytes(vit));
  struct weft_picture source = {(const uint8_t *)call->inputs[vit->picture]->data + 3 * picture->rows.begin,
                                picture->height, picture->width};
  weft_status status = weft_image_run(&vit->image, &source, planes, scratch, message);
  return status == WEFT_OK ? WEFT_OK : host->fail_item(call, item, status, "%s", message);
}

/* Floats are not resized; the table of the preprocessing is a straight line, so its ends say all. */
static weft_status from_values(const struct vit *vit, const struct weft_call *call, uint32_t item,
                               const struct picture *picture, float *planes)
{
  static const float luma[3] = {0.299f, 0.587f, 0.114f};
  int64_t n = vit->height * vit->width;
  if (picture->height != vit->height || picture->width != vit->width)
    return host->fail_item(call, item, WEFT_BAD_INPUT,
                           "the picture has %d x %d values; vit-values resizes nothing, this model takes %lld x %lld",
                           picture->height, picture->width, (long long)vit->height, (long long)vit->width);
  const float *rgb = (const float *)call->inputs[vit->picture]->data + 3 * picture->rows.begin;
  for (int64_t c = 0; c < vit->n_channels; c++) {
    float low = vit->image.table[c][0], span = vit->image.table[c][255] - low;
    for (int64_t i = 0; i < n; i++) {
      float value = rgb[3 * i + c];
      if (vit->n_channels == 1)
        value = rgb[3 * i] * luma[0] + rgb[3 * i + 1] * luma[1] + rgb[3 * i + 2] * luma[2];
      planes[c * n + i] = low + span * value;
    }
  }
  return WEFT_OK;
}

/* Pixels of the source that patch [begin, begin + n) of `size` model pixels came from: rounded outwards. */
static void source_span(int64_t begin, int64_t n, int64_t size, int32_t source, int32_t *low, int32_t *high)
{
  *low = (int32_t)(begin * source / size);
  *high = (int32_t)(((begin + n) * source + size - 1) / size);
}

/* [tokens, 4] top, left, bottom, right; the class token has seen the whole picture. */
static void write_origin(const struct vit *vit, const struct picture *picture, int32_t *box)
{
  box[0] = box[1] = 0;
  box[2] = picture->height;
  box[3] = picture->width;
  for (int64_t y = 0; y < vit->n_rows; y++) {
    for (int64_t x = 0; x < vit->n_columns; x++) {
      box += 4;
      source_span(y * vit->patch_y, vit->patch_y, vit->height, picture->height, &box[0], &box[2]);
      source_span(x * vit->patch_x, vit->patch_x, vit->width, picture->width, &box[1], &box[3]);
    }
  }
}

/* The model's input of one item; zeros where it cannot be made. */
static void prepare(const struct vit *vit, const struct weft_call *call, uint32_t item, struct picture *picture)
{
  float *planes = (float *)((char *)call->scratch + item * plane_bytes(vit));
  weft_status status = find_picture(vit, call, item, picture);
  if (status == WEFT_OK && vit->as_values)
    status = from_values(vit, call, item, picture, planes);
  else if (status == WEFT_OK)
    status = from_pixels(vit, call, item, picture, planes);
  if (status != WEFT_OK)
    memset(planes, 0, plane_bytes(vit));
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct vit *vit = instance;
  const struct weft_output *origin = &call->outputs[WEFT_NN_ORIGIN];
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct picture picture = {{0, 0, 0}, 0, 0};
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    prepare(vit, call, i, &picture);
    if (origin->wanted)
      write_origin(vit, &picture, (int32_t *)origin->tensor.data + i * 4 * vit->encoder.shape.n_tokens);
  }
  struct weft_nn_encoder_input input = {call->scratch, (int64_t)plane_bytes(vit)};
  char *rest = (char *)call->scratch + weft_nn_align(call->n_items * plane_bytes(vit));
  return weft_nn_encoder_run(&vit->encoder, call, &input, NULL, rest);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};
static const struct weft_node values_node = {sizeof values_node, 0, create_values, ports, activate, process,
                                             deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  if (strcmp(id, "vit-values") == 0)
    return &values_node;
  return strcmp(id, "vit") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
