/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file segment.h
 * The two segments of a worker: sparse memfds, sealed so that nobody can make
 * them smaller (and the other side fault) or larger, nor add other seals. Not
 * sealed against future writing: pages of large calls are given back.
 */
#ifndef WEFT_CORE_SEGMENT_H
#define WEFT_CORE_SEGMENT_H

#include <stdint.h>

struct weft_segments {
  void *in, *out;     /**< mapped; NULL: not */
  uint64_t n_bytes;   /**< of each */
  int in_fd, out_fd;  /**< the host's, close-on-exec; -1 in the worker */
};

/** The host's: makes and maps both. 0 or an errno, with everything undone. */
int weft_segments_new(struct weft_segments *segments, uint64_t n_bytes);
/** A descriptor of `in` through which nobody can write; -1 with errno. */
int weft_segments_reader(const struct weft_segments *segments);
/** The worker's: maps `in` read-only and `out`; closes both descriptors. 0 or an errno. */
int weft_segments_map(struct weft_segments *segments, int in_fd, int out_fd, uint64_t n_bytes);
void weft_segments_clear(struct weft_segments *segments);

#endif
