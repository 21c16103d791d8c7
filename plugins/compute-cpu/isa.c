/* SPDX-License-Identifier: Apache-2.0 */
#include "isa.h"

#include <stdio.h>
#include <string.h>

static int always(void)
{
  return 1;
}

#if defined(__x86_64__)
/* These ask the processor, and whether the system saves the registers. */
static int has_avx2(void)
{
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
  __builtin_cpu_init();
  return has_avx2() && __builtin_cpu_supports("avx512f");
}
#endif

/* The best comes first. */
static const struct {
  const struct weft_kernels *kernels;
  int (*runs)(void);
} sets[] = {
#if defined(__x86_64__)
    {&weft_kernels_avx512, has_avx512},
    {&weft_kernels_avx2, has_avx2},
#endif
    {&weft_kernels_scalar, always},
};

const struct weft_kernels *weft_cpu_isa_find(const char *name, int *runs)
{
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    if (strcmp(sets[i].kernels->name, name) == 0) {
      *runs = sets[i].runs();
      return sets[i].kernels;
    }
  *runs = 0;
  return NULL;
}

const struct weft_kernels *weft_cpu_isa_choose(const char *forced, char *message, size_t n_message)
{
  if (forced && *forced) {
    int runs;
    const struct weft_kernels *kernels = weft_cpu_isa_find(forced, &runs);
    if (kernels && runs)
      return kernels;
    snprintf(message, n_message, "%s=%.40s: %s; unset it, or name one that this processor has (scalar, avx2, avx512)",
             WEFT_CPU_ISA_VARIABLE, forced,
             kernels ? "this processor lacks that instruction set" : "not an instruction set that compute-cpu knows");
    return NULL;
  }
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    if (sets[i].runs())
      return sets[i].kernels;
  return NULL;
}
