/* SPDX-License-Identifier: Apache-2.0 */
#include "provider.h"
#include "describe.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

static const struct weft_host *the_host;
static struct weft_cpu_isa the_isa; /* kernels NULL: none chosen, why_none says why */
static char why_none[256];
static char fingerprint[64];

static int supports(uint32_t code, uint32_t precision)
{
  return precision < WEFT_N_FORMATS && the_isa.products[precision] && weft_cpu_offers(code);
}

static weft_status compile(struct weft_setup *setup, const struct weft_plan *plan,
                           const struct weft_compute_options *options, struct weft_program **out)
{
  if (!the_isa.kernels)
    return the_host->fail(setup, WEFT_BAD_CONFIG, "compute-cpu: %s", why_none);
  uint32_t precision = options ? options->precision : WEFT_PRECISION_F32;
  if (precision >= WEFT_N_FORMATS)
    return the_host->fail(setup, WEFT_UNSUPPORTED, "compute-cpu: precision %u is not known; the highest is %u", precision,
                          WEFT_N_FORMATS - 1u);
  return weft_cpu_compile(the_host, &the_isa, precision, setup, plan, out);
}

static const char *layout(uint32_t precision)
{
  const struct weft_product_kernels *product =
      precision < WEFT_N_FORMATS && the_isa.kernels ? weft_cpu_product_for(&the_isa, precision) : NULL;
  return product ? product->name : NULL;
}

static void survey(void (*write)(void *data, const char *text), void *data)
{
  weft_cpu_survey(&(struct weft_cpu_out){write, data}, &the_isa, getenv(WEFT_CPU_ISA_VARIABLE));
}

static struct weft_compute table = {
    .size = sizeof(struct weft_compute),
    .supports = supports,
    .compile = compile,
    .scratch = weft_cpu_scratch,
    .run = weft_cpu_run,
    .free = weft_cpu_free,
    .fingerprint = fingerprint,
    .layout = layout,
    .describe = weft_cpu_describe,
    .survey = survey,
};

weft_status weft_cpu_init(const struct weft_host *host)
{
  the_host = host;
  the_isa = (struct weft_cpu_isa){0};
  if (!weft_cpu_isa_choose(getenv(WEFT_CPU_ISA_VARIABLE), &the_isa, why_none, sizeof why_none))
    host->log(WEFT_LOG_ERROR, "compute-cpu: %s", why_none);
  snprintf(fingerprint, sizeof fingerprint, "compute-cpu " WEFT_CPU_VERSION " %s",
           the_isa.kernels ? the_isa.name : "none");
  return WEFT_OK;
}

const struct weft_compute *weft_cpu_table(void)
{
  return &table;
}
