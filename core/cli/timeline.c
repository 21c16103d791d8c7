/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline.h"

#include <math.h>
#include <string.h>

#define WIDTH 1400
#define LEFT 150     /* names of lanes */
#define RIGHT 20
#define TOP 64       /* title and legend's first row */
#define LANE 22
#define BAR 16
#define GROUP 26     /* head of a group */
#define LETTER 6.2   /* width of a letter at 11 px, about */
#define ROW 16       /* of the legend */
#define N_TICKS 10

/* Told apart by eyes of every kind (Okabe and Ito), then lighter relatives. */
static const char *const colours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c2e",
                                      "#6a5acd", "#a0522d", "#2f8f8f", "#b03060", "#708090"};

typedef struct {
  char *group, *name;
  guint64 free_at; /* of weft_timeline_take */
} Lane;

typedef struct {
  guint lane, colour;
  const char *name; /* interned in names */
  char *title;
  guint64 queued, begin, end;
} Bar;

struct WeftTimeline {
  char *title;
  guint64 begin, end;
  GArray *lanes, *bars;
  GPtrArray *names; /* of char *, index: colour */
};

static void lane_clear(gpointer data)
{
  Lane *lane = data;
  g_free(lane->group);
  g_free(lane->name);
}

static void bar_clear(gpointer data)
{
  g_free(((Bar *)data)->title);
}

WeftTimeline *weft_timeline_new(const char *title, guint64 begin, guint64 end)
{
  WeftTimeline *t = g_new0(WeftTimeline, 1);
  t->title = g_strdup(title);
  t->begin = begin;
  t->end = MAX(end, begin + 1);
  t->lanes = g_array_new(FALSE, FALSE, sizeof(Lane));
  t->bars = g_array_new(FALSE, FALSE, sizeof(Bar));
  g_array_set_clear_func(t->lanes, lane_clear);
  g_array_set_clear_func(t->bars, bar_clear);
  t->names = g_ptr_array_new_with_free_func(g_free);
  return t;
}

void weft_timeline_free(WeftTimeline *t)
{
  if (!t)
    return;
  g_free(t->title);
  g_array_unref(t->lanes);
  g_array_unref(t->bars);
  g_ptr_array_unref(t->names);
  g_free(t);
}

static Lane *lane_at(const WeftTimeline *t, guint i)
{
  return &g_array_index(t->lanes, Lane, i);
}

guint weft_timeline_lane(WeftTimeline *t, const char *group, const char *name)
{
  for (guint i = 0; i < t->lanes->len; i++)
    if (strcmp(lane_at(t, i)->group, group) == 0 && strcmp(lane_at(t, i)->name, name) == 0)
      return i;
  Lane lane = {g_strdup(group), g_strdup(name), 0};
  g_array_append_val(t->lanes, lane);
  return t->lanes->len - 1;
}

static guint colour_of(WeftTimeline *t, const char *name)
{
  guint i = 0;
  while (i < t->names->len && strcmp(t->names->pdata[i], name) != 0)
    i++;
  if (i == t->names->len)
    g_ptr_array_add(t->names, g_strdup(name));
  return i;
}

void weft_timeline_bar(WeftTimeline *t, guint lane, const WeftBar *from)
{
  if (from->end <= t->begin || from->queued >= t->end)
    return;
  Bar bar = {.lane = lane, .colour = colour_of(t, from->name), .title = g_strdup(from->title)};
  bar.name = t->names->pdata[bar.colour];
  bar.queued = CLAMP(from->queued, t->begin, t->end);
  bar.begin = CLAMP(from->begin, t->begin, t->end);
  bar.end = CLAMP(from->end, t->begin, t->end);
  g_array_append_val(t->bars, bar);
}

guint weft_timeline_take(WeftTimeline *t, const char *group, guint64 begin, guint64 end)
{
  guint n = 0;
  for (guint i = 0; i < t->lanes->len; i++) {
    if (strcmp(lane_at(t, i)->group, group) != 0)
      continue;
    n++;
    if (lane_at(t, i)->free_at <= begin) {
      lane_at(t, i)->free_at = end;
      return i;
    }
  }
  g_autofree char *name = g_strdup_printf("%u", n + 1);
  guint lane = weft_timeline_lane(t, group, name);
  lane_at(t, lane)->free_at = end;
  return lane;
}

static double x_of(const WeftTimeline *t, guint64 time)
{
  return LEFT + (double)(time - t->begin) / (double)(t->end - t->begin) * (WIDTH - LEFT - RIGHT);
}

/* A number always with a point, whatever the locale. */
static void number(GString *out, const char *attribute, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_printf(out, " %s=\"%s\"", attribute, g_ascii_formatd(text, sizeof text, "%.2f", value));
}

static void text_at(GString *out, double x, double y, const char *class, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text(text, -1);
  g_string_append_printf(out, "<text class=\"%s\"", class);
  number(out, "x", x);
  number(out, "y", y);
  g_string_append_printf(out, ">%s</text>\n", escaped);
}

static void rectangle(GString *out, double x, double y, double width, double height)
{
  g_string_append(out, "<rect");
  number(out, "x", x);
  number(out, "y", y);
  number(out, "width", width);
  number(out, "height", height);
}

/* Steps of 1, 2 or 5 times a power of ten. */
static double step_of(double span)
{
  double rough = span / N_TICKS, power = pow(10, floor(log10(rough))), least = rough / power;
  return power * (least <= 1 ? 1 : least <= 2 ? 2 : least <= 5 ? 5 : 10);
}

static void draw_axis(const WeftTimeline *t, GString *out, double top, double bottom)
{
  double span = (double)(t->end - t->begin), unit = span >= 2e9 ? 1e9 : span >= 2e6 ? 1e6 : 1e3;
  const char *name = unit == 1e9 ? "s" : unit == 1e6 ? "ms" : "us";
  double step = step_of(span / unit);
  for (int i = 0; i * step <= span / unit; i++) {
    double x = x_of(t, t->begin + (guint64)(i * step * unit));
    g_autofree char *text = g_strdup_printf("%.10g%s%s", i * step, i == 0 ? " " : "", i == 0 ? name : "");
    g_string_append(out, "<line class=\"grid\"");
    number(out, "x1", x);
    number(out, "x2", x);
    number(out, "y1", top);
    number(out, "y2", bottom);
    g_string_append(out, "/>\n");
    text_at(out, x + 2, top - 4, "tick", text);
  }
}

static void draw_bar(const WeftTimeline *t, GString *out, const Bar *bar, double y)
{
  const char *colour = colours[bar->colour % G_N_ELEMENTS(colours)];
  double queued = x_of(t, bar->queued), begin = x_of(t, bar->begin), end = x_of(t, bar->end);
  g_autofree char *title = g_markup_escape_text(bar->title, -1);
  g_string_append(out, "<g>");
  if (begin > queued) {
    rectangle(out, queued, y + 3, begin - queued, BAR - 6);
    g_string_append_printf(out, " fill=\"%s\" fill-opacity=\"0.25\"/>", colour);
  }
  rectangle(out, begin, y, MAX(end - begin, 0.6), BAR);
  g_string_append_printf(out, " fill=\"%s\"%s><title>%s</title></rect>", colour,
                         end - begin > 3 ? " stroke=\"#fff\" stroke-width=\"0.5\"" : "", title);
  if (end - begin > LETTER * (double)strlen(bar->name) + 4)
    text_at(out, begin + 3, y + BAR - 4, "bar", bar->name);
  g_string_append(out, "</g>\n");
}

/* Lanes in the order of their groups' first ones. Answers the y below them; out NULL: only measures. */
static double draw_lanes(const WeftTimeline *t, GString *out, double y)
{
  for (guint first = 0; first < t->lanes->len; first++) {
    const char *group = lane_at(t, first)->group;
    gboolean known = FALSE;
    for (guint i = 0; i < first; i++)
      known = known || strcmp(lane_at(t, i)->group, group) == 0;
    if (known)
      continue;
    if (out)
      text_at(out, 8, y + GROUP - 8, "group", group);
    y += GROUP;
    for (guint i = first; i < t->lanes->len; i++) {
      if (strcmp(lane_at(t, i)->group, group) != 0)
        continue;
      if (out)
        text_at(out, 16, y + LANE - 8, "lane", lane_at(t, i)->name);
      for (guint b = 0; out && b < t->bars->len; b++)
        if (g_array_index(t->bars, Bar, b).lane == i)
          draw_bar(t, out, &g_array_index(t->bars, Bar, b), y + 2);
      y += LANE;
    }
  }
  return y;
}

/* Names and their colours; answers the y below. */
static double draw_legend(const WeftTimeline *t, GString *out)
{
  double x = LEFT, y = 36;
  for (guint i = 0; i < t->names->len; i++) {
    double width = 20 + LETTER * (double)g_utf8_strlen(t->names->pdata[i], -1);
    if (x + width > WIDTH - RIGHT) {
      x = LEFT;
      y += ROW;
    }
    rectangle(out, x, y - 9, 10, 10);
    g_string_append_printf(out, " fill=\"%s\"/>\n", colours[i % G_N_ELEMENTS(colours)]);
    text_at(out, x + 14, y, "lane", t->names->pdata[i]);
    x += width + 10;
  }
  return y + ROW;
}

char *weft_timeline_svg(const WeftTimeline *t)
{
  g_autoptr(GString) body = g_string_new(NULL), out = g_string_new(NULL);
  double legend = draw_legend(t, body), top = MAX(TOP, legend + 14), bottom = draw_lanes(t, NULL, top);
  draw_axis(t, body, top, bottom);
  draw_lanes(t, body, top);
  g_string_append_printf(out,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
                         "<style>text{font-family:sans-serif;font-size:11px;fill:#222}.title{font-size:14px;"
                         "font-weight:bold}.group{font-weight:bold}.tick{fill:#777;font-size:10px}.bar{fill:#fff}"
                         ".grid{stroke:#ddd;stroke-width:1}</style>\n"
                         "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                         WIDTH, (int)bottom + 12, WIDTH, (int)bottom + 12);
  text_at(out, 8, 20, "title", t->title);
  text_at(out, 8, 36, "lane", "light: waiting");
  g_string_append(out, body->str);
  g_string_append(out, "</svg>\n");
  return g_strdup(out->str);
}
