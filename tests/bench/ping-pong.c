/* SPDX-License-Identifier: Apache-2.0 */
#include "ping-pong.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each word has a cache line of its own, and each side sleeps on the word that the other writes. */
struct words {
  _Alignas(64) _Atomic uint32_t ping;
  _Alignas(64) _Atomic uint32_t pong;
};

struct ping_pong {
  struct words *words;
  pid_t pid;
  int spin;
  uint32_t count;
};

static void wait_for(_Atomic uint32_t *word, uint32_t value, int spin)
{
  while (atomic_load_explicit(word, memory_order_acquire) != value)
    if (spin)
      __builtin_ia32_pause();
    else
      syscall(SYS_futex, word, FUTEX_WAIT, value - 1, NULL, NULL, 0);
}

static void post(_Atomic uint32_t *word, uint32_t value, int spin)
{
  atomic_store_explicit(word, value, memory_order_release);
  if (!spin)
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ping_pong_pin(int pid, int cpu)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(pid, sizeof set, &set);
}

struct ping_pong *ping_pong_new(int cpu, int spin)
{
  struct ping_pong *p = calloc(1, sizeof *p);
  if (!p)
    return NULL;
  p->spin = spin;
  p->words = mmap(NULL, sizeof *p->words, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p->words == MAP_FAILED) {
    free(p);
    return NULL;
  }
  p->pid = fork();
  if (p->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cpu >= 0)
      ping_pong_pin(0, cpu);
    for (uint32_t k = 1;; k++) {
      wait_for(&p->words->ping, k, spin);
      post(&p->words->pong, k, spin);
    }
  }
  return p;
}

void ping_pong_once(struct ping_pong *p)
{
  uint32_t k = ++p->count;
  post(&p->words->ping, k, p->spin);
  wait_for(&p->words->pong, k, p->spin);
}

void ping_pong_free(struct ping_pong *p)
{
  if (!p)
    return;
  if (p->pid > 0) {
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
  }
  munmap(p->words, sizeof *p->words);
  free(p);
}
