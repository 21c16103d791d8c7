/* SPDX-License-Identifier: Apache-2.0 */
/* A weft.eval/1 for people. */
#include "evalreport.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Widest confusion matrix that is printed as one; beyond it, the most frequent confusions. */
#define MATRIX_CLASSES 20
#define SHOWN_CONFUSIONS 20
/* Longest name of a class or group that a table has room for. */
#define NAME_WIDTH 28

static int integer_at(const json_t *object, const char *key)
{
  return (int)json_integer_value(json_object_get(object, key));
}

static double number_at(const json_t *object, const char *key)
{
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_at(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void print_number(double value, int width)
{
  if (isnan(value))
    printf("%*s", width, "-");
  else
    printf("%*.*f", width, fabs(value) < 100 ? 4 : 1, value);
}

/* Text in so many columns; bytes are not columns in UTF-8. */
static void print_name(const char *name, int width)
{
  g_autofree char *cut = g_utf8_substring(name, 0, MIN(g_utf8_strlen(name, -1), width));
  printf("%s%*s", cut, (int)(width - g_utf8_strlen(cut, -1)), "");
}

static int name_width(const json_t *names)
{
  size_t i;
  json_t *name;
  int width = 5;
  json_array_foreach((json_t *)names, i, name)
  {
    width = MAX(width, (int)g_utf8_strlen(json_string_value(name), -1));
  }
  return MIN(width, NAME_WIDTH);
}

static void print_lines(const json_t *report)
{
  static const char *const parts[] = {"answered", "degraded", "abstained", "refused", "failed", "unlabelled"};
  const json_t *lines = json_object_get(report, "lines");
  size_t i;
  json_t *error;
  const char *comma = " ";
  printf("%s on %s: %d requests:", text_at(report, "revision"), text_at(report, "data"), integer_at(lines, "total"));
  for (guint k = 0; k < G_N_ELEMENTS(parts); k++)
    if (k == 0 || integer_at(lines, parts[k]) > 0) {
      printf("%s%d %s", comma, integer_at(lines, parts[k]), parts[k]);
      comma = ", ";
    }
  putchar('\n');
  json_array_foreach(json_object_get(report, "masked"), i, error)
  {
    printf("without %s\n", json_string_value(error));
  }
  json_array_foreach(json_object_get(report, "shuffled"), i, error)
  {
    printf("with the %s of other requests\n", json_string_value(error));
  }
  if (json_array_size(json_object_get(report, "fields")) > 0)
    printf("fields beside the inputs:");
  json_array_foreach(json_object_get(report, "fields"), i, error)
  {
    printf(" %s", json_string_value(error));
  }
  if (json_array_size(json_object_get(report, "fields")) > 0)
    putchar('\n');
  json_array_foreach(json_object_get(report, "errors"), i, error)
  {
    printf("  %5d x %s\n", integer_at(error, "n"), text_at(error, "error"));
  }
}

static void print_values(const json_t *metrics)
{
  const char *name;
  json_t *metric;
  json_object_foreach((json_t *)metrics, name, metric)
  {
    printf("  %-14s", name);
    print_number(number_at(metric, "value"), 9);
    if (json_object_get(metric, "low"))
      printf("  [%.4f, %.4f]", number_at(metric, "low"), number_at(metric, "high"));
    putchar('\n');
  }
}

static void print_classes(const json_t *output)
{
  const json_t *list = json_object_get(output, "per_class");
  int width = name_width(json_object_get(output, "classes"));
  size_t i;
  json_t *one;
  if (!list)
    return;
  printf("\n  %-*s %9s %9s %9s %9s %9s\n", width, "class", "precision", "recall", "f1", "expected", "answered");
  json_array_foreach((json_t *)list, i, one)
  {
    printf("  ");
    print_name(text_at(one, "class"), width);
    printf(" %9.4f %9.4f %9.4f %9d %9d\n", number_at(one, "precision"), number_at(one, "recall"), number_at(one, "f1"),
           integer_at(one, "n_expected"), integer_at(one, "n_answered"));
  }
}

static void print_matrix(const json_t *rows, const json_t *classes)
{
  int width = name_width(classes), column = 5;
  size_t r, c;
  json_t *row, *cell, *name;
  json_array_foreach((json_t *)classes, c, name)
  {
    column = MAX(column, MIN((int)g_utf8_strlen(json_string_value(name), -1), 9));
  }
  printf("\n  confusion: rows are expected, columns answered\n  %*s", width, "");
  json_array_foreach((json_t *)classes, c, name)
  {
    int n = (int)g_utf8_strlen(json_string_value(name), -1);
    printf(" %*s", MAX(0, column - n), "");
    print_name(json_string_value(name), MIN(n, column));
  }
  putchar('\n');
  json_array_foreach((json_t *)rows, r, row)
  {
    printf("  ");
    print_name(json_string_value(json_array_get(classes, r)), width);
    json_array_foreach(row, c, cell)
    {
      int n = (int)json_integer_value(cell);
      if (n)
        printf(" %*d", column, n);
      else
        printf(" %*s", column, ".");
    }
    putchar('\n');
  }
}

typedef struct {
  const char *expected, *given;
  int n;
} Confusion;

static int by_n(gconstpointer a, gconstpointer b)
{
  return ((const Confusion *)b)->n - ((const Confusion *)a)->n;
}

static void print_confusions(const json_t *rows, const json_t *classes)
{
  g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(Confusion));
  size_t r, c;
  json_t *row, *cell;
  json_array_foreach((json_t *)rows, r, row)
  {
    json_array_foreach(row, c, cell)
    {
      Confusion one = {json_string_value(json_array_get(classes, r)), json_string_value(json_array_get(classes, c)),
                       (int)json_integer_value(cell)};
      if (r != c && one.n > 0)
        g_array_append_val(list, one);
    }
  }
  g_array_sort(list, by_n);
  printf("\n  most frequent confusions\n");
  for (guint i = 0; i < MIN(list->len, SHOWN_CONFUSIONS); i++) {
    const Confusion *one = &g_array_index(list, Confusion, i);
    printf("  %5d x %s answered as %s\n", one->n, one->expected, one->given);
  }
}

static void print_calibration(const json_t *output)
{
  size_t i;
  json_t *one;
  if (integer_at(output, "n_answered") == 0)
    return;
  if (json_object_get(output, "reliability"))
    printf("\n  %-17s %7s %11s %9s\n", "confidence", "n", "mean of it", "accuracy");
  json_array_foreach(json_object_get(output, "reliability"), i, one)
  {
    printf("  %5.3f .. %-8.3f %7d %11.4f %9.4f\n", number_at(one, "above"), number_at(one, "up_to"), integer_at(one, "n"),
           number_at(one, "confidence"), number_at(one, "accuracy"));
  }
  if (json_object_get(output, "risk_coverage"))
    printf("\n  %-17s %7s %11s %9s\n", "abstain below", "n", "coverage", "risk");
  json_array_foreach(json_object_get(output, "risk_coverage"), i, one)
  {
    printf("  %-17.2f %7d", number_at(one, "threshold"), integer_at(one, "n"));
    print_number(number_at(one, "coverage"), 12);
    print_number(number_at(one, "risk"), 10);
    putchar('\n');
  }
}

static void print_output(const char *name, const json_t *output)
{
  const json_t *classes = json_object_get(output, "classes"), *confusion = json_object_get(output, "confusion");
  const char *metric;
  json_t *why;
  printf("\n%s: %d of %d expected answers (coverage %.4f)", name, integer_at(output, "n_answered"),
         integer_at(output, "n_expected"), number_at(output, "coverage"));
  if (classes)
    printf(", %zu classes", json_array_size(classes));
  putchar('\n');
  if (integer_at(output, "n_unknown_labels") > 0)
    printf("  %d expected labels are none that this output can answer\n", integer_at(output, "n_unknown_labels"));
  print_values(json_object_get(output, "metrics"));
  if (classes && integer_at(output, "n_answered") < integer_at(output, "n_expected"))
    printf("  %-14s%9.4f  (everything without an answer counts as wrong)\n", "accuracy-all",
           number_at(output, "accuracy-all"));
  json_object_foreach(json_object_get(output, "lacking"), metric, why)
  {
    printf("  %-14s        -  %s\n", metric, json_string_value(why));
  }
  print_classes(output);
  if (confusion && json_array_size(classes) <= MATRIX_CLASSES)
    print_matrix(confusion, classes);
  else if (confusion)
    print_confusions(confusion, classes);
  print_calibration(output);
}

static void print_group_rows(json_t *list)
{
  const char *group, *metric;
  json_t *one, *value;
  gboolean first = TRUE;
  json_object_foreach(list, group, one)
  {
    if (first) {
      json_object_foreach(json_object_get(one, "metrics"), metric, value)
      {
        printf(" %9s", metric);
      }
      putchar('\n');
    }
    first = FALSE;
    printf("  ");
    print_name(group, NAME_WIDTH);
    printf(" %7d", integer_at(one, "n"));
    json_object_foreach(json_object_get(one, "metrics"), metric, value)
    {
      print_number(number_at(value, "value"), 10);
    }
    putchar('\n');
  }
}

static void print_groups(const json_t *groups)
{
  const char *output;
  json_t *list;
  json_object_foreach(json_object_get(groups, "outputs"), output, list)
  {
    g_autofree char *title = g_strdup_printf("%s by %s", output, text_at(groups, "by"));
    printf("\n");
    print_name(title, NAME_WIDTH + 2);
    printf(" %7s", "n");
    print_group_rows(list);
  }
}

void weft_eval_print(const json_t *report)
{
  const char *name;
  json_t *one;
  size_t i;
  print_lines(report);
  json_object_foreach(json_object_get(report, "outputs"), name, one)
  {
    print_output(name, one);
  }
  print_groups(json_object_get(report, "groups"));
  if (json_array_size(json_object_get(report, "requirements")) > 0)
    printf("\n");
  json_array_foreach(json_object_get(report, "requirements"), i, one)
  {
    printf("%-7s %s%s%s: ", json_is_true(json_object_get(one, "met")) ? "met" : "NOT MET", text_at(one, "require"),
           json_object_get(one, "output") ? " of " : "", text_at(one, "output"));
    if (json_is_number(json_object_get(one, "value")))
      printf("%.6g", number_at(one, "value"));
    else
      putchar('-');
    putchar('\n');
  }
}
