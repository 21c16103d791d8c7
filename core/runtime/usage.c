/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include "internal.h"

void weft_graph_usage(struct weft_graph *graph, struct weft_graph_usage *out)
{
  *out = (struct weft_graph_usage){.n_scratch_bytes = graph->n_scratch_bytes};
  pthread_mutex_lock(&graph->lock);
  for (const struct weft_frame *frame = graph->all_frames; frame; frame = frame->next_all) {
    out->n_frames++;
    out->n_arena_bytes += frame->arena->high > frame->arena->used ? frame->arena->high : frame->arena->used;
  }
  pthread_mutex_unlock(&graph->lock);
}
