/* SPDX-License-Identifier: Apache-2.0 */
#include "gst-chain.h"

#include "bench.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

struct gst_chain {
  GstElement *pipeline, *source, *sink;
  GstBuffer *buffer;
  double begin, end; /* of the last buffer, at the first identity and at the sink: waking threads is not measured */
};

static GstPadProbeReturn note(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  *(double *)data = bench_now();
  return GST_PAD_PROBE_OK;
}

static void watch(GstElement *element, double *when)
{
  GstPad *pad = gst_element_get_static_pad(element, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, note, when, NULL);
  gst_object_unref(pad);
}

static GstElement *add(GstElement *pipeline, const char *factory)
{
  GstElement *element = gst_element_factory_make(factory, NULL);
  if (element)
    gst_bin_add(GST_BIN(pipeline), element);
  return element;
}

static int build(struct gst_chain *chain, uint32_t n, const char **why)
{
  *why = "GStreamer's elements appsrc, identity and appsink are missing: run tests/bench/setup overhead";
  chain->source = add(chain->pipeline, "appsrc");
  chain->sink = add(chain->pipeline, "appsink");
  if (!chain->source || !chain->sink)
    return 0;
  g_object_set(chain->sink, "sync", FALSE, NULL);
  GstElement *last = chain->source;
  for (uint32_t i = 0; i < n; i++) {
    GstElement *element = add(chain->pipeline, "identity");
    if (!element)
      return 0;
    /* As cheap as it gets: no last-message, no signal. */
    g_object_set(element, "silent", TRUE, "signal-handoffs", FALSE, NULL);
    if (!gst_element_link(last, element))
      return 0;
    last = element;
    if (i == 0)
      watch(element, &chain->begin);
  }
  watch(chain->sink, &chain->end);
  *why = "the GStreamer chain does not start";
  if (!gst_element_link(last, chain->sink))
    return 0;
  gst_element_set_state(chain->pipeline, GST_STATE_PLAYING);
  chain->buffer = gst_buffer_new_allocate(NULL, 4, NULL);
  return gst_chain_push(chain) >= 0;
}

struct gst_chain *gst_chain_new(uint32_t n, const char **why)
{
  gst_init(NULL, NULL);
  struct gst_chain *chain = g_new0(struct gst_chain, 1);
  chain->pipeline = gst_pipeline_new(NULL);
  if (build(chain, n, why)) {
    *why = NULL;
    return chain;
  }
  gst_chain_free(chain);
  return NULL;
}

double gst_chain_push(struct gst_chain *chain)
{
  if (gst_app_src_push_buffer(GST_APP_SRC(chain->source), gst_buffer_ref(chain->buffer)) != GST_FLOW_OK)
    return -1;
  GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(chain->sink), 10 * GST_SECOND);
  if (!sample)
    return -1;
  gst_sample_unref(sample);
  return chain->end - chain->begin;
}

void gst_chain_free(struct gst_chain *chain)
{
  if (!chain)
    return;
  gst_element_set_state(chain->pipeline, GST_STATE_NULL);
  gst_clear_buffer(&chain->buffer);
  gst_object_unref(chain->pipeline);
  g_free(chain);
}
