/* SPDX-License-Identifier: Apache-2.0 */
#include "provider.h"
#include "isa.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

static const struct weft_host *the_host;
static const struct weft_kernels *the_kernels; /* NULL: none chosen, why_none says why */
static char why_none[256];
static char fingerprint[64];

static int supports(uint32_t code, uint32_t precision)
{
  return the_kernels && precision == WEFT_PRECISION_F32 && ((code >= WEFT_OP_SPLITS_UNIFORM && code <= WEFT_OP_SPLITS_SLICE) ||
                                             (code >= WEFT_OP_LINEAR && code <= WEFT_OP_ACTIVATION));
}

static weft_status compile(struct weft_setup *setup, const struct weft_plan *plan,
                           const struct weft_compute_options *options, struct weft_program **out)
{
  if (!the_kernels)
    return the_host->fail(setup, WEFT_BAD_CONFIG, "compute-cpu: %s", why_none);
  if (options && options->precision != WEFT_PRECISION_F32)
    return the_host->fail(setup, WEFT_UNSUPPORTED, "compute-cpu: precision %u is not offered; f32 (0) is",
                          options->precision);
  return weft_cpu_compile(the_host, the_kernels, setup, plan, out);
}

static struct weft_compute table = {
    .size = sizeof(struct weft_compute),
    .supports = supports,
    .compile = compile,
    .scratch = weft_cpu_scratch,
    .run = weft_cpu_run,
    .free = weft_cpu_free,
    .fingerprint = fingerprint,
};

weft_status weft_cpu_init(const struct weft_host *host)
{
  the_host = host;
  the_kernels = weft_cpu_isa_choose(getenv(WEFT_CPU_ISA_VARIABLE), why_none, sizeof why_none);
  if (!the_kernels)
    host->log(WEFT_LOG_ERROR, "compute-cpu: %s", why_none);
  snprintf(fingerprint, sizeof fingerprint, "compute-cpu " WEFT_CPU_VERSION " %s",
           the_kernels ? the_kernels->name : "none");
  return WEFT_OK;
}

const struct weft_compute *weft_cpu_table(void)
{
  return &table;
}
