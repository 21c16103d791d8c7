/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>
#include <weft/manifest.h>
#include <weft/reader.h>

#define PIXELS 0
#define SIZE 1
#define PIXEL_BYTES 3

static const struct weft_host *host;

struct png {
  struct decode_limits limits;
  struct weft_port outputs[2];
};

static const struct weft_attribute pixel_attributes[] = {
    {WEFT_ATTRIBUTE_MODALITY, "image"}, {WEFT_ATTRIBUTE_COLOUR, "rgb"}, {WEFT_ATTRIBUTE_RANGE, "0..255"}};

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct png *png = calloc(1, sizeof *png);
  if (!png)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  png->limits.side = (uint32_t)weft_parameter_find(config, "max_side")->integer;
  png->limits.n_pixels = (uint64_t)weft_parameter_find(config, "max_pixels")->integer;
  png->limits.background = strcmp(weft_parameter_find(config, "background")->text, "white") == 0 ? 255 : 0;
  png->outputs[PIXELS] = (struct weft_port){.name = "pixels", .dtype = weft_u8(), .rank = 2,
                                            .dims = {-1, PIXEL_BYTES}, .n_split_levels = 1,
                                            .rows_kind = WEFT_ROWS_DYNAMIC, .attributes = pixel_attributes,
                                            .n_attributes = sizeof pixel_attributes / sizeof *pixel_attributes};
  png->outputs[SIZE] = (struct weft_port){.name = "pixels.size", .dtype = weft_i32(), .rank = 2, .dims = {-1, 2}};
  *instance = png;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){((struct png *)instance)->outputs, 2};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

/* Decodes behind the rows that are there already; *n_rows grows by the picture's. */
static weft_status read_pixels(struct weft_call *call, struct decode *decode, int64_t *n_rows)
{
  struct weft_output *output = &call->outputs[PIXELS];
  if (!output->wanted)
    return WEFT_OK;
  int64_t room = (int64_t)((decode_room(decode) + PIXEL_BYTES - 1) / PIXEL_BYTES);
  weft_status status = host->output_reserve(call, PIXELS, *n_rows + room);
  if (status != WEFT_OK) {
    snprintf(decode->reason, sizeof decode->reason, "no room for the pixels");
    return status;
  }
  status = decode_pixels(decode, (uint8_t *)output->tensor.data + PIXEL_BYTES * *n_rows, call->cancel);
  if (status == WEFT_OK)
    *n_rows += (int64_t)decode->height * decode->width;
  return status;
}

static weft_status read_item(const struct png *png, struct weft_call *call, uint32_t item, int64_t *n_rows)
{
  struct weft_rows rows = weft_rows_of(call->inputs[0], item);
  const uint8_t *bytes = rows.begin < rows.end ? (const uint8_t *)call->inputs[0]->data + rows.begin : NULL;
  struct decode decode = {0};
  weft_status status = decode_begin(&decode, bytes, (size_t)(rows.end - rows.begin), &png->limits);
  if (status == WEFT_OK)
    status = read_pixels(call, &decode, n_rows);
  decode_end(&decode);
  if (status == WEFT_CANCELLED)
    return status;
  if (status != WEFT_OK)
    host->fail_item(call, item, status, "%s", decode.reason);
  if (call->outputs[SIZE].wanted) {
    int32_t *size = (int32_t *)call->outputs[SIZE].tensor.data + 2 * (int64_t)item;
    size[0] = status == WEFT_OK ? (int32_t)decode.height : 0;
    size[1] = status == WEFT_OK ? (int32_t)decode.width : 0;
  }
  return WEFT_OK;
}

static weft_status process(void *instance, struct weft_call *call)
{
  struct weft_output *output = &call->outputs[PIXELS];
  int64_t n_rows = 0;
  if (output->wanted)
    output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    if (weft_cancelled(call) || read_item(instance, call, i, &n_rows) == WEFT_CANCELLED)
      return WEFT_CANCELLED;
    if (output->wanted)
      output->splits[0][i + 1] = n_rows;
  }
  output->tensor.dims[0] = n_rows;
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

static weft_status init(const struct weft_host *table)
{
  host = table;
  return WEFT_OK;
}

static const struct weft_node *get_node(const char *id)
{
  return strcmp(id, "png") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
