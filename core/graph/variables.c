/* SPDX-License-Identifier: Apache-2.0 */
#include "variables.h"

#include "catalogue.h"
#include <string.h>

typedef struct {
  char *name, *value;
  gboolean used;
} Variable;

struct WeftVariables {
  GPtrArray *list; /* of Variable */
  gboolean params; /* given under params of a node */
};

static void variable_free(gpointer data)
{
  Variable *variable = data;
  g_free(variable->name);
  g_free(variable->value);
  g_free(variable);
}

WeftVariables *weft_variables_new(void)
{
  WeftVariables *variables = g_new0(WeftVariables, 1);
  variables->list = g_ptr_array_new_with_free_func(variable_free);
  return variables;
}

WeftVariables *weft_variables_new_params(void)
{
  WeftVariables *variables = weft_variables_new();
  variables->params = TRUE;
  return variables;
}

void weft_variables_free(WeftVariables *variables)
{
  if (!variables)
    return;
  g_ptr_array_unref(variables->list);
  g_free(variables);
}

/* Bytes of a name at the start of the text; 0: none. */
static gsize name_length(const char *text)
{
  gsize n = 0;
  while (g_ascii_isalpha(text[n]) || text[n] == '_' || (n && g_ascii_isdigit(text[n])))
    n++;
  return n;
}

static Variable *find(const WeftVariables *variables, const char *name, gsize n)
{
  for (guint i = 0; variables && i < variables->list->len; i++) {
    Variable *variable = variables->list->pdata[i];
    if (strlen(variable->name) == n && strncmp(variable->name, name, n) == 0)
      return variable;
  }
  return NULL;
}

gboolean weft_variables_set(WeftVariables *variables, const char *given, char **problem)
{
  gsize n = name_length(given), n_value = given[n] == '=' ? strlen(given + n + 1) : 0;
  if (n == 0 || given[n] != '=')
    *problem = g_strdup("expected NAME=VALUE, the name of letters, digits and \"_\"");
  else if (n > WEFT_VARIABLE_MAX_NAME)
    *problem = g_strdup_printf("the name has %" G_GSIZE_FORMAT " bytes, at most %d are allowed (WEFT_VARIABLE_MAX_NAME)", n,
                               WEFT_VARIABLE_MAX_NAME);
  else if (n_value > WEFT_VARIABLE_MAX_BYTES)
    *problem = g_strdup_printf("the value has %" G_GSIZE_FORMAT " bytes, at most %d are allowed (WEFT_VARIABLE_MAX_BYTES)",
                               n_value, WEFT_VARIABLE_MAX_BYTES);
  else if (!g_utf8_validate(given + n + 1, -1, NULL))
    *problem = g_strdup("the value is not UTF-8");
  else if (find(variables, given, n))
    *problem = g_strdup("it is given twice");
  else if (variables->list->len == WEFT_VARIABLES_MAX)
    *problem = g_strdup_printf("more than %d variables (WEFT_VARIABLES_MAX)", WEFT_VARIABLES_MAX);
  else {
    Variable *variable = g_new0(Variable, 1);
    variable->name = g_strndup(given, n);
    variable->value = g_strdup(given + n + 1);
    g_ptr_array_add(variables->list, variable);
    return TRUE;
  }
  return FALSE;
}

const char *weft_variables_unused(const WeftVariables *variables)
{
  for (guint i = 0; variables && i < variables->list->len; i++) {
    const Variable *variable = variables->list->pdata[i];
    if (!variable->used)
      return variable->name;
  }
  return NULL;
}

static void undefined(const WeftVariables *variables, const char *name, gsize n, WeftVariableFault *fault)
{
  g_autofree char *word = g_strndup(name, n);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; variables && i < variables->list->len; i++)
    g_ptr_array_add(names, ((Variable *)variables->list->pdata[i])->name);
  fault->message = g_strdup_printf("the variable \"%s\" is not given", word);
  fault->hint = variables && variables->params
                    ? g_strdup_printf("give it where the pipeline is used, such as params: {%s: VALUE}; $${ is a literal ${", word)
                    : g_strdup_printf("give it with --set %s=VALUE; $${ is a literal ${", word);
  fault->closest = g_strdup(weft_closest(word, (const char *const *)names->pdata, names->len));
}

char *weft_variables_expand(WeftVariables *variables, const char *text, WeftVariableFault *fault)
{
  g_autoptr(GString) out = g_string_new(NULL);
  *fault = (WeftVariableFault){0};
  for (const char *c = text; *c;) {
    if (strncmp(c, "$${", 3) == 0) {
      g_string_append(out, "${");
      c += 3;
      continue;
    }
    if (strncmp(c, "${", 2) != 0) {
      g_string_append_c(out, *c++);
      continue;
    }
    gsize n = name_length(c + 2);
    fault->offset = (gsize)(c - text);
    if (n == 0 || n > WEFT_VARIABLE_MAX_NAME || c[2 + n] != '}') {
      fault->message = g_strdup("expected ${NAME}, the name of letters, digits and \"_\"");
      fault->hint = g_strdup("$${ is a literal ${");
      return NULL;
    }
    Variable *variable = find(variables, c + 2, n);
    if (!variable) {
      undefined(variables, c + 2, n, fault);
      return NULL;
    }
    variable->used = TRUE;
    g_string_append(out, variable->value);
    c += 3 + n;
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}
