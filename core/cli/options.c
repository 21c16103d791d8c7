/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "catalogue.h"
#include <string.h>

gboolean weft_option_time(const char *text, guint64 *ns)
{
  char *end = NULL;
  double value = g_ascii_strtod(text, &end);
  while (*end == ' ')
    end++;
  double scale = strcmp(end, "ms") == 0 ? 1e6 : strcmp(end, "s") == 0 ? 1e9 : strcmp(end, "us") == 0 ? 1e3 : 0;
  if (end == text || scale == 0 || !(value * scale >= 1) || value * scale > 1e18)
    return FALSE;
  *ns = (guint64)(value * scale);
  return TRUE;
}

static const WeftOption *find(const WeftArguments *arguments, const char *name)
{
  for (guint i = 0; i < arguments->n_options; i++)
    if (strcmp(arguments->options[i].name, name) == 0)
      return &arguments->options[i];
  return NULL;
}

static int unknown(const WeftArguments *arguments, const char *name)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < arguments->n_options; i++)
    g_ptr_array_add(names, (gpointer)arguments->options[i].name);
  const char *closest = weft_closest(name, (const char *const *)names->pdata, names->len);
  return weft_command_usage_error(arguments->command, "--%s: there is no such option%s%s%s", name,
                                  closest ? "; did you mean --" : "", closest ? closest : "", closest ? "?" : "");
}

static int take(const WeftCommand *command, const WeftOption *option, const char *value)
{
  const char **text = option->target;
  guint64 *number = option->target;
  if (!*value)
    return weft_command_usage_error(command, "--%s: the value is empty", option->name);
  switch (option->kind) {
  case WEFT_OPTION_LIST:
    g_ptr_array_add(option->target, (gpointer)value);
    return WEFT_EXIT_OK;
  case WEFT_OPTION_TEXT:
    if (*text)
      return weft_command_usage_error(command, "--%s is given twice: %s and %s", option->name, *text, value);
    *text = value;
    return WEFT_EXIT_OK;
  case WEFT_OPTION_TIME:
    if (weft_option_time(value, number))
      return WEFT_EXIT_OK;
    return weft_command_usage_error(command, "--%s %s: expected a time with a unit, such as 500 ms", option->name, value);
  default:
    if (g_ascii_string_to_unsigned(value, 10, option->least, option->most, number, NULL))
      return WEFT_EXIT_OK;
    return weft_command_usage_error(command, "--%s %s: expected a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                                    option->name, value, option->least, option->most);
  }
}

int weft_options_parse(WeftArguments *arguments, int argc, char **argv)
{
  arguments->n_words = 0;
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
      if (arguments->n_words == arguments->n_words_max)
        return weft_command_usage_error(arguments->command, "%s: unexpected argument", word);
      arguments->words[arguments->n_words++] = word;
      continue;
    }
    const char *equals = strchr(word, '=');
    g_autofree char *name = g_strndup(word + 2, equals ? (gsize)(equals - word - 2) : strlen(word + 2));
    const WeftOption *option = find(arguments, name);
    if (!option)
      return unknown(arguments, name);
    if (option->kind == WEFT_OPTION_FLAG) {
      if (equals)
        return weft_command_usage_error(arguments->command, "%s: --%s takes no value", word, name);
      *(gboolean *)option->target = TRUE;
      continue;
    }
    if (!equals && i + 1 == argc)
      return weft_command_usage_error(arguments->command, "%s: a value is missing", word);
    int code = take(arguments->command, option, equals ? equals + 1 : argv[++i]);
    if (code != WEFT_EXIT_OK)
      return code;
  }
  return WEFT_EXIT_OK;
}
