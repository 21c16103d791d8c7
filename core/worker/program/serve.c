/* SPDX-License-Identifier: Apache-2.0 */
/* The worker: a fork of the zygote that handles calls. */
#include "ring.h"
#include "zygote.h"

#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A node that left another rounding or flush-to-zero behind must not change its next call: in process the runtime
   restores it too. Reading the register is cheap, writing it is not. */
static void restore_floating_point(void)
{
#ifdef __SSE__
  if ((__builtin_ia32_stmxcsr() & ~0x3fu) != 0x1f80u)
    __builtin_ia32_ldmxcsr(0x1f80u);
#else
  fesetenv(FE_DFL_ENV);
#endif
}

static weft_status activate(struct weft_zygote *zygote, const struct weft_fork *fork, struct weft_setup *setup,
                            struct weft_ring_worker **out)
{
  struct weft_ring_worker_spec spec = {.in = zygote->segments.in,
                                       .out = zygote->segments.out,
                                       .n_bytes = zygote->segments.n_bytes,
                                       .spin_ns = fork->spin_ns,
                                       .base = fork->base,
                                       .n_items_max = (uint32_t)fork->limits.n_items,
                                       .n_inputs = zygote->config.n_inputs,
                                       .n_outputs = zygote->n_outputs,
                                       .eventfd = zygote->eventfd};
  weft_status status = zygote->node->activate(zygote->instance, setup, &fork->limits, &spec.n_scratch_bytes);
  if (status != WEFT_OK)
    return status;
  status = weft_ring_worker_new(&spec, out);
  if (status != WEFT_OK)
    weft_host_table()->fail(setup, status, "no memory for %llu bytes of scratch",
                            (unsigned long long)spec.n_scratch_bytes);
  return status;
}

_Noreturn void weft_serve(struct weft_zygote *zygote, const struct weft_fork *fork)
{
  struct weft_setup setup = {0};
  struct weft_ring_worker *ring = NULL;
  struct weft_ring_out *out = zygote->segments.out;
  prctl(PR_SET_NAME, "weft-worker");
  weft_worker_pool_go();
  weft_status status = activate(zygote, fork, &setup, &ring);
  if (status == WEFT_OK)
    atomic_store(&out->phase, WEFT_PHASE_IDLE);
  if (weft_zygote_tell(zygote, WEFT_CONTROL_ACTIVATED, status, setup.message, -1) || status != WEFT_OK)
    _exit(EXIT_FAILURE);
  for (;;) {
    struct weft_call *call = weft_ring_worker_next(ring);
    status = zygote->node->process(zygote->instance, call);
    restore_floating_point();
    weft_ring_worker_answer(ring, status);
  }
}
