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

static int has_avx512bf16(void)
{
  return has_avx512vnni() && __builtin_cpu_supports("avx512bf16");
}

/* Tiles, and their products of bf16 and of bytes. */
static int lists_amx(void)
{
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1);
}

/* The system lends the tiles' registers for the asking, to all threads of the process and to those it forks. */
static int has_amx(void)
{
  enum { REQUEST = 0x1023, TILE_DATA = 18 };
  return has_avx512vnni() && lists_amx() && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* Where there is AMX, vdpbf16ps is slower than fma of floats (111 beside 218 GFLOP/s): by name only. */
static int lacks_amx(void)
{
  return !lists_amx();
}
#endif

/* From the lowest to the highest; kernels: NULL where only products differ from the one before. */
static const struct {
  const char *name;
  int (*runs)(void);
  const struct weft_kernels *kernels;
  int (*well)(void); /* NULL: wherever it runs */
} sets[] = {
    {"scalar", always, &weft_kernels_scalar, NULL},
#if defined(__x86_64__)
    {"avx2", has_avx2, &weft_kernels_avx2, NULL},
    {"avxvnni", has_avxvnni, NULL, NULL},
    {"avx512", has_avx512, &weft_kernels_avx512, NULL},
    {"avx512vnni", has_avx512vnni, NULL, NULL},
    {"avx512bf16", has_avx512bf16, NULL, lacks_amx},
    {"amx", has_amx, NULL, NULL},
#endif
};
#define N_SETS (sizeof sets / sizeof *sets)

/* Those that are preferred come first. */
static const struct weft_product_kernels *const products[] = {
#if defined(__x86_64__)
    &weft_product_avx512_f32,
    &weft_product_avx2_f32,
    &weft_product_amx_bf16,
    &weft_product_avx512bf16_bf16,
    &weft_product_avx512_bf16,
    &weft_product_avx2_bf16,
    &weft_product_amx_int8,
    &weft_product_avx512vnni_int8,
    &weft_product_avxvnni_int8,
    &weft_product_avx2_int8,
    &weft_product_avx512vnni_int4,
    &weft_product_avxvnni_int4,
    &weft_product_avx2_int4,
#endif
    &weft_product_scalar_f32,
    &weft_product_scalar_bf16,
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

/* What runs here, and well, of the sets up to `highest`; forced: that one however well. */
static void choose(size_t highest, int forced, struct weft_cpu_isa *isa)
{
  *isa = (struct weft_cpu_isa){.name = sets[highest].name};
  for (size_t i = 0; i <= highest; i++)
    if (sets[i].kernels && sets[i].runs())
      isa->kernels = sets[i].kernels;
  for (size_t p = 0; p < N_PRODUCTS; p++) {
    size_t set = find(products[p]->isa);
    int well = !sets[set].well || sets[set].well() || (forced && set == highest);
    if (set <= highest && well && sets[set].runs() && !isa->products[products[p]->format])
      isa->products[products[p]->format] = products[p];
  }
}

int weft_cpu_isa_choose(const char *forced, struct weft_cpu_isa *isa, char *message, size_t n_message)
{
  size_t highest = N_SETS - 1;
  if (!forced || !*forced) {
    while (!sets[highest].runs())
      highest--;
    choose(highest, 0, isa);
    return 1;
  }
  highest = find(forced);
  if (highest < N_SETS && sets[highest].runs()) {
    choose(highest, 1, isa);
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
