/* SPDX-License-Identifier: Apache-2.0 */
#include "derived-file.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a over 64 bits; two of them from different starts name a file, whose header then must be equal in full. */
static uint64_t hash(uint64_t at, const void *data, uint64_t n)
{
  const uint8_t *bytes = data;
  for (uint64_t i = 0; i < n; i++)
    at = (at ^ bytes[i]) * UINT64_C(0x100000001b3);
  return at;
}

static uint64_t hash_key(uint64_t at, const struct weft_derived_key *key)
{
  at = hash(at, key->layout, strlen(key->layout) + 1);
  at = hash(at, &key->n_bytes, sizeof key->n_bytes);
  return hash(at, key->content, key->n_content);
}

void weft_derived_name(const struct weft_derived_key *key, char *out)
{
  snprintf(out, WEFT_DERIVED_KEY_BYTES, "%016llx%016llx",
           (unsigned long long)hash_key(UINT64_C(0xcbf29ce484222325), key),
           (unsigned long long)hash_key(UINT64_C(0x9ae16a3b2f90404f), key));
}

int weft_derived_is_name(const char *text)
{
  size_t n = strspn(text, "0123456789abcdef");
  return n == WEFT_DERIVED_KEY_BYTES - 1 && !text[n];
}

static int is_sound(const struct weft_derived_key *key)
{
  return strlen(key->layout) < WEFT_DERIVED_MAX_LAYOUT && key->n_content <= WEFT_DERIVED_MAX_CONTENT && key->n_bytes > 0 &&
         key->n_bytes < UINT64_C(1) << 48;
}

uint64_t weft_derived_header_bytes(const struct weft_derived_key *key)
{
  uint64_t n = sizeof(struct weft_derived_header) + strlen(key->layout) + 1 + key->n_content;
  return (n + WEFT_DERIVED_PAGE - 1) / WEFT_DERIVED_PAGE * WEFT_DERIVED_PAGE;
}

void weft_derived_put_header(const struct weft_derived_key *key, const char *digest, void *out)
{
  struct weft_derived_header header = {.n_header = weft_derived_header_bytes(key), .n_bytes = key->n_bytes,
                                       .n_content = key->n_content, .n_layout = (uint32_t)strlen(key->layout) + 1};
  memcpy(header.magic, WEFT_DERIVED_MAGIC, sizeof header.magic);
  memcpy(header.digest, digest, sizeof header.digest);
  memset(out, 0, header.n_header);
  memcpy(out, &header, sizeof header);
  memcpy((char *)out + sizeof header, key->layout, header.n_layout);
  memcpy((char *)out + sizeof header + header.n_layout, key->content, key->n_content);
}

const struct weft_derived_header *weft_derived_look(const void *file, uint64_t n, const char **layout)
{
  const struct weft_derived_header *header = file;
  if (n < sizeof *header || memcmp(header->magic, WEFT_DERIVED_MAGIC, sizeof header->magic) != 0 ||
      header->n_layout < 1 || header->n_layout > WEFT_DERIVED_MAX_LAYOUT || header->n_content > WEFT_DERIVED_MAX_CONTENT ||
      header->n_header % WEFT_DERIVED_PAGE || header->n_header > n || header->n_bytes != n - header->n_header ||
      sizeof *header + header->n_layout + header->n_content > header->n_header)
    return NULL;
  const char *text = (const char *)(header + 1);
  *layout = text;
  return memchr(text, 0, header->n_layout) == text + header->n_layout - 1 ? header : NULL;
}

int weft_derived_payload(const struct weft_resource *file, const struct weft_derived_key *key, struct weft_resource *out)
{
  const char *layout = NULL;
  const struct weft_derived_header *header = file->data ? weft_derived_look(file->data, file->n_bytes, &layout) : NULL;
  if (!header || header->n_bytes != key->n_bytes || header->n_content != key->n_content ||
      strcmp(layout, key->layout) != 0 || memcmp(layout + header->n_layout, key->content, key->n_content) != 0)
    return 0;
  *out = (struct weft_resource){(const char *)file->data + header->n_header, header->n_bytes, file->id};
  return 1;
}

static int find(struct weft_setup *setup, const struct weft_derived_key *key, struct weft_resource *out)
{
  char name[sizeof "derived/" + WEFT_DERIVED_KEY_BYTES] = "derived/";
  struct weft_resource file;
  if (!setup || !is_sound(key))
    return 0;
  weft_derived_name(key, name + strlen(name));
  if (weft_host_table()->resource_open(setup, name, WEFT_RESOURCE_OPTIONAL, &file) != WEFT_OK || !file.data)
    return 0;
  if (weft_derived_payload(&file, key, out))
    return 1;
  weft_host_table()->log(WEFT_LOG_WARNING, "%s of the model (%s) is damaged: its weights are packed anew", name, key->layout);
  return 0;
}

static int keep(struct weft_setup *setup, const struct weft_derived_key *key, const void *bytes, struct weft_resource *out)
{
  return setup && setup->derived_keep && is_sound(key) ? setup->derived_keep(setup, key, bytes, out) : 0;
}

const struct weft_derived *weft_derived_table(void)
{
  static const struct weft_derived table = {.size = sizeof table, .find = find, .keep = keep};
  return &table;
}
