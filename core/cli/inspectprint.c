/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static long long int_of(const json_t *object, const char *key)
{
  return json_integer_value(json_object_get(object, key));
}

static char *size_of(long long n_bytes)
{
  return n_bytes >= 1000000 ? g_strdup_printf("%.1f MB", (double)n_bytes / 1e6)
                            : g_strdup_printf("%.1f kB", (double)n_bytes / 1e3);
}

/* " %3, %4" of the rows that a step reads. */
static void add_reads(GString *line, const json_t *step)
{
  size_t i;
  const json_t *value;
  json_array_foreach(json_object_get(step, "reads"), i, value)
    g_string_append_printf(line, "%s%%%lld", i ? ", " : "", (long long)json_integer_value(value));
}

/* %8 = linear(%5) name [1536 x 384] int8 (avx2-int8), bias, gelu, x %7, + %3 */
static char *step_line(const json_t *step)
{
  GString *line = g_string_new(NULL);
  const char *does = text_of(step, "does"), *weight = text_of(step, "weight");
  if (strcmp(does, "prepare") == 0) {
    g_string_append(line, "prepare ");
    add_reads(line, step);
    g_string_append_printf(line, " for %s, %lld bytes a row", text_of(step, "kernels"), int_of(step, "row_bytes"));
    return g_string_free(line, FALSE);
  }
  g_string_append_printf(line, "%%%lld = %s(", int_of(step, "writes"), does);
  add_reads(line, step);
  g_string_append_printf(line, ")%s%s", *weight ? " " : "", weight);
  if (strcmp(does, "product") != 0)
    return g_string_free(line, FALSE);
  g_string_append_printf(line, " [%lld x %lld] %s (%s)", int_of(step, "n"), int_of(step, "k"), text_of(step, "format"),
                         text_of(step, "kernels"));
  if (json_is_true(json_object_get(step, "bias")))
    g_string_append(line, ", bias");
  if (json_object_get(step, "activation"))
    g_string_append_printf(line, ", %s", text_of(step, "activation"));
  if (json_object_get(step, "multiplier"))
    g_string_append_printf(line, ", x %%%lld", int_of(step, "multiplier"));
  if (json_object_get(step, "residual"))
    g_string_append_printf(line, ", + %%%lld", int_of(step, "residual"));
  return g_string_free(line, FALSE);
}

static void print_step(const char *before, const json_t *step)
{
  g_autofree char *line = step_line(step);
  printf("  %-14s %s\n", before, line);
}

static void print_chain(const json_t *chain)
{
  size_t p, s;
  const json_t *phase, *step;
  g_autofree char *row = size_of(int_of(chain, "row_bytes"));
  printf("  chain          blocks of %lld rows, %s each\n", int_of(chain, "block_rows"), row);
  json_array_foreach(json_object_get(chain, "phases"), p, phase)
    json_array_foreach(json_object_get(phase, "steps"), s, step)
      print_step(s ? "" : strcmp(text_of(phase, "by"), "rows") == 0 ? "  by rows" : "  by columns", step);
}

static void print_plan(const char *node, const json_t *plan)
{
  size_t i;
  const json_t *unit;
  g_autofree char *packed = size_of(int_of(plan, "packed_bytes")), *scratch = size_of(int_of(plan, "scratch_bytes_128_rows"));
  const json_t *units = json_object_get(plan, "units");
  printf("%s: %s on %s, %lld thread%s; %lld operations in %zu parts\n", node, text_of(plan, "precision"), text_of(plan, "isa"),
         int_of(plan, "threads"), int_of(plan, "threads") == 1 ? "" : "s", int_of(plan, "operations"), json_array_size(units));
  printf("  packed weights %s; scratch for one item of 128 rows %s; %lld buffers, %lld bytes a row\n", packed, scratch,
         int_of(plan, "buffers"), int_of(plan, "buffer_row_bytes"));
  json_array_foreach(units, i, unit) {
    const json_t *chain = json_object_get(unit, "chain");
    if (chain)
      print_chain(chain);
    else
      print_step("operation", unit);
  }
}

void weft_inspect_print_plans(const json_t *report)
{
  size_t i, k;
  const json_t *node, *plan;
  json_array_foreach(json_object_get(report, "nodes"), i, node)
    json_array_foreach(json_object_get(node, "plans"), k, plan) {
      if (i || k)
        putchar('\n');
      print_plan(text_of(node, "node"), plan);
    }
}

void weft_inspect_print_compute(const json_t *report)
{
  size_t i;
  const json_t *set, *product, *caches = json_object_get(report, "cache_bytes");
  const json_t *threads = json_object_get(report, "threads");
  const char *forced = text_of(report, "forced");
  printf("%s\n", text_of(report, "fingerprint"));
  printf("  instruction set  %s%s%s\n", text_of(report, "isa"), *forced ? ", forced by WEFT_COMPUTE_ISA=" : "", forced);
  printf("  here             ");
  json_array_foreach(json_object_get(report, "sets"), i, set)
    printf("%s%s%s", i ? ", " : "", text_of(set, "name"), json_is_true(json_object_get(set, "runs")) ? "" : " (no)");
  printf("\n  operations       %s\n", text_of(report, "operations"));
  printf("  caches           %lld, %lld, %lld kB\n", (long long)json_integer_value(json_array_get(caches, 0)) / 1024,
         (long long)json_integer_value(json_array_get(caches, 1)) / 1024,
         (long long)json_integer_value(json_array_get(caches, 2)) / 1024);
  printf("  threads          %lld: %s\n", int_of(threads, "n"), text_of(threads, "why"));
  printf("  f32 peak         %.1f GFLOP/s of one thread, measured just now\n",
         json_number_value(json_object_get(report, "f32_peak_gflops")));
  json_array_foreach(json_object_get(report, "products"), i, product) {
    if (!json_is_true(json_object_get(product, "used")))
      continue;
    printf("  %-4s products    %s, tiles of %lld x %lld: %.1f GOP/s, %.0f %% of that\n", text_of(product, "format"),
           text_of(product, "name"), int_of(product, "rows"), int_of(product, "columns"),
           json_number_value(json_object_get(product, "gops")),
           100 * json_number_value(json_object_get(product, "share_of_f32_peak")));
  }
}
