/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction set gives at most in products of integers. */
#include "bench.h"

#include <string.h>

#if defined(__x86_64__)
/* So many multiplications and additions, two operations each. */
#define EACH_YMM(body) ".irp r,4,5,6,7,8,9,10,11,12,13,14,15\n " body "\n.endr\n"
#define CLOBBERS "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* The exact products of four pairs of bytes as AVX2 has them. */
static double avx2_int8(void)
{
  for (int i = 0; i < 1000; i++)
    __asm__ volatile(EACH_YMM("vpmaddubsw %%ymm0, %%ymm1, %%ymm3\n vpmaddwd %%ymm3, %%ymm2, %%ymm3\n"
                              " vpaddd %%ymm3, %%ymm\\r, %%ymm\\r") ::: CLOBBERS);
  return 1000. * 12 * 32 * 2;
}

/* Sums of small products stay in 16 bits. */
static double avx2_int4(void)
{
  for (int i = 0; i < 1000; i++)
    __asm__ volatile(EACH_YMM("vpmaddubsw %%ymm0, %%ymm1, %%ymm3\n vpaddw %%ymm3, %%ymm\\r, %%ymm\\r") ::: CLOBBERS);
  return 1000. * 12 * 32 * 2;
}

static double avxvnni(void)
{
  for (int i = 0; i < 1000; i++)
    __asm__ volatile(EACH_YMM("%{vex%} vpdpbusd %%ymm0, %%ymm1, %%ymm\\r") ::: CLOBBERS);
  return 1000. * 12 * 32 * 2;
}

static double avx512vnni(void)
{
  for (int i = 0; i < 1000; i++)
    __asm__ volatile(EACH_YMM("vpdpbusd %%zmm0, %%zmm1, %%zmm\\r") ::: CLOBBERS);
  return 1000. * 12 * 64 * 2;
}

static double amx(void)
{
  static const struct {
    unsigned char palette, start, reserved[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
  } __attribute__((aligned(64))) shape = {
      .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  __asm__ volatile("ldtilecfg %0" ::"m"(shape));
  for (int i = 0; i < 200; i++)
    __asm__ volatile("tdpbssd %tmm6, %tmm4, %tmm0\n tdpbssd %tmm7, %tmm4, %tmm1\n"
                     "tdpbssd %tmm6, %tmm5, %tmm2\n tdpbssd %tmm7, %tmm5, %tmm3\n");
  __asm__ volatile("tilerelease");
  return 200. * 4 * 16 * 16 * 64 * 2;
}

double bench_int_peak_of(const char *name, double seconds)
{
  static const struct {
    const char *name;
    double (*round)(void);
  } loops[] = {{"amx", amx}, {"avx512vnni", avx512vnni}, {"avxvnni", avxvnni}, {"avx2-int4", avx2_int4}, {"avx2", avx2_int8}};
  for (size_t l = 0; l < sizeof loops / sizeof *loops; l++) {
    if (strncmp(name, loops[l].name, strlen(loops[l].name)) != 0)
      continue;
    double work = 0, begin = bench_now(), taken;
    do {
      work += loops[l].round();
      taken = bench_now() - begin;
    } while (taken < seconds);
    return work / taken * 1e-9;
  }
  return bench_peak_of(name, seconds);
}
#else
double bench_int_peak_of(const char *name, double seconds)
{
  return bench_peak_of(name, seconds);
}
#endif
