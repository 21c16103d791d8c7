/* SPDX-License-Identifier: Apache-2.0 */
/* Times as files write them, exact to the nanosecond. */
#include "media.h"

#include <string.h>

struct text {
  const char *at, *end;
};

static int is_digit(const struct text *text)
{
  return text->at < text->end && *text->at >= '0' && *text->at <= '9';
}

/* n digits; -1: there are not so many. */
static int64_t digits(struct text *text, int n)
{
  int64_t value = 0;
  for (; n > 0; n--) {
    if (!is_digit(text))
      return -1;
    value = value * 10 + (*text->at++ - '0');
  }
  return value;
}

static int take(struct text *text, char c)
{
  if (text->at == text->end || *text->at != c)
    return 0;
  text->at++;
  return 1;
}

/* Digits behind the point as parts of 10^9; what is finer than that is left out. */
static int64_t fraction(struct text *text)
{
  int64_t value = 0, scale = 100000000;
  for (; is_digit(text); text->at++, scale /= 10)
    value += (*text->at - '0') * scale;
  return value;
}

/* "12.5" in units of `unit` ns; at most 18 digits before the point. */
static int parse_decimal(struct text text, int64_t unit, int64_t *ns)
{
  int negative = take(&text, '-'), n = 0;
  int64_t whole = 0, part = 0, scaled = 0;
  for (; is_digit(&text); n++) {
    if (n == 18)
      return -1;
    whole = whole * 10 + (*text.at++ - '0');
  }
  if (take(&text, '.')) {
    if (!is_digit(&text))
      return -1;
    part = fraction(&text);
    n++;
  }
  if (!n || text.at != text.end || __builtin_mul_overflow(whole, unit, &scaled) ||
      __builtin_add_overflow(scaled, unit == 1000000000 ? part : part / (1000000000 / unit), &scaled))
    return -1;
  *ns = negative ? -scaled : scaled;
  return 0;
}

/* Days since 1970 of a date of the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
  y -= m <= 2;
  int64_t era = y / 400, of_era = y - era * 400;
  int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in(int64_t y, int64_t m)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return m == 2 && y % 4 == 0 && (y % 100 || y % 400 == 0) ? 29 : days[m - 1];
}

/* "Z", "+01:00", "-0530", or nothing: seconds to take away; INT64_MIN: something else. */
static int64_t zone(struct text *text)
{
  if (text->at == text->end || take(text, 'Z') || take(text, 'z'))
    return 0;
  int64_t sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
  int64_t hours = sign ? digits(text, 2) : -1;
  take(text, ':');
  int64_t minutes = hours >= 0 && text->at < text->end ? digits(text, 2) : 0;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
    return INT64_MIN;
  return sign * (hours * 3600 + minutes * 60);
}

static int parse_iso(struct text text, int64_t *ns)
{
  int64_t hour = 0, minute = 0, second = 0, part = 0, offset = 0;
  int64_t y = digits(&text, 4), m = take(&text, '-') ? digits(&text, 2) : -1, d = take(&text, '-') ? digits(&text, 2) : -1;
  if (y < 1 || m < 1 || m > 12 || d < 1 || d > days_in(y, m))
    return -1;
  if (take(&text, 'T') || take(&text, 't') || take(&text, ' ')) {
    hour = digits(&text, 2);
    minute = take(&text, ':') ? digits(&text, 2) : -1;
    if (take(&text, ':'))
      second = digits(&text, 2);
    if (second >= 0 && (take(&text, '.') || take(&text, ',')))
      part = is_digit(&text) ? fraction(&text) : -1;
    offset = zone(&text);
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || part < 0 || offset == INT64_MIN ||
      text.at != text.end)
    return -1;
  int64_t seconds = days_of(y, m, d) * 86400 + hour * 3600 + minute * 60 + second - offset;
  if (__builtin_mul_overflow(seconds, (int64_t)1000000000, ns) || __builtin_add_overflow(*ns, part, ns))
    return -1;
  return 0;
}

int timestamp_parse(const char *text, size_t n, enum media_time format, int64_t *ns)
{
  struct text all = {text, text + n};
  if (format == MEDIA_TIME_AUTO)
    format = n > 4 && text[4] == '-' ? MEDIA_TIME_ISO : MEDIA_TIME_S;
  int failed = format == MEDIA_TIME_ISO ? parse_iso(all, ns)
                                        : parse_decimal(all, format == MEDIA_TIME_S ? 1000000000 : 1000000, ns);
  return failed || *ns > INT64_MAX / 4 || *ns < -(INT64_MAX / 4) ? -1 : 0;
}
