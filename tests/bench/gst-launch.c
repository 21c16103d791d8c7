/* SPDX-License-Identifier: Apache-2.0 */
#include "gst-launch.h"

#include "bench.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

double gst_launch_once(uint32_t n)
{
  gst_init(NULL, NULL);
  GString *text = g_string_new("appsrc name=in");
  for (uint32_t i = 0; i < n; i++)
    g_string_append(text, " ! identity silent=true signal-handoffs=false");
  g_string_append(text, " ! appsink name=out sync=false");
  gst_object_unref(gst_parse_launch("appsrc ! identity ! appsink", NULL)); /* loads the plugins: that is not measured */
  double begin = bench_now(), end = -1;
  GstElement *pipeline = gst_parse_launch(text->str, NULL);
  if (!pipeline)
    return -1;
  GstElement *in = gst_bin_get_by_name(GST_BIN(pipeline), "in"), *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, 4, NULL);
  if (gst_app_src_push_buffer(GST_APP_SRC(in), buffer) == GST_FLOW_OK) {
    GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 300 * GST_SECOND);
    end = sample ? bench_now() : -1;
  }
  return end < 0 ? -1 : end - begin;
}
