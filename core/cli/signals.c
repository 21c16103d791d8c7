/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static const int numbers[] = {SIGINT, SIGTERM};

static struct sigaction before[G_N_ELEMENTS(numbers)];
static _Atomic int came;
static int input = -1, nothing = -1;
static gboolean held;

/* A read that waits is interrupted, and one that begins later finds the end. */
static void on_signal(int number)
{
  int problem = errno, none = 0;
  if (!atomic_compare_exchange_strong(&came, &none, number)) {
    signal(number, SIG_DFL);
    raise(number);
    return;
  }
  if (input >= 0 && nothing >= 0)
    dup2(nothing, input);
  errno = problem;
}

void weft_signals_hold(int fd)
{
  struct sigaction hold = {.sa_handler = on_signal};
  if (held)
    return;
  held = TRUE;
  atomic_store(&came, 0);
  nothing = fd >= 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
  input = fd;
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
    sigaction(numbers[i], NULL, &before[i]);
    if (before[i].sa_handler != SIG_IGN)
      sigaction(numbers[i], &hold, NULL);
  }
}

gboolean weft_signals_came(void)
{
  return atomic_load(&came) != 0;
}

/* The old handlers first: a signal that comes later is theirs, and none that came before is forgotten. */
void weft_signals_release(void)
{
  if (!held)
    return;
  held = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    sigaction(numbers[i], &before[i], NULL);
  int number = atomic_load(&came);
  if (number) {
    fflush(stdout);
    signal(number, SIG_DFL);
    raise(number);
  }
  if (nothing >= 0)
    close(nothing);
  nothing = input = -1;
}
