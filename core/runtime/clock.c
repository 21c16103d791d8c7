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

/* Both clocks at one moment; a thread may lose its processor between the two, so ticks are read on both sides. */
static uint64_t both(uint64_t *ticks, uint64_t *apart)
{
  uint64_t begin = weft_clock_ticks(), ns = weft_clock_now();
  *ticks = weft_clock_ticks();
  *apart = *ticks - begin;
  return ns;
}

static void init(void)
{
  uint64_t ticks, apart, least = UINT64_MAX;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  weft_clock_has_tsc = __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8));
#endif
  for (int i = 0; i < 8; i++) {
    uint64_t ns = both(&ticks, &apart);
    if (apart >= least)
      continue;
    least = apart;
    origin_ns = ns;
    origin_ticks = ticks;
  }
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
  uint64_t ns, now, apart, elapsed;
  do {
    ns = both(&now, &apart) - origin_ns;
    elapsed = now - origin_ticks;
  } while (ns < CALIBRATION_NS || apart > elapsed / 1000);
  return (uint64_t)((double)ticks * ((double)ns / (double)elapsed));
}
