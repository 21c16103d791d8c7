/* SPDX-License-Identifier: Apache-2.0 */
/* Futex and clock. */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

uint64_t weft_now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int weft_futex_wait(const _Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
  struct timespec t = {(time_t)(deadline_ns / NS_PER_S), (long)(deadline_ns % NS_PER_S)};
  /* Not FUTEX_PRIVATE: the other end is another process. WAIT_BITSET takes an absolute monotonic time. */
  long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline_ns ? &t : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
  return r < 0 && errno == ETIMEDOUT ? ETIMEDOUT : 0;
}

void weft_futex_wake(const _Atomic uint32_t *word)
{
  syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}
