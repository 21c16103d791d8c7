/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker-private.h
 * What the files of the calling side share. The processes of a worker (state,
 * descriptors, messages) belong to one thread at a time: the control thread
 * during spawn and activate, the watch thread afterwards. The request path
 * touches the ring, the atomics and, under the lock, the obituary.
 */
#ifndef WEFT_CORE_WORKER_PRIVATE_H
#define WEFT_CORE_WORKER_PRIVATE_H

#include "control.h"
#include "hosttable.h"
#include "ring.h"
#include "segment.h"
#include "wire.h"
#include "worker.h"

#include <poll.h>
#include <pthread.h>

enum weft_worker_state {
  WEFT_WORKER_GONE,      /**< no zygote */
  WEFT_WORKER_LAUNCHING, /**< zygote in create or ports */
  WEFT_WORKER_DOWN,      /**< zygote ready, no worker */
  WEFT_WORKER_STARTING,  /**< worker forked or in activate */
  WEFT_WORKER_ALIVE,
  WEFT_WORKER_ENDING     /**< the worker has ended; its zygote has not reported yet */
};

#define WEFT_WANT_REVIVE 1u
#define WEFT_WANT_KILL 2u

/** A resource that the zygote asked for, kept for a zygote that replaces it. */
struct weft_worker_resource {
  struct weft_worker_resource *next;
  char *name;
  int fd; /**< sealed memfd; -1: no bytes */
  uint64_t n_bytes, id;
};

struct weft_worker {
  struct weft_ring_host ring;
  struct weft_segments segments;
  int eventfd;
  _Atomic uint32_t state, wants, kill_number;
  _Atomic uint64_t n_calls, n_deaths, n_respawns, last_respawn_ns;
  _Atomic int32_t pid;

  pthread_mutex_t lock;
  weft_status obituary_status; /**< of the call that was lost, or of the last failure */
  char obituary[WEFT_MESSAGE_BYTES];

  struct weft_arena arena;     /**< names and bodies below, resources */
  const char *program, *label;
  struct weft_writer setup_body, fork_body;
  struct weft_arena ports_arena;
  struct weft_ports ports;
  uint8_t *ports_body;         /**< as first answered: a relaunched zygote must answer the same */
  size_t n_ports_bytes;
  int computes;
  struct weft_worker_resource *resources;
  uint32_t n_resources, n_inputs;
  uint64_t setup_timeout_ns, spin_ns;

  struct weft_control_buffer buffer;
  int control, zygote_fd, worker_fd; /**< -1: none */
  int32_t zygote_pid;
  uint32_t busy_place;         /**< busy.h; 0: none */
  int forked, activated, timed_out, broken, killed, attached;
  int active;                  /**< activate has succeeded once */
  weft_status failure_status;  /**< activate or fork failed, in words; WEFT_OK: it did not */
  char failure[WEFT_MESSAGE_BYTES];
  uint32_t base;               /**< newest call that is not for the next worker */
  uint64_t timer_ns, down_since_ns;
  struct weft_worker *next;    /**< in the watch thread's list */
};

/** Most resources of one worker: each holds a descriptor of the host. */
#define WEFT_WORKER_MAX_RESOURCES 256u
/** How long a zygote may take to report an end that the host has seen. */
#define WEFT_WORKER_REPORT_NS 1000000000ull

/* life.c: the processes. [owner] */
void weft_life_launch(struct weft_worker *worker);
void weft_life_fork(struct weft_worker *worker);
/** Starts whatever is missing for a worker to be alive. */
void weft_life_revive(struct weft_worker *worker);
void weft_life_kill_worker(struct weft_worker *worker);
void weft_life_kill_zygote(struct weft_worker *worker);
/** Answers worker->wants. */
void weft_life_answer_wants(struct weft_worker *worker);
void weft_life_fds(const struct weft_worker *worker, struct pollfd fds[3]);
/** setup: NULL on the watch thread. */
void weft_life_dispatch(struct weft_worker *worker, const struct pollfd fds[3], struct weft_setup *setup);
/** One round of waiting and handling. [control thread, detached] */
void weft_life_step(struct weft_worker *worker, struct weft_setup *setup);
/** Ends zygote and worker and waits for both. */
void weft_life_end(struct weft_worker *worker);

/* talk.c: messages from the zygote and the worker. [owner] */
/** Handles one; 0 when it breaks the protocol. */
int weft_talk_handle(struct weft_worker *worker, struct weft_message *message, struct weft_setup *setup);

/* life.c, for talk.c */
void weft_life_ended(struct weft_worker *worker, int code, int status);
void weft_life_check_alive(struct weft_worker *worker);
void weft_life_no_memory(struct weft_worker *worker);
void weft_life_no_descriptor(struct weft_worker *worker);

#endif
