/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file zygote.h
 * The process that has created the instance and forks a worker whenever the
 * host asks for one. It has one thread. Without namespaces the launcher itself
 * becomes the zygote.
 */
#ifndef WEFT_CORE_WORKER_ZYGOTE_H
#define WEFT_CORE_WORKER_ZYGOTE_H

#include "control.h"
#include "hosttable.h"
#include "segment.h"
#include "wire.h"

struct weft_pool_impl;

struct weft_zygote {
  int control, eventfd;
  struct weft_control_buffer buffer;
  struct weft_segments segments;
  struct weft_arena arena;      /**< what the configuration points at, for the life of the process */
  struct weft_config config;
  const char *module, *node_id, *compute;
  struct weft_pool_impl *pool;
  const struct weft_node *node;
  void *instance;
  uint32_t n_outputs;
  struct weft_writer taken;     /**< what host->takes said in create, as WEFT_CONTROL_PORTS has it */
};

/** Answers the exit code: 0 when the host has closed the channel. */
int weft_zygote_run(struct weft_zygote *zygote);

/** What a fork is told: struct of WEFT_CONTROL_FORK. */
struct weft_fork {
  uint32_t base;
  uint64_t spin_ns;
  struct weft_limits limits;
};

/** The worker: activates, then serves calls until it is killed. Never returns. */
_Noreturn void weft_serve(struct weft_zygote *zygote, const struct weft_fork *fork);

/** Sends status and message as `kind`. 0 or an errno. */
int weft_zygote_tell(const struct weft_zygote *zygote, uint32_t kind, weft_status status, const char *message, int fd);

/** weft.pool/1 as plugins see it here: in the zygote the caller works alone, in the worker with the pool's helpers. */
void weft_worker_pool_offer(struct weft_pool_impl *pool);
void weft_worker_pool_go(void);

#endif
