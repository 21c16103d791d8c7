/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of numbers, one of them the time. A first line that is no data names the columns. */
#include "media.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line without its end, and a cell without its quotes and blanks. */
struct span {
  const char *at;
  size_t n;
};

static int next_line(struct media *media, struct span *line)
{
  while (media->at < media->n_bytes) {
    const char *begin = (const char *)media->bytes + media->at;
    const char *end = memchr(begin, '\n', media->n_bytes - media->at);
    *line = (struct span){begin, end ? (size_t)(end - begin) : media->n_bytes - media->at};
    media->at += line->n + (end != NULL);
    media->line++;
    if (line->n > MEDIA_MAX_LINE) {
      media_fail(media, "line %lld has %zu bytes; at most %d are read (MEDIA_MAX_LINE)", (long long)media->line, line->n,
                 MEDIA_MAX_LINE);
      return -1;
    }
    if (line->n && line->at[line->n - 1] == '\r')
      line->n--;
    if (line->n)
      return 1;
  }
  return 0;
}

/* The next cell of the line; 0: there is none. A quoted one may hold the separator. */
static int next_cell(struct span *line, char separator, struct span *cell, int *more)
{
  if (!*more)
    return 0;
  const char *end = line->at + line->n, *c = line->at;
  while (c < end && (*c == ' ' || (*c == '\t' && separator != '\t')))
    c++;
  const char *quote = c < end && *c == '"' ? memchr(c + 1, '"', (size_t)(end - c - 1)) : NULL;
  const char *stop = quote ? quote : c;
  while (stop < end && *stop != separator)
    stop++;
  *more = stop < end;
  *cell = quote ? (struct span){c + 1, (size_t)(quote - c - 1)} : (struct span){c, (size_t)(stop - c)};
  while (cell->n && (cell->at[cell->n - 1] == ' ' || cell->at[cell->n - 1] == '\t'))
    cell->n--;
  line->n = (size_t)(end - stop) - (stop < end);
  line->at = stop + (stop < end);
  return 1;
}

/* 1: a number, NaN where nothing or "nan" stands; 0: something else. The point is a point in every locale. */
static int parse_number(struct span cell, float *out)
{
  char text[MEDIA_MAX_CELL + 1];
  int n_digits = 0;
  *out = NAN;
  if (!cell.n || (cell.n == 3 && strncasecmp(cell.at, "nan", 3) == 0))
    return 1;
  if (cell.n > MEDIA_MAX_CELL)
    return 0;
  for (size_t i = 0; i < cell.n; i++) {
    n_digits += cell.at[i] >= '0' && cell.at[i] <= '9';
    if (!strchr("0123456789+-.eE", cell.at[i]) || !cell.at[i])
      return 0;
    text[i] = cell.at[i];
  }
  text[cell.n] = 0;
  char *end = NULL;
  static locale_t c_locale;
  locale_t locale = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
  if (!locale) {
    locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t none = (locale_t)0;
    if (locale && !__atomic_compare_exchange_n(&c_locale, &none, locale, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      freelocale(locale);
      locale = none;
    }
  }
  if (!n_digits || !locale)
    return 0;
  double value = strtod_l(text, &end, locale);
  *out = (float)value;
  return *end == 0 && isfinite(*out);
}

/* The separator that stands most often in the line. */
static char guess_separator(struct span line)
{
  static const char candidates[] = ",;\t";
  size_t most = 0;
  char best = ',';
  for (const char *c = candidates; *c; c++) {
    size_t n = 0;
    for (size_t i = 0; i < line.n; i++)
      n += line.at[i] == *c;
    if (n > most) {
      most = n;
      best = *c;
    }
  }
  return best;
}

/* Finds the time's column; the names of the others where the line has names. */
static weft_status take_columns(struct media *media, struct span line)
{
  const char *wanted = media->options.time_column;
  char *end = NULL;
  long index = strtol(wanted, &end, 10);
  int by_index = *wanted && *end == 0, n = 0, more = 1, heads = 0;
  struct span rest = line, cell;
  float number;
  int64_t ns;
  media->time_index = -1;
  for (; next_cell(&rest, media->separator, &cell, &more); n++) {
    if (n > MEDIA_MAX_CHANNELS)
      return media_fail(media, "line %lld has more than %d columns (MEDIA_MAX_CHANNELS)", (long long)media->line,
                        MEDIA_MAX_CHANNELS + 1);
    if (by_index ? n == index : cell.n == strlen(wanted) && memcmp(cell.at, wanted, cell.n) == 0)
      media->time_index = n;
    int time = media->time_index == n;
    heads |= time ? timestamp_parse(cell.at, cell.n, media->options.time_format, &ns) != 0 : !parse_number(cell, &number);
    size_t used = strlen(media->names);
    if (!time && used + cell.n + 2 < sizeof media->names)
      snprintf(media->names + used, sizeof media->names - used, "%s%.*s", used ? "," : "", (int)cell.n, cell.at);
  }
  media->n_columns = n;
  media->n_channels = n - 1;
  if (!heads)
    media->names[0] = 0;
  else
    media->begin = media->at;
  if (media->time_index < 0)
    return media_fail(media, "line %lld: there is no column \"%.80s\" of times among the %d columns", (long long)media->line,
                      wanted, n);
  return n > 1 ? WEFT_OK : media_fail(media, "line %lld: no column beside the times (separators are , ; and tab)",
                                      (long long)media->line);
}

static void csv_rewind(struct media *media)
{
  media->at = media->begin;
  media->line = 0;
  for (size_t i = 0; i < media->begin; i++)
    media->line += media->bytes[i] == '\n';
}

static weft_status csv_open(struct media *media)
{
  struct span line;
  media->begin = media->n_bytes >= 3 && memcmp(media->bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  media->at = media->begin;
  int found = next_line(media, &line);
  if (found < 0)
    return WEFT_BAD_INPUT;
  if (!found)
    return media_fail(media, "the file has no lines");
  if (memchr(line.at, 0, line.n))
    return media_fail(media, "expected CSV, NPY or WAV; line 1 holds zero bytes");
  media->separator = guess_separator(line);
  weft_status status = take_columns(media, line);
  csv_rewind(media);
  return status;
}

/* 1: a row; 0: the end; -1: reason. */
static int read_row(struct media *media, float *row, int64_t *time)
{
  struct span line, cell;
  int n = 0, more = 1, channel = 0, found = next_line(media, &line);
  if (found <= 0)
    return found;
  for (; next_cell(&line, media->separator, &cell, &more); n++) {
    int is_time = n == media->time_index;
    if (n >= media->n_columns)
      continue;
    if (is_time ? timestamp_parse(cell.at, cell.n, media->options.time_format, time) == 0
                : parse_number(cell, &row[channel++]))
      continue;
    media_fail(media, "line %lld, column %d: \"%.*s\" is no %s", (long long)media->line, n, (int)(cell.n < 40 ? cell.n : 40),
               cell.at, is_time ? "time" : "number");
    return -1;
  }
  if (n == media->n_columns)
    return 1;
  media_fail(media, "line %lld has %d columns, the first line has %d", (long long)media->line, n, media->n_columns);
  return -1;
}

static int64_t csv_read(struct media *media, float *rows, int64_t *times, int64_t n)
{
  for (int64_t i = 0; i < n; i++) {
    int found = read_row(media, rows + i * media->n_channels, &times[i]);
    if (found < 0)
      return -1;
    if (found == 0)
      return i;
  }
  return n;
}

static void csv_close(struct media *media)
{
}

const struct media_format media_csv = {csv_open, csv_read, csv_rewind, csv_close};
