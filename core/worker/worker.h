/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.h
 * The calling side of an isolated node: one instance in a process of its own.
 * No GLib. Life: spawn (launcher -> zygote -> create, ports) -> activate (the
 * zygote forks the worker) -> start/wait/finish ... -> free. A worker that dies
 * is replaced by a fork of its zygote; a zygote that dies by a new launcher.
 */
#ifndef WEFT_CORE_WORKER_H
#define WEFT_CORE_WORKER_H

#include <weft/node.h>

struct weft_worker;
struct weft_setup;

struct weft_worker_spec {
  const char *program;              /**< path of weft-worker */
  const char *module;               /**< path of the .so */
  const char *node_id;
  const char *label;                /**< the plugin in messages, such as "fault@1.0.0"; NULL: node_id */
  const char *compute;              /**< path of the compute provider's .so; NULL: none */
  uint32_t n_threads;               /**< of the worker's own pool; 0: as the host */
  const struct weft_config *config; /**< borrowed until return */
  struct weft_setup *setup;         /**< answers resources; receives the message of a failure */
  uint64_t setup_timeout_ns;        /**< for create, ports and activate; 0: 30 s */
  uint64_t spin_ns;                 /**< both ends poll that long before they sleep; 0: sleep at once */
  uint64_t segment_bytes;           /**< of `in` and of `out`, a multiple of 64 KiB; 0: WEFT_SEGMENT_BYTES (4 GiB of
                                         address space; pages beyond 16 MiB go back after each call) */
};

/**
 * Errors as create's and ports'; WEFT_INTERNAL with a message when the process
 * died (signal or exit code) or hung; WEFT_UNAVAILABLE when none can be
 * started. out: freed with weft_worker_free. May block for setup_timeout_ns.
 * [control thread]
 */
weft_status weft_worker_spawn(const struct weft_worker_spec *spec, struct weft_worker **out);
/** What `ports` answered, checked for sizes and indices: borrowed until free. */
const struct weft_ports *weft_worker_ports(const struct weft_worker *worker);
/** Whether its `create` asked for weft.compute. */
int weft_worker_computes(const struct weft_worker *worker);
/**
 * Forks the worker and activates in it; again, with other limits, in a new one.
 * Errors as activate's, otherwise as above. No call is in progress. [control thread]
 */
weft_status weft_worker_activate(struct weft_worker *worker, struct weft_setup *setup, const struct weft_limits *limits);
/** Kills and reaps; NULL is allowed. [control thread] */
void weft_worker_free(struct weft_worker *worker);

/*
 * The request path. One call at a time: the runtime queues the others.
 * start copies the inputs into the segment `in` once and returns; the answer
 * is ready when poll or wait says so; finish copies the outputs once into
 * call->outputs (dynamic ones through call->host_data's reserve) after
 * checking every index, sets item statuses and messages, and frees the
 * segments for the next call. Nothing here allocates. A call started while
 * the worker is being replaced is served by the replacement.
 */
/**
 * call: borrowed until finish. Errors, told to call->host_data: WEFT_BAD_INPUT
 * (more items than activated for), WEFT_NO_MEMORY (does not fit into a segment).
 */
weft_status weft_worker_start(struct weft_worker *worker, const struct weft_call *call);
/** 1: ready, or dead; 0: not yet. */
int weft_worker_poll(struct weft_worker *worker);
/** Sleeps until ready or dead, or CLOCK_MONOTONIC deadline_ns (0: none). Answers as poll. */
int weft_worker_wait(struct weft_worker *worker, uint64_t deadline_ns);
/**
 * WEFT_OK or the call's status, its message told to call->host_data;
 * WEFT_CONTRACT when the worker's answer makes no sense. With died set the
 * call was lost: WEFT_INTERNAL when the worker died on it, WEFT_DEADLINE when
 * weft_worker_kill ended it, or why no worker could be started.
 */
weft_status weft_worker_finish(struct weft_worker *worker, struct weft_call *call, int *died);
/** Ends the running call by force (deadline): the worker is killed and replaced; wait for it to be ready. [any thread] */
void weft_worker_kill(struct weft_worker *worker);
/** Sets the cancel word that the running call polls. [any thread] */
void weft_worker_cancel(struct weft_worker *worker);
/**
 * An eventfd that becomes readable when a call is ready, while `notify` is on
 * (for epoll); the reader empties it. Poll once after turning it on.
 */
int weft_worker_fd(const struct weft_worker *worker);
void weft_worker_set_notify(struct weft_worker *worker, int on);

struct weft_worker_stats {
  uint64_t n_calls, n_deaths, n_respawns, last_respawn_ns;
  int32_t pid;
};
void weft_worker_stats(const struct weft_worker *worker, struct weft_worker_stats *out);
/** Why it died last; "" when it has not. out: WEFT_MESSAGE_BYTES. [any thread] */
void weft_worker_last_death(const struct weft_worker *worker, char *out);

#endif
