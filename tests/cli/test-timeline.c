/* SPDX-License-Identifier: Apache-2.0 */
#include "memoryuse.h"
#include "timeline.h"

#include <string.h>

typedef struct {
  guint n_rects, n_titles, depth, n_outside;
  GString *text;
} Seen;

static double attribute(const char **names, const char **values, const char *name)
{
  for (guint i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0)
      return g_ascii_strtod(values[i], NULL);
  return -1;
}

static void on_start(GMarkupParseContext *context, const char *element, const char **names, const char **values,
                     gpointer data, GError **error)
{
  Seen *seen = data;
  seen->depth++;
  seen->n_titles += strcmp(element, "title") == 0;
  if (strcmp(element, "rect") != 0 || attribute(names, values, "x") < 0)
    return;
  double x = attribute(names, values, "x"), width = attribute(names, values, "width");
  seen->n_rects++;
  seen->n_outside += x < 150 - .01 || x + width > 1380.7 || width <= 0;
}

static void on_text(GMarkupParseContext *context, const char *text, gsize n, gpointer data, GError **error)
{
  g_string_append_len(((Seen *)data)->text, text, (gssize)n);
  g_string_append_c(((Seen *)data)->text, '\n');
}

/* The document is well-formed; caller frees the text. */
static Seen parse(const char *svg)
{
  static const GMarkupParser parser = {on_start, NULL, on_text, NULL, NULL};
  Seen seen = {.text = g_string_new(NULL)};
  g_autoptr(GError) error = NULL;
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &seen, NULL);
  g_markup_parse_context_parse(context, svg, (gssize)strlen(svg), &error);
  g_assert_no_error(error);
  g_markup_parse_context_end_parse(context, &error);
  g_assert_no_error(error);
  return seen;
}

static void test_timeline_bars(void)
{
  g_autoptr(WeftTimeline) t = weft_timeline_new("a <b> & \"c\"", 1000, 2000);
  guint lane = weft_timeline_lane(t, "threads", "thread 1");
  g_assert_cmpuint(weft_timeline_lane(t, "threads", "thread 1"), ==, lane);
  weft_timeline_bar(t, lane, &(WeftBar){"see", "inside", 1100, 1200, 1500});
  weft_timeline_bar(t, lane, &(WeftBar){"<x>", "cut off on both sides", 500, 900, 2500});
  weft_timeline_bar(t, lane, &(WeftBar){"see", "before", 100, 200, 1000});
  weft_timeline_bar(t, lane, &(WeftBar){"see", "after", 2000, 2000, 2100});
  g_autofree char *svg = weft_timeline_svg(t);
  Seen seen = parse(svg);
  g_assert_cmpuint(seen.n_titles, ==, 2);                 /* two bars lie in the window */
  g_assert_cmpuint(seen.n_rects, ==, 2 + 1 + 2);          /* bars, one wait, two names in the legend */
  g_assert_cmpuint(seen.n_outside, ==, 0);
  g_assert_nonnull(strstr(seen.text->str, "a <b> & \"c\""));
  g_assert_nonnull(strstr(seen.text->str, "<x>"));
  g_assert_null(strstr(svg, "http://www.w3.org/1999")); /* nothing is fetched */
  g_string_free(seen.text, TRUE);
}

static void test_timeline_lanes(void)
{
  g_autoptr(WeftTimeline) t = weft_timeline_new("", 0, 100);
  guint a = weft_timeline_take(t, "requests", 0, 50);
  guint b = weft_timeline_take(t, "requests", 10, 20);
  g_assert_cmpuint(a, !=, b);
  g_assert_cmpuint(weft_timeline_take(t, "requests", 20, 60), ==, b);
  g_assert_cmpuint(weft_timeline_take(t, "requests", 50, 60), ==, a);
  g_assert_cmpuint(weft_timeline_take(t, "other", 70, 80), !=, a);
  guint c = weft_timeline_take(t, "requests", 55, 58);
  g_assert_true(c != a && c != b);
}

static void test_timeline_empty(void)
{
  g_autoptr(WeftTimeline) t = weft_timeline_new("nothing", 5, 5);
  g_autofree char *svg = weft_timeline_svg(t);
  Seen seen = parse(svg);
  g_assert_cmpuint(seen.n_rects, ==, 0);
  g_string_free(seen.text, TRUE);
}

static void test_memory_parse(void)
{
  static const char status[] = "Name:\tweft\nVmHWM:\t   3000 kB\nVmRSS:\t   2000 kB\nRssAnon:\t  500 kB\n";
  static const char smaps[] =
      "55d0-55d1 r-xp 00000000 08:01 11 /opt/weft\nSize: 400 kB\nRss: 300 kB\n"
      "7f00-7f10 r--p 00000000 08:01 12 /models/a b/model.safetensors\nSize: 1000 kB\nRss: 700 kB\n"
      "7f10-7f20 r--p 00100000 08:01 12 /models/a b/model.safetensors\nSize: 24 kB\nRss: 4 kB\nReferenced: 4 kB\n"
      "7f20-7f30 r--p 00000000 08:01 13 /opt/lib.so\nSize: 900 kB\nRss: 9 kB\n"
      "7f30-7f40 r-xp 00000000 08:01 13 /opt/lib.so\nSize: 900 kB\nRss: 9 kB\n"
      "7f40-7f50 r--s 00000000 00:01 14 /memfd:weft-in (deleted)\nSize: 4096 kB\nRss: 8 kB\n"
      "7f50-7f60 rw-p 00000000 00:00 0\nSize: 5000 kB\nRss: 5 kB\n"
      "7f60-7f61 r--p 00000000 08:01 15 /models/small\nSize: 60 kB\nRss: 60 kB\n";
  WeftMemoryUse use;
  weft_memory_parse(status, smaps, &use);
  g_assert_cmpuint(use.resident, ==, 2000 * 1024);
  g_assert_cmpuint(use.anonymous, ==, 500 * 1024);
  g_assert_cmpuint(use.peak, ==, 3000 * 1024);
  g_assert_cmpuint(use.weights_mapped, ==, 1024 * 1024);
  g_assert_cmpuint(use.weights_resident, ==, 704 * 1024);
  weft_memory_parse(NULL, NULL, &use);
  g_assert_cmpuint(use.resident, ==, 0);
  g_assert_true(weft_memory_use(0, &use));
  g_assert_cmpuint(use.resident, >, 100000);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/timeline/bars", test_timeline_bars);
  g_test_add_func("/timeline/lanes", test_timeline_lanes);
  g_test_add_func("/timeline/empty", test_timeline_empty);
  g_test_add_func("/memory/parse", test_memory_parse);
  return g_test_run();
}
