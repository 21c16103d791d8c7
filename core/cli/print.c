/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "command.h"
#include "diagnostic-json.h"
#include <stdio.h>
#include <string.h>

static const char *text_at(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void print_value(const json_t *value)
{
  if (json_is_string(value)) {
    printf("%s", json_string_value(value));
  } else if (json_is_real(value)) {
    printf("%.6g", json_real_value(value));
  } else {
    g_autofree char *text = NULL;
    char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(5));
    text = g_strdup(dumped ? dumped : "null");
    free(dumped);
    printf("%s", text);
  }
}

static void print_weights(const json_t *all)
{
  const char *node, *name;
  json_t *weights, *weight;
  json_object_foreach((json_t *)all, node, weights)
  {
    printf("%-13s", json_object_size(all) > 1 ? node : "weights");
    const char *comma = "";
    json_object_foreach(weights, name, weight)
    {
      printf("%s%s %.3f", comma, name, json_number_value(weight));
      comma = ", ";
    }
    putchar('\n');
  }
}

static const char *skipped_for(const char *why)
{
  return strcmp(why, "absent") == 0    ? " (no input)"
         : strcmp(why, "when") == 0    ? " (its condition does not hold)"
         : strcmp(why, "refused") == 0 ? " (the request was refused)"
         : *why                        ? " (the request had failed)"
                                       : "";
}

static void print_path(const json_t *answer)
{
  const json_t *explain = json_object_get(answer, "explain");
  size_t i;
  json_t *node;
  printf("\n%-12s %-22s %-9s %-9s %9s  %s\n", "node", "plugin", "kind", "where", "ms", "from");
  json_array_foreach(json_object_get(explain, "path"), i, node)
  {
    g_autofree char *plugin = g_strdup_printf("%s@%s", text_at(node, "plugin"), text_at(node, "version"));
    printf("%-12s %-22s %-9s %-9s ", text_at(node, "node"), plugin, text_at(node, "kind"),
           json_is_true(json_object_get(node, "isolated")) ? "worker" : "process");
    if (json_is_true(json_object_get(node, "ran")))
      printf("%9.3f  ", json_number_value(json_object_get(node, "ms")));
    else
      printf("%9s  ", "skipped");
    size_t k;
    json_t *from;
    json_array_foreach(json_object_get(node, "from"), k, from)
    {
      printf("%s%s", k ? ", " : "", json_string_value(from));
    }
    printf("%s\n", skipped_for(text_at(node, "skipped")));
  }
  const char *name;
  json_t *value;
  json_object_foreach(json_object_get(explain, "values"), name, value)
  {
    printf("%-24s ", name);
    print_value(value);
    putchar('\n');
  }
  printf("revision     %s\nfingerprint  %s\ntotal        %.3f ms\n", text_at(answer, "revision"),
         text_at(answer, "fingerprint"),
         json_number_value(json_object_get(json_object_get(answer, "timings"), "total_ms")));
}

/* Text given on the command line may be long. */
#define SHOWN_BYTES 80

static void print_given(const char *input, const char *value)
{
  gsize n = strlen(value), shown = n;
  if (n > SHOWN_BYTES)
    for (shown = SHOWN_BYTES; shown > 0 && (value[shown] & 0xC0) == 0x80;)
      shown--;
  fprintf(stderr, "--%s %.*s%s: ", input, (int)shown, value, shown < n ? "..." : "");
}

static int print_failure(const json_t *answer, GHashTable *given)
{
  const json_t *error = json_object_get(answer, "error");
  const char *node = text_at(error, "node"), *input = text_at(error, "input");
  const char *value = g_hash_table_lookup(given, input);
  fprintf(stderr, "weft run: ");
  if (value)
    print_given(input, value);
  const char *message = text_at(error, "message");
  if (node[0] && strcmp(node, input) != 0 && !g_str_has_prefix(message, "node '"))
    fprintf(stderr, "node \"%s\": ", node);
  fprintf(stderr, "%s (%s)\n", message, text_at(error, "code"));
  return WEFT_EXIT_FAILED;
}

/* What the caller is to read goes to standard output, why to standard error. */
static int print_refusal(const json_t *answer)
{
  const json_t *refusal = json_object_get(answer, "refusal");
  size_t i;
  json_t *rule;
  if (*text_at(answer, "message"))
    printf("%s\n", text_at(answer, "message"));
  fflush(stdout);
  fprintf(stderr, "weft run: refused by filter \"%s\": its verdict is %s", text_at(refusal, "node"),
          text_at(refusal, "verdict"));
  json_array_foreach(json_object_get(refusal, "rules"), i, rule)
  {
    fprintf(stderr, "%s%s", i ? ", " : " (rules: ", json_string_value(rule));
  }
  fprintf(stderr, "%s\n", i ? ")" : "");
  return WEFT_EXIT_REFUSED;
}

static void print_degradation(const json_t *answer)
{
  const char *node, *input;
  json_t *inputs, *why, *error;
  size_t i;
  json_array_foreach(json_object_get(answer, "errors"), i, error)
  {
    fprintf(stderr, "weft run: degraded: node \"%s\": %s (%s)\n", text_at(error, "node"), text_at(error, "message"),
            text_at(error, "code"));
  }
  json_object_foreach(json_object_get(answer, "absent"), node, inputs)
  {
    json_object_foreach(inputs, input, why)
    {
      fprintf(stderr, "weft run: degraded: node \"%s\" went without \"%s\" (%s)\n", node, input, json_string_value(why));
    }
  }
}

int weft_print_answer(const json_t *answer, gboolean as_json, gboolean explain, GHashTable *given)
{
  const char *status = text_at(answer, "status");
  gboolean refused = strcmp(status, "refused") == 0, degraded = strcmp(status, "degraded") == 0;
  gboolean failed = !refused && !degraded && strcmp(status, "ok") != 0;
  if (as_json) {
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
  } else if (!failed && !refused) {
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(answer, "outputs"), name, value)
    {
      printf("%-12s ", name);
      print_value(value);
      putchar('\n');
    }
    print_weights(json_object_get(answer, "weights"));
  }
  if (explain && !as_json)
    print_path(answer);
  if (fflush(stdout) != 0) {
    perror("weft run: the answer cannot be written to standard output");
    return WEFT_EXIT_FAILED;
  }
  if (as_json)
    return refused ? WEFT_EXIT_REFUSED : failed ? WEFT_EXIT_FAILED : WEFT_EXIT_OK;
  if (degraded)
    print_degradation(answer);
  return refused ? print_refusal(answer) : failed ? print_failure(answer, given) : WEFT_EXIT_OK;
}

void weft_print_diagnostics(const WeftDiagnostics *diagnostics, gboolean as_json)
{
  if (!as_json) {
    g_autofree char *text = weft_diagnostics_text(diagnostics);
    fputs(text, stderr);
    return;
  }
  weft_command_print_json(weft_diagnostics_json(diagnostics));
}
