/* SPDX-License-Identifier: Apache-2.0 */
#include "literal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static gboolean is_one_of(const char *text, const char *const *words)
{
  return g_strv_contains(words, text);
}

static gsize digits(const char *text)
{
  return strspn(text, "0123456789");
}

/* [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+ */
static gboolean is_integer(const char *text, int *base, const char **from)
{
  *from = text;
  *base = 10;
  if (g_str_has_prefix(text, "0o") || g_str_has_prefix(text, "0x")) {
    *base = text[1] == 'o' ? 8 : 16;
    *from = text + 2;
    gsize n = strspn(*from, *base == 8 ? "01234567" : "0123456789abcdefABCDEF");
    return n > 0 && (*from)[n] == 0;
  }
  const char *number = *text == '-' || *text == '+' ? text + 1 : text;
  gsize n = digits(number);
  return n > 0 && number[n] == 0;
}

gsize weft_decimal_length(const char *text)
{
  const char *c = *text == '-' || *text == '+' ? text + 1 : text;
  gsize whole = digits(c), part = 0;
  c += whole;
  if (*c == '.') {
    part = digits(c + 1);
    c += 1 + part;
  }
  if (whole + part == 0)
    return 0;
  if (*c == 'e' || *c == 'E') {
    const char *power = c[1] == '-' || c[1] == '+' ? c + 2 : c + 1;
    if (digits(power))
      c = power + digits(power);
  }
  return (gsize)(c - text);
}

WeftLiteral weft_literal_parse(const char *text)
{
  static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const trues[] = {"true", "True", "TRUE", NULL};
  static const char *const falses[] = {"false", "False", "FALSE", NULL};
  static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
  static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
  WeftLiteral literal = {.type = WEFT_LITERAL_TEXT};
  if (g_ascii_isalpha(*text) && !strchr("nNtTfF", *text)) /* no number, and none of the words */
    return literal;
  const char *unsigned_text = *text == '-' || *text == '+' ? text + 1 : text, *from = NULL;
  int base = 10;
  gsize n = weft_decimal_length(text);
  if (is_one_of(text, nulls)) {
    literal.type = WEFT_LITERAL_NULL;
  } else if (is_one_of(text, trues) || is_one_of(text, falses)) {
    literal.type = WEFT_LITERAL_BOOL;
    literal.boolean = is_one_of(text, trues);
  } else if (is_integer(text, &base, &from)) {
    errno = 0;
    literal.integer = g_ascii_strtoll(from, NULL, base);
    gboolean fits = errno == 0;
    literal.type = fits ? WEFT_LITERAL_INT : WEFT_LITERAL_NUMBER;
    literal.number = fits ? (double)literal.integer : g_ascii_strtod(text, NULL);
  } else if (n && !text[n]) {
    literal.type = WEFT_LITERAL_NUMBER;
    literal.number = g_ascii_strtod(text, NULL);
  } else if (is_one_of(unsigned_text, infinities)) {
    literal.type = WEFT_LITERAL_NUMBER;
    literal.number = *text == '-' ? -INFINITY : INFINITY;
  } else if (is_one_of(text, nans)) {
    literal.type = WEFT_LITERAL_NUMBER;
    literal.number = NAN;
  }
  return literal;
}

WeftLiteral weft_literal_of(const WeftYaml *scalar)
{
  return scalar->plain ? weft_literal_parse(scalar->text) : (WeftLiteral){.type = WEFT_LITERAL_TEXT};
}

/* Units that measure the same stand in one family; factor: in the family's base. */
typedef struct {
  const char *name;
  char family;
  double factor;
} Unit;

static const Unit units[] = {
  {"ns", 't', 1},        {"us", 't', 1e3},      {"µs", 't', 1e3},       {"ms", 't', 1e6},   {"s", 't', 1e9},
  {"min", 't', 6e10},    {"h", 't', 3.6e12},    {"Hz", 'f', 1},         {"kHz", 'f', 1e3},  {"MHz", 'f', 1e6},
  {"GHz", 'f', 1e9},     {"bytes", 'b', 1},     {"B", 'b', 1},          {"kB", 'b', 1e3},   {"MB", 'b', 1e6},
  {"GB", 'b', 1e9},      {"TB", 'b', 1e12},     {"KiB", 'b', 1024},     {"MiB", 'b', 1048576},
  {"GiB", 'b', 1073741824.0}, {"TiB", 'b', 1099511627776.0}, {"ratio", 'r', 1}, {"%", 'r', 0.01},
};

static const Unit *unit_find(const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
    if (strcmp(units[i].name, name) == 0)
      return &units[i];
  }
  return NULL;
}

WeftQuantity weft_quantity_parse(const char *text, const char *unit, double *out)
{
  gsize n = weft_decimal_length(text);
  if (!n)
    return WEFT_QUANTITY_NO_NUMBER;
  const char *given_name = text + n + strspn(text + n, " ");
  const Unit *due = unit_find(unit), *given = unit_find(given_name);
  double number = g_ascii_strtod(text, NULL);
  if (!*given_name) {
    *out = number;
    return due && due->family == 'r' ? WEFT_QUANTITY_OK : WEFT_QUANTITY_NO_UNIT;
  }
  if (strcmp(given_name, unit) == 0) {
    *out = number;
    return WEFT_QUANTITY_OK;
  }
  if (!due || !given || due->family != given->family)
    return WEFT_QUANTITY_OTHER_UNIT;
  *out = number * given->factor / due->factor;
  return WEFT_QUANTITY_OK;
}

const char *weft_quantity_meant(const char *text, const char *unit)
{
  gsize n = weft_decimal_length(text);
  const char *given = text + n + strspn(text + n, " ");
  const Unit *due = unit_find(unit);
  for (guint i = 0; due && i < G_N_ELEMENTS(units); i++) {
    if (units[i].family == due->family && g_ascii_strcasecmp(units[i].name, given) == 0)
      return units[i].name;
  }
  return NULL;
}

char *weft_quantity_example(const char *unit)
{
  const Unit *due = unit_find(unit);
  const char *family = due ? (const char[]){due->family, 0} : "";
  if (*family == 'f')
    return g_strdup("16 kHz");
  if (*family == 'b')
    return g_strdup("2 MiB");
  return g_strdup_printf("20 %s", *family == 't' ? "ms" : unit);
}
