/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file timeline.h
 * Who did what when, as one self-contained SVG: lanes of bars over a common
 * axis of time, waiting lighter in front of each bar, a colour to each name.
 *
 *     WeftTimeline *t = weft_timeline_new("digits@0f3a", begin_ns, end_ns);
 *     guint lane = weft_timeline_lane(t, "threads", "thread 1");
 *     weft_timeline_bar(t, lane, &(WeftBar){"see", "see: 2 items", queued, begin, end});
 *     char *svg = weft_timeline_svg(t);
 */
#ifndef WEFT_CLI_TIMELINE_H
#define WEFT_CLI_TIMELINE_H

#include <glib.h>

typedef struct WeftTimeline WeftTimeline;

/** Times on one clock, ns. Texts are copied. */
typedef struct {
  const char *name;    /**< written into the bar where it has room; names share their colour */
  const char *title;   /**< shown when the pointer rests on it */
  guint64 queued, begin, end; /**< queued == begin: nothing waited */
} WeftBar;

/** Bars outside begin..end are cut off or left out. Caller frees with weft_timeline_free. */
WeftTimeline *weft_timeline_new(const char *title, guint64 begin, guint64 end);
void weft_timeline_free(WeftTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftTimeline, weft_timeline_free)

/** A lane; lanes of one group stand together under its name, in the order in which they were made. */
guint weft_timeline_lane(WeftTimeline *timeline, const char *group, const char *name);
void weft_timeline_bar(WeftTimeline *timeline, guint lane, const WeftBar *bar);
/** The first lane of the group that is free from begin on, taken until end; lanes "1", "2", ... are made as needed. */
guint weft_timeline_take(WeftTimeline *timeline, const char *group, guint64 begin, guint64 end);
/** The document; caller frees with g_free. */
char *weft_timeline_svg(const WeftTimeline *timeline);

#endif
