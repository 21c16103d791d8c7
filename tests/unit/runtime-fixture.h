/* SPDX-License-Identifier: Apache-2.0 */
/** @file runtime-fixture.h Graphs of nodes that stand in the test's own file, run by the real runtime. */
#ifndef WEFT_TEST_RUNTIME_FIXTURE_H
#define WEFT_TEST_RUNTIME_FIXTURE_H

#include "hosttable.h"
#include "runtime.h"

#include <glib.h>
#include <pthread.h>

#define FX_MAX 64

struct fx {
  struct weft_pool_impl *pool;
  struct weft_runtime *runtime;
  struct weft_graph *graph;
  struct weft_graph_value values[FX_MAX];
  struct weft_graph_node nodes[FX_MAX];
  struct weft_port ports[FX_MAX];
  uint32_t ids[FX_MAX * 4];
  uint32_t n_values, n_inputs, n_nodes, n_ids, n_items_max, n_frames_max, n_sessions_max;
  uint64_t session_ttl_ns, n_kept_bytes_max;
};

/** Pool of n_threads and a runtime; then fx_input, fx_node, fx_seal. */
void fx_init(struct fx *fx, uint32_t n_threads);
void fx_clear(struct fx *fx);
/** An input of the graph: its value. */
uint32_t fx_input(struct fx *fx, const char *name);
/** A node with n inputs (values) and one output of that port; its output's value. */
struct fx_code {
  weft_status (*process)(void *instance, struct weft_call *call);
  void *instance;
};
#define FX(process, instance) ((struct fx_code){process, instance})
uint32_t fx_node(struct fx *fx, const char *name, struct fx_code code, struct weft_port port, const uint32_t *inputs,
                 uint32_t n);
/** One more output of the node last added: its value. */
uint32_t fx_output(struct fx *fx, struct weft_port port);
/** The node last added. */
struct weft_graph_node *fx_last(struct fx *fx);
void fx_seal(struct fx *fx, uint32_t n_items_max);
/** The same for a graph that is refused as bad configuration: its message; caller frees with g_free. */
char *fx_refusal(struct fx *fx, uint32_t n_items_max);

/** texts [n x n_inputs], NULL: absent. Asserts that the frame could be run. */
struct weft_frame *fx_run(struct fx *fx, const char *const *texts, uint32_t n);
void fx_requests(const struct fx *fx, const char *const *texts, uint32_t n, struct weft_blob *blobs,
                 struct weft_request *requests);
/** Waits for a frame that was submitted with fx_done and &struct fx_signal. */
struct fx_signal {
  pthread_mutex_t lock; /* not GLib's, which the thread sanitizer does not see */
  pthread_cond_t cond;
  int n_done;
};
#define FX_SIGNAL {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}
void fx_done(struct weft_frame *frame, void *data);
void fx_wait(struct fx_signal *signal, int n_done);

/** The item's rows as text (u8), groups of two split levels joined by '|'; caller frees with g_free. NULL: absent. */
char *fx_text(const struct weft_frame *frame, uint32_t value, uint32_t item);
float fx_number(const struct weft_frame *frame, uint32_t value, uint32_t item);
#define fx_assert_text(frame, value, item, expected)            \
  do {                                                          \
    g_autofree char *fx_text_ = fx_text(frame, value, item);    \
    g_assert_cmpstr(fx_text_, ==, expected);                    \
  } while (0)

/* Ports and nodes used by several tests. */
extern const struct weft_port fx_f32;         /* one number an item, exact */
extern const struct weft_port fx_same_rows;   /* u8, rows of input 0, exact */
extern const struct weft_port fx_two_more;    /* u8, rows <= input 0 + 2 an item, bounded */
extern const struct weft_port fx_groups;      /* u8, two split levels, dynamic */
extern const struct weft_port fx_same_groups; /* u8, groups and rows of input 0, exact */
weft_status fx_length(void *instance, struct weft_call *call);   /* -> fx_f32: bytes of the item */
weft_status fx_upper(void *instance, struct weft_call *call);    /* -> fx_same_rows or fx_same_groups; "!" fails the item */
weft_status fx_quote(void *instance, struct weft_call *call);    /* -> fx_two_more: "<text>" without blanks */
weft_status fx_words(void *instance, struct weft_call *call);    /* -> fx_groups */
weft_status fx_sum(void *instance, struct weft_call *call);      /* numbers present -> fx_f32 */

#endif
