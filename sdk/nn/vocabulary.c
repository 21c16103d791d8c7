/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with ids: open addressing, keys one after another in one block. */
#include "message.h"
#include "tokenizer-private.h"

#include <stdlib.h>
#include <string.h>

struct entry {
  uint32_t key, n; /* in keys; n: bytes */
  int32_t id;      /* -1: free */
};

struct weft_vocabulary {
  struct entry *entries; /* [mask + 1] */
  uint64_t mask;
  char *keys;
  int32_t max_id;
  size_t max_bytes;
};

static uint64_t hash_of(const char *text, size_t n)
{
  uint64_t hash = WEFT_HASH_START;
  for (size_t i = 0; i < n; i++)
    hash = weft_hash_more(hash, text[i]);
  return hash;
}

/* Low bits of FNV depend on few input bits; fold the high ones in. */
static uint64_t slot_of(const struct weft_vocabulary *vocabulary, uint64_t hash)
{
  return (hash ^ hash >> 32) & vocabulary->mask;
}

static void insert(struct weft_vocabulary *vocabulary, uint32_t key, uint32_t n, int32_t id)
{
  uint64_t slot = slot_of(vocabulary, hash_of(vocabulary->keys + key, n));
  while (vocabulary->entries[slot].id >= 0)
    slot = (slot + 1) & vocabulary->mask;
  vocabulary->entries[slot] = (struct entry){key, n, id};
  if (id > vocabulary->max_id)
    vocabulary->max_id = id;
  if (n > vocabulary->max_bytes)
    vocabulary->max_bytes = n;
}

static weft_status check_id(const char *key, const json_t *value, const char *file, char *message)
{
  if (!json_is_integer(value) || json_integer_value(value) < 0 ||
      json_integer_value(value) >= WEFT_TOKENIZER_MAX_VOCABULARY)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: the id of '%.64s' should be an integer from 0 to %u", file, key,
                        WEFT_TOKENIZER_MAX_VOCABULARY - 1);
  return WEFT_OK;
}

weft_status weft_vocabulary_new(const json_t *object, const char *file, struct weft_vocabulary **out, char *message)
{
  *out = NULL;
  if (!json_is_object(object) || json_object_size(object) == 0)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: model.vocab should be an object of texts and ids", file);
  size_t n = json_object_size(object), n_keys = 0, n_slots = 16;
  if (n > WEFT_TOKENIZER_MAX_VOCABULARY)
    return weft_message(message, WEFT_BAD_CONFIG, "%s: %zu entries are beyond WEFT_TOKENIZER_MAX_VOCABULARY (%u)", file,
                        n, WEFT_TOKENIZER_MAX_VOCABULARY);
  while (n_slots < 2 * n)
    n_slots *= 2;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)object, key, value) {
    weft_status status = check_id(key, value, file, message);
    if (status != WEFT_OK)
      return status;
    n_keys += strlen(key);
  }
  struct weft_vocabulary *vocabulary = calloc(1, sizeof *vocabulary);
  if (vocabulary) {
    vocabulary->mask = n_slots - 1;
    vocabulary->keys = malloc(n_keys + 1);
    vocabulary->entries = malloc(n_slots * sizeof *vocabulary->entries);
  }
  if (!vocabulary || !vocabulary->keys || !vocabulary->entries) {
    weft_vocabulary_free(vocabulary);
    return weft_message(message, WEFT_NO_MEMORY, "%s: no memory for %zu entries", file, n);
  }
  for (size_t i = 0; i < n_slots; i++)
    vocabulary->entries[i].id = -1;
  uint32_t at = 0;
  json_object_foreach((json_t *)object, key, value) {
    uint32_t n_key = (uint32_t)strlen(key);
    memcpy(vocabulary->keys + at, key, n_key);
    insert(vocabulary, at, n_key, (int32_t)json_integer_value(value));
    at += n_key;
  }
  *out = vocabulary;
  return WEFT_OK;
}

void weft_vocabulary_free(struct weft_vocabulary *vocabulary)
{
  if (!vocabulary)
    return;
  free(vocabulary->entries);
  free(vocabulary->keys);
  free(vocabulary);
}

int32_t weft_vocabulary_max_id(const struct weft_vocabulary *vocabulary)
{
  return vocabulary->max_id;
}

size_t weft_vocabulary_max_bytes(const struct weft_vocabulary *vocabulary)
{
  return vocabulary->max_bytes;
}

int32_t weft_vocabulary_find(const struct weft_vocabulary *vocabulary, uint64_t hash, const char *head, size_t n_head,
                             const char *tail, size_t n_tail)
{
  for (uint64_t slot = slot_of(vocabulary, hash);; slot = (slot + 1) & vocabulary->mask) {
    const struct entry *entry = &vocabulary->entries[slot];
    if (entry->id < 0)
      return -1;
    const char *key = vocabulary->keys + entry->key;
    if (entry->n == n_head + n_tail && (n_head == 0 || memcmp(key, head, n_head) == 0) &&
        (n_tail == 0 || memcmp(key + n_head, tail, n_tail) == 0))
      return entry->id;
  }
}
