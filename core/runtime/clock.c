/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* A rate over less than this is not exact to a thousandth. */
#define CALIBRATION_NS 1000000u

int weft_clock_has_tsc;
static uint64_t origin_ticks, origin_ns;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  weft_clock_has_tsc = __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8));
#endif
  origin_ns = weft_clock_now();
  origin_ticks = weft_clock_ticks();
}

void weft_clock_init(void)
{
  pthread_once(&once, init);
}

uint64_t weft_clock_ns(uint64_t ticks)
{
  weft_clock_init();
  if (!weft_clock_has_tsc)
    return ticks;
  uint64_t ns;
  do {
    ns = weft_clock_now() - origin_ns;
  } while (ns < CALIBRATION_NS);
  uint64_t elapsed = weft_clock_ticks() - origin_ticks;
  return (uint64_t)((double)ticks * ((double)ns / (double)elapsed));
}
