/* SPDX-License-Identifier: Apache-2.0 */
/** @file describe.h What the provider tells of itself, as JSON in pieces. */
#ifndef WEFT_CPU_DESCRIBE_H
#define WEFT_CPU_DESCRIBE_H

#include "isa.h"

#include <weft/compute.h>

struct weft_cpu_out {
  void (*write)(void *data, const char *text);
  void *data;
};

/** Up to 511 bytes. */
void weft_cpu_put(struct weft_cpu_out *out, const char *format, ...) WEFT_PRINTF(2, 3);
/** A JSON string. */
void weft_cpu_put_text(struct weft_cpu_out *out, const char *text);
/** "int8" of WEFT_FORMAT_INT8. */
const char *weft_cpu_format_name(uint32_t format);

/** weft_compute.describe. */
void weft_cpu_describe(const struct weft_program *program, void (*write)(void *data, const char *text), void *data);
/** What stands behind weft_compute.survey. isa: as chosen; forced: by WEFT_COMPUTE_ISA, or NULL. */
void weft_cpu_survey(struct weft_cpu_out *out, const struct weft_cpu_isa *isa, const char *forced);

#endif
