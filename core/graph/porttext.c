/* SPDX-License-Identifier: Apache-2.0 */
/* A port in words: what a plugin's code answered, or what its manifest says. */
#include "resolve.h"

#include <string.h>

/* Digests and lists of labels are long: a message shows where they begin. */
char *weft_shorten(const char *value)
{
  const char *slash = strchr(value, '/');
  if (slash && slash - value == 64)
    return g_strdup_printf("%.12s...%s", value, slash);
  if (strlen(value) <= 60)
    return g_strdup(value);
  g_autofree char *begin = g_utf8_validate(value, -1, NULL) ? g_utf8_substring(value, 0, MIN(57, g_utf8_strlen(value, -1)))
                                                            : g_strndup(value, 57);
  return g_strconcat(begin, "...", NULL);
}

static void add_attribute(WeftPortText *text, const char *key, const char *value)
{
  g_ptr_array_add(text->attributes, g_strdup(key));
  g_ptr_array_add(text->attributes, g_strdup(value));
}

static WeftPortText *text_new(const char *node, const char *plugin, const char *port, struct weft_dtype dtype,
                              guint n_splits)
{
  WeftPortText *text = g_new0(WeftPortText, 1);
  const char *name = weft_dtype_name(dtype);
  text->node = g_strdup(node);
  text->plugin = g_strdup(plugin);
  text->port = g_strdup(port);
  text->dtype = g_strdup(name ? name : "an unknown type");
  text->dims = g_ptr_array_new_with_free_func(g_free);
  text->attributes = g_ptr_array_new_with_free_func(g_free);
  text->n_splits = n_splits;
  g_ptr_array_add(text->dims, g_strdup("*"));
  return text;
}

WeftPortText *weft_port_text(const struct weft_port *port, const char *node, const char *plugin)
{
  WeftPortText *text = text_new(node, plugin, port->name, port->dtype, port->n_split_levels);
  for (guint d = 1; d < MIN(port->rank, WEFT_MAX_RANK); d++) /* a plugin may have answered anything */
    g_ptr_array_add(text->dims, port->dims[d] < 0 ? g_strdup("*") : g_strdup_printf("%" G_GINT64_FORMAT, port->dims[d]));
  for (guint i = 0; i < port->n_attributes; i++)
    add_attribute(text, port->attributes[i].key, port->attributes[i].value);
  return text;
}

WeftPortText *weft_port_spec_text(const WeftPortSpec *spec, const char *key, const char *node, const char *plugin)
{
  WeftPortText *text = text_new(node, plugin, key ? key : spec->name, spec->dtype, spec->n_splits);
  for (guint d = 1; d < spec->rank; d++)
    g_ptr_array_add(text->dims, spec->dims[d].size > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, spec->dims[d].size)
                                                       : g_strdup(spec->dims[d].name ? spec->dims[d].name : "*"));
  for (guint i = 0; i < spec->attributes->len; i++) {
    const WeftAttribute *attribute = spec->attributes->pdata[i];
    add_attribute(text, attribute->key, attribute->value);
  }
  return text;
}

char *weft_port_text_print(const WeftPortText *text)
{
  GString *out = g_string_new(text->dtype);
  g_string_append(out, " [");
  for (guint d = 0; d < text->dims->len; d++)
    g_string_append_printf(out, "%s%s", d ? ", " : "", (char *)text->dims->pdata[d]);
  g_string_append(out, text->n_splits == 0 ? "]" : text->n_splits == 1 ? "] ragged" : "] ragged groups");
  for (guint i = 0; i < text->attributes->len; i += 2) {
    g_autofree char *value = weft_shorten(text->attributes->pdata[i + 1]);
    g_string_append_printf(out, ", %s %s", (char *)text->attributes->pdata[i], value);
  }
  return g_string_free(out, FALSE);
}

char *weft_port_describe(const struct weft_port *port)
{
  WeftPortText *text = weft_port_text(port, NULL, NULL);
  char *out = weft_port_text_print(text);
  weft_port_text_free(text);
  return out;
}

void weft_port_text_free(WeftPortText *text)
{
  if (!text)
    return;
  g_free(text->node);
  g_free(text->plugin);
  g_free(text->port);
  g_free(text->dtype);
  g_ptr_array_unref(text->dims);
  g_ptr_array_unref(text->attributes);
  g_free(text);
}
