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

static weft_status find_inputs(struct vit *vit, struct weft_setup *setup, const struct weft_config *config)
{
  vit->pixels = weft_input_find(config, "pixels");
  vit->pixels_size = weft_input_find(config, "pixels.size");
  vit->values = weft_input_find(config, "values");
  vit->values_size = weft_input_find(config, "values.size");
  if (vit->pixels < 0 && vit->values < 0)
    return host->fail(setup, WEFT_BAD_CONFIG, "neither `pixels` nor `values` is connected; expected `in: PICTURE`");
  if ((vit->pixels >= 0) != (vit->pixels_size >= 0) || (vit->values >= 0) != (vit->values_size >= 0))
    return host->fail(setup, WEFT_BAD_CONFIG,
                      "whoever gives the picture does not give its size; expected the companions `pixels.size` and "
                      "`values.size`, as image readers have them");
  return WEFT_OK;
}

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct vit *vit = calloc(1, sizeof *vit);
  if (!vit)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  weft_status status = find_inputs(vit, setup, config);
  if (status == WEFT_OK)
    status = vit_model_read(vit, host, setup, config->model_digest);
  if (status == WEFT_OK)
    *instance = vit;
  else
    destroy(vit);
  return status;
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
  if (vit->pixels >= 0)
    image = weft_image_scratch_bytes(&vit->image, limits->n_rows[vit->pixels]);
  *n_scratch_bytes = weft_nn_align((uint64_t)limits->n_items * plane_bytes(vit)) + (run > image ? run : image);
  return WEFT_OK;
}

static void deactivate(void *instance)
{
}

/* One picture of an input: its rows, and height and width from the companion. */
struct picture {
  struct weft_rows rows;
  int32_t height, width;
};

static weft_status find_picture(const struct weft_call *call, uint32_t item, int input, int size,
                                struct picture *out)
{
  struct weft_rows rows = weft_rows_of(call->inputs[input], item), at = weft_rows_of(call->inputs[size], item);
  if (!at.present)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "the picture comes without its size");
  const int32_t *sides = (const int32_t *)call->inputs[size]->data + 2 * at.begin;
  *out = (struct picture){rows, sides[0], sides[1]};
  if (sides[0] < 0 || sides[1] < 0 || (int64_t)sides[0] * sides[1] != rows.end - rows.begin)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "the picture's size says %d x %d, but it has %lld pixels",
                           sides[0], sides[1], (long long)(rows.end - rows.begin));
  return WEFT_OK;
}

static weft_status from_pixels(const struct vit *vit, const struct weft_call *call, uint32_t item,
                               struct picture *picture, float *planes, void *scratch)
{
  char message[WEFT_MESSAGE_BYTES];
  weft_status status = find_picture(call, item, vit->pixels, vit->pixels_size, picture);
  if (status != WEFT_OK)
    return status;
  const uint8_t *pixels = (const uint8_t *)call->inputs[vit->pixels]->data + 3 * picture->rows.begin;
  status = weft_image_run(&vit->image, pixels, picture->height, picture->width, planes, scratch, message);
  return status == WEFT_OK ? WEFT_OK : host->fail_item(call, item, status, "%s", message);
}

/* Floats are not resized; the table of the preprocessing is a straight line, so its ends say all. */
static weft_status from_values(const struct vit *vit, const struct weft_call *call, uint32_t item,
                               struct picture *picture, float *planes)
{
  static const float luma[3] = {0.299f, 0.587f, 0.114f};
  if (vit->values < 0)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "the picture has a size but no pixels");
  weft_status status = find_picture(call, item, vit->values, vit->values_size, picture);
  if (status != WEFT_OK)
    return status;
  int64_t n = vit->height * vit->width;
  if (picture->height != vit->height || picture->width != vit->width)
    return host->fail_item(call, item, WEFT_BAD_INPUT,
                           "the picture has %d x %d values; `values` are not resized, this model takes %lld x %lld",
                           picture->height, picture->width, (long long)vit->height, (long long)vit->width);
  const float *rgb = (const float *)call->inputs[vit->values]->data + 3 * picture->rows.begin;
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
static void span(int64_t begin, int64_t n, int64_t size, int32_t source, int32_t *low, int32_t *high)
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
      span(y * vit->patch_y, vit->patch_y, vit->height, picture->height, &box[0], &box[2]);
      span(x * vit->patch_x, vit->patch_x, vit->width, picture->width, &box[1], &box[3]);
    }
  }
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct vit *vit = instance;
  const struct weft_output *origin = &call->outputs[WEFT_NN_ORIGIN];
  char *rest = (char *)call->scratch + weft_nn_align(call->n_items * plane_bytes(vit));
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct picture picture = {{0, 0, 0}, 0, 0};
    float *planes = (float *)((char *)call->scratch + i * plane_bytes(vit));
    if (weft_cancelled(call))
      return WEFT_CANCELLED;
    int as_bytes = vit->pixels >= 0 && weft_rows_of(call->inputs[vit->pixels], i).present;
    weft_status status = as_bytes ? from_pixels(vit, call, i, &picture, planes, rest)
                                  : from_values(vit, call, i, &picture, planes);
    if (status != WEFT_OK)
      memset(planes, 0, plane_bytes(vit));
    if (origin->wanted)
      write_origin(vit, &picture, (int32_t *)origin->tensor.data + i * 4 * vit->encoder.shape.n_tokens);
  }
  struct weft_nn_encoder_input input = {call->scratch, (int64_t)plane_bytes(vit)};
  return weft_nn_encoder_run(&vit->encoder, call, &input, NULL, rest);
}

static const struct weft_node node = {sizeof node, 0, create, ports, activate, process, deactivate, destroy};

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "vit") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
