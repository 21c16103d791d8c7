/* SPDX-License-Identifier: Apache-2.0 */
#include "given.h"

#include "manifest.h"
#include <string.h>

int weft_given_set(const WeftCommand *command, const char *value, WeftVariables **variables)
{
  g_autofree char *problem = NULL;
  if (!*variables)
    *variables = weft_variables_new();
  if (weft_variables_set(*variables, value, &problem))
    return WEFT_EXIT_OK;
  return weft_command_usage_error(command, "--set %.80s: %s", value, problem);
}

static void entry_clear(gpointer data)
{
  struct weft_context_entry *entry = data;
  g_free((char *)entry->key);
  g_free((char *)entry->value);
}

GArray *weft_context_new(void)
{
  GArray *entries = g_array_new(FALSE, TRUE, sizeof(struct weft_context_entry));
  g_array_set_clear_func(entries, entry_clear);
  return entries;
}

GArray *weft_context_copy(const GArray *entries)
{
  GArray *copy = weft_context_new();
  for (guint i = 0; entries && i < entries->len; i++) {
    const struct weft_context_entry *given = &g_array_index(entries, struct weft_context_entry, i);
    struct weft_context_entry entry = {g_strdup(given->key), g_strdup(given->value)};
    g_array_append_val(copy, entry);
  }
  return copy;
}

int weft_context_take(const WeftCommand *command, const char *value, GArray *entries)
{
  const char *equals = strchr(value, '=');
  if (!equals || equals == value)
    return weft_command_usage_error(command, "--context %.80s: expected KEY=VALUE", value);
  struct weft_context_entry entry = {g_strndup(value, (gsize)(equals - value)), g_strdup(equals + 1)};
  g_array_append_val(entries, entry);
  return WEFT_EXIT_OK;
}

static const char *type_name(const json_t *value)
{
  return json_is_object(value)    ? "an object"
         : json_is_array(value)   ? "an array"
         : json_is_number(value)  ? "a number"
         : json_is_boolean(value) ? "true or false"
         : json_is_null(value)    ? "null"
                                  : "a text";
}

gboolean weft_context_take_json(const json_t *object, GArray *entries, GError **error)
{
  const char *key;
  json_t *value;
  if (!json_is_object(object)) {
    g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "\"$context\": expected an object of texts, found %s", type_name(object));
    return FALSE;
  }
  json_object_foreach((json_t *)object, key, value)
  {
    if (!json_is_string(value)) {
      g_set_error(error, WEFT_ERROR, WEFT_BAD_INPUT, "\"$context\": \"%.64s\" is a text, found %s", key, type_name(value));
      return FALSE;
    }
    for (guint i = entries->len; i-- > 0;) {
      if (strcmp(g_array_index(entries, struct weft_context_entry, i).key, key) == 0)
        g_array_remove_index(entries, i);
    }
    struct weft_context_entry entry = {g_strdup(key), g_strdup(json_string_value(value))};
    g_array_append_val(entries, entry);
  }
  return TRUE;
}

int weft_given_take(const WeftCommand *command, const GPtrArray *sets, const GPtrArray *contexts,
                    WeftVariables **variables, GArray *entries)
{
  int code = WEFT_EXIT_OK;
  for (guint i = 0; code == WEFT_EXIT_OK && i < sets->len; i++)
    code = weft_given_set(command, sets->pdata[i], variables);
  for (guint i = 0; code == WEFT_EXIT_OK && i < contexts->len; i++)
    code = weft_context_take(command, contexts->pdata[i], entries);
  return code;
}
