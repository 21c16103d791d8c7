/* SPDX-License-Identifier: Apache-2.0 */
#include "isa.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

static int has_avxvnni(void)
{
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static int has_avx512vnni(void)
{
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

/* Tiles, their products of bf16 and int8, and the system's permission to hold 8 KB of them: for all threads that start later. */
static int has_amx(void)
{
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, BF16 = 1 << 22, TILE = 1 << 24, INT8 = 1 << 25 };
  unsigned a = 0, b = 0, c = 0, d = 0, all = BF16 | TILE | INT8;
  return has_avx512vnni() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & all) == all &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

/* From the lowest to the highest; kernels: NULL where only products differ from the one before. */
static const struct {
  const char *name;
  int (*runs)(void);
  const struct weft_kernels *kernels;
} sets[] = {
    {"scalar", always, &weft_kernels_scalar},
#if defined(__x86_64__)
    {"avx2", has_avx2, &weft_kernels_avx2},
    {"avxvnni", has_avxvnni, NULL},
    {"avx512", has_avx512, &weft_kernels_avx512},
    {"avx512vnni", has_avx512vnni, NULL},
    {"amx", has_amx, NULL},
#endif
};
#define N_SETS (sizeof sets / sizeof *sets)

/* Those that are preferred come first. */
static const struct weft_product_kernels *const products[] = {
#if defined(__x86_64__)
    &weft_product_avx512_f32,
    &weft_product_avx2_f32,
    &weft_product_amx_int8,
    &weft_product_avx512vnni_int8,
    &weft_product_avxvnni_int8,
    &weft_product_avx2_int8,
    &weft_product_avx512vnni_int4,
    &weft_product_avxvnni_int4,
    &weft_product_avx2_int4,
#endif
    &weft_product_scalar_f32,
    &weft_product_scalar_int8,
    &weft_product_scalar_int4,
};
#define N_PRODUCTS (sizeof products / sizeof *products)

/* Index of a set, or N_SETS. */
static size_t find(const char *name)
{
  size_t i = 0;
  while (i < N_SETS && strcmp(sets[i].name, name) != 0)
    i++;
  return i;
}

const char *weft_cpu_isa_name(size_t index)
{
  return index < N_SETS ? sets[index].name : NULL;
}

const struct weft_kernels *weft_cpu_isa_find(const char *name, int *runs)
{
  size_t i = find(name);
  *runs = i < N_SETS && sets[i].runs();
  return i < N_SETS ? sets[i].kernels : NULL;
}

const struct weft_product_kernels *weft_cpu_product_at(size_t index, int *runs)
{
  if (index >= N_PRODUCTS)
    return NULL;
  *runs = sets[find(products[index]->isa)].runs();
  return products[index];
}

/* What runs here of the sets up to `highest`. */
static void choose(size_t highest, struct weft_cpu_isa *isa)
{
  *isa = (struct weft_cpu_isa){.name = sets[highest].name};
  for (size_t i = 0; i <= highest; i++)
    if (sets[i].kernels && sets[i].runs())
      isa->kernels = sets[i].kernels;
  for (size_t p = 0; p < N_PRODUCTS; p++) {
    size_t set = find(products[p]->isa);
    if (set <= highest && sets[set].runs() && !isa->products[products[p]->format])
      isa->products[products[p]->format] = products[p];
  }
}

int weft_cpu_isa_choose(const char *forced, struct weft_cpu_isa *isa, char *message, size_t n_message)
{
  size_t highest = N_SETS - 1;
  if (!forced || !*forced) {
    while (!sets[highest].runs())
      highest--;
    choose(highest, isa);
    return 1;
  }
  highest = find(forced);
  if (highest < N_SETS && sets[highest].runs()) {
    choose(highest, isa);
    return 1;
  }
  int n = snprintf(message, n_message, "%s=%.40s: %s; unset it, or name one that this processor has (",
                   WEFT_CPU_ISA_VARIABLE, forced,
                   highest < N_SETS ? "this processor lacks that instruction set"
                                    : "not an instruction set that compute-cpu knows");
  for (size_t i = 0; i < N_SETS && n > 0 && (size_t)n < n_message; i++)
    if (sets[i].runs())
      n += snprintf(message + n, n_message - (size_t)n, "%s%s", i ? ", " : "", sets[i].name);
  if (n > 0 && (size_t)n < n_message)
    snprintf(message + n, n_message - (size_t)n, ")");
  return 0;
}
