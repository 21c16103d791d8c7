/* SPDX-License-Identifier: Apache-2.0 */
#include "busy.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES (WEFT_BUSY_PLACES * sizeof(uint32_t))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(_Atomic uint32_t *) page;
static uint32_t own; /* place of this process; the host's is 0. Written before `page` */
static _Atomic uint32_t n_places = 1; /* places that may be other than 0 */
static uint8_t taken[WEFT_BUSY_PLACES];
static int page_fd = -1, failed;

static int map(int fd)
{
  void *memory = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    return -1;
  atomic_store(&page, memory);
  return 0;
}

/* With the lock. Nothing depends on it: without a page everybody takes all cores. */
static void open_page(void)
{
  int fd = memfd_create("weft-busy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  failed = fd < 0 || ftruncate(fd, PAGE_BYTES) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
           map(fd);
  if (!failed)
    page_fd = fd;
  else if (fd >= 0)
    close(fd);
}

uint32_t weft_busy_take(void)
{
  uint32_t place = 0;
  pthread_mutex_lock(&lock);
  if (page_fd < 0 && !failed)
    open_page();
  for (uint32_t i = 1; i < WEFT_BUSY_PLACES && page_fd >= 0 && !place; i++)
    if (!taken[i])
      place = i;
  if (place) {
    taken[place] = 1;
    if (atomic_load(&n_places) <= place)
      atomic_store(&n_places, place + 1);
  }
  pthread_mutex_unlock(&lock);
  weft_busy_clear(place);
  return place;
}

void weft_busy_release(uint32_t place)
{
  weft_busy_clear(place);
  pthread_mutex_lock(&lock);
  if (place && place < WEFT_BUSY_PLACES)
    taken[place] = 0;
  pthread_mutex_unlock(&lock);
}

void weft_busy_clear(uint32_t place)
{
  _Atomic uint32_t *words = atomic_load(&page);
  if (words && place && place < WEFT_BUSY_PLACES)
    atomic_store(&words[place], 0);
}

int weft_busy_fd(void)
{
  pthread_mutex_lock(&lock);
  int fd = page_fd;
  pthread_mutex_unlock(&lock);
  return fd;
}

int weft_busy_join(int fd, uint32_t place)
{
  if (!place || place >= WEFT_BUSY_PLACES)
    return -1;
  own = place;
  atomic_store(&n_places, WEFT_BUSY_PLACES);
  return map(fd);
}

void weft_busy_enter(void)
{
  _Atomic uint32_t *words = atomic_load_explicit(&page, memory_order_acquire);
  if (words)
    atomic_fetch_add_explicit(&words[own], 1, memory_order_relaxed);
}

/* The page may have come in between, and others may write there: never below 0. */
void weft_busy_leave(void)
{
  _Atomic uint32_t *words = atomic_load_explicit(&page, memory_order_acquire);
  uint32_t n = words ? atomic_load_explicit(&words[own], memory_order_relaxed) : 0;
  while (n && !atomic_compare_exchange_weak_explicit(&words[own], &n, n - 1, memory_order_relaxed, memory_order_relaxed))
    ;
}

uint32_t weft_busy_others(void)
{
  _Atomic uint32_t *words = atomic_load_explicit(&page, memory_order_acquire);
  uint32_t sum = 0, n = words ? atomic_load_explicit(&n_places, memory_order_relaxed) : 0;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t busy = i == own ? 0 : atomic_load_explicit(&words[i], memory_order_relaxed);
    sum += busy < WEFT_BUSY_MOST ? busy : WEFT_BUSY_MOST;
  }
  return sum;
}
