/* SPDX-License-Identifier: Apache-2.0 */
#include "sniff.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <weft/entry.h>
#include <weft/manifest.h>
#include <weft/reader.h>

#define TEXT 0
#define BOM "\xEF\xBB\xBF"
#define BOM_BYTES 3

static const struct weft_host *host;

struct text {
  int64_t max_bytes;
  struct weft_port output;
  struct weft_rows_term rows;
};

static const struct weft_attribute text_attributes[] = {{WEFT_ATTRIBUTE_MODALITY, "text"}};

static weft_status create(struct weft_setup *setup, const struct weft_config *config, void **instance)
{
  struct text *text = calloc(1, sizeof *text);
  if (!text)
    return host->fail(setup, WEFT_NO_MEMORY, "no memory for the node");
  text->max_bytes = weft_parameter_find(config, "max_bytes")->integer;
  text->rows = (struct weft_rows_term){.input = 0, .of = WEFT_COUNT_ROWS, .factor = 1};
  text->output = (struct weft_port){.name = "text", .dtype = weft_u8(), .rank = 1, .dims = {-1}, .n_split_levels = 1,
                                    .rows_kind = WEFT_ROWS_BOUNDED, .terms = &text->rows, .n_terms = 1,
                                    .attributes = text_attributes, .n_attributes = 1};
  *instance = text;
  return WEFT_OK;
}

static weft_status ports(void *instance, struct weft_setup *setup, struct weft_ports *out)
{
  *out = (struct weft_ports){&((struct text *)instance)->output, 1};
  return WEFT_OK;
}

static weft_status activate(void *instance, struct weft_setup *setup, const struct weft_limits *limits,
                            uint64_t *n_scratch_bytes)
{
  *n_scratch_bytes = 0;
  return WEFT_OK;
}

/* Checks one text; the offset in a message counts from the file's first byte, as editors do. */
static weft_status check(const struct text *text, struct weft_call *call, uint32_t item, const char *bytes, int64_t n)
{
  if (n > text->max_bytes)
    return host->fail_item(call, item, WEFT_BAD_INPUT, "%lld bytes of text are beyond max_bytes (%lld)", (long long)n,
                           (long long)text->max_bytes);
  int64_t invalid = weft_utf8_invalid_at(bytes, (uint64_t)n);
  const char *zero = n > 0 ? memchr(bytes, 0, (size_t)n) : NULL;
  if (invalid < 0 && !zero)
    return WEFT_OK;
  const char *looks = weft_sniff(bytes, (uint64_t)n);
  if (zero && (invalid < 0 || zero - bytes < invalid))
    return host->fail_item(call, item, WEFT_BAD_INPUT,
                           "expected UTF-8 text, found a NUL byte at offset %lld; the file looks like %s",
                           (long long)(zero - bytes), looks);
  return host->fail_item(call, item, WEFT_BAD_INPUT,
                         "expected UTF-8 text, found the byte 0x%02X at offset %lld; the file looks like %s",
                         (unsigned char)bytes[invalid], (long long)invalid,
                         strcmp(looks, "text") == 0 ? "text in another encoding" : looks);
}

static weft_status process(void *instance, struct weft_call *call)
{
  const struct weft_tensor *input = call->inputs[0];
  struct weft_output *output = &call->outputs[TEXT];
  int64_t n_rows = 0;
  if (weft_cancelled(call))
    return WEFT_CANCELLED;
  if (output->wanted)
    output->splits[0][0] = 0;
  for (uint32_t i = 0; i < call->n_items; i++) {
    struct weft_rows rows = weft_rows_of(input, i);
    int64_t n = rows.end - rows.begin;
    const char *bytes = n > 0 ? (const char *)input->data + rows.begin : "";
    weft_status status = check(instance, call, i, bytes, n);
    int64_t skip = n >= BOM_BYTES && memcmp(bytes, BOM, BOM_BYTES) == 0 ? BOM_BYTES : 0;
    if (!output->wanted)
      continue;
    if (status == WEFT_OK && n > skip) {
      memcpy((char *)output->tensor.data + n_rows, bytes + skip, (size_t)(n - skip));
      n_rows += n - skip;
    }
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
  return strcmp(id, "text") == 0 ? &node : NULL;
}

WEFT_EXPORT const struct weft_entry weft_entry = {
    sizeof(struct weft_entry), WEFT_CONTRACT_VERSION, WEFT_CONTRACT_LOWEST, 0, init, NULL, get_node, NULL};
