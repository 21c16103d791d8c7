/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clock.h
 * Two things read at every node boundary: time and the floating-point state.
 *
 * Ticks are the processor's time stamp counter where it runs at a constant
 * rate (9 ns a read instead of 22), CLOCK_MONOTONIC otherwise. The rate is
 * taken when somebody asks for nanoseconds, so that start-up waits for nothing.
 */
#ifndef WEFT_CORE_CLOCK_H
#define WEFT_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern int weft_clock_has_tsc;

/** Decides what a tick is and notes the origin of the calibration. [any thread] */
void weft_clock_init(void);
/** Ticks to nanoseconds; may wait up to a millisecond after start-up. [any thread] */
uint64_t weft_clock_ns(uint64_t ticks);

/** CLOCK_MONOTONIC, nanoseconds. [any thread] */
static inline uint64_t weft_clock_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t weft_clock_ticks(void)
{
#if defined(__x86_64__)
  if (weft_clock_has_tsc)
    return __rdtsc();
#endif
  return weft_clock_now();
}

/*
 * Floating-point control: rounding, exception masks, flush to zero; never the
 * sticky exception flags, which ordinary arithmetic sets.
 */
#if defined(__x86_64__)
#define WEFT_FP_DEFAULT 0x037f00001f80u
static inline uint64_t weft_fp_get(void)
{
  uint16_t x87;
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  return (uint64_t)x87 << 32 | (_mm_getcsr() & ~0x3fu);
}
static inline void weft_fp_set(uint64_t state)
{
  uint16_t x87 = (uint16_t)(state >> 32);
  __asm__ volatile("fldcw %0" : : "m"(x87));
  _mm_setcsr((uint32_t)state);
}
#elif defined(__aarch64__)
#define WEFT_FP_DEFAULT 0u
static inline uint64_t weft_fp_get(void)
{
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state));
  return state;
}
static inline void weft_fp_set(uint64_t state)
{
  __asm__ volatile("msr fpcr, %0" : : "r"(state));
}
#else
#include <fenv.h>
#define WEFT_FP_DEFAULT ((uint64_t)FE_TONEAREST)
static inline uint64_t weft_fp_get(void) { return (uint64_t)fegetround(); }
static inline void weft_fp_set(uint64_t state) { fesetround((int)state); }
#endif

#endif
