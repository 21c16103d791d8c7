/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#include "clock.h"
#include "hosttable.h"

#include <pthread.h>
#include <stddef.h>

struct weft_timer {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  struct weft_timer_entry *first, *last; /* sorted by `at` */
  pthread_t thread;
  int started, stopping;
};

weft_status weft_timer_new(struct weft_timer **out)
{
  struct weft_timer *timer = weft_mem_alloc(sizeof *timer);
  *out = timer;
  if (!timer)
    return WEFT_NO_MEMORY;
  *timer = (struct weft_timer){0};
  pthread_mutex_init(&timer->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&timer->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  return WEFT_OK;
}

void weft_timer_free(struct weft_timer *timer)
{
  if (!timer)
    return;
  pthread_mutex_lock(&timer->lock);
  timer->stopping = 1;
  pthread_cond_signal(&timer->wake);
  int started = timer->started;
  pthread_mutex_unlock(&timer->lock);
  if (started)
    pthread_join(timer->thread, NULL);
  pthread_cond_destroy(&timer->wake);
  pthread_mutex_destroy(&timer->lock);
  weft_mem_free(timer);
}

static void unlink_entry(struct weft_timer *timer, struct weft_timer_entry *entry)
{
  if (entry->previous)
    entry->previous->next = entry->next;
  else
    timer->first = entry->next;
  if (entry->next)
    entry->next->previous = entry->previous;
  else
    timer->last = entry->previous;
  entry->at = 0;
}

/* Later deadlines mostly come later: searched from the end. */
static void link_entry(struct weft_timer *timer, struct weft_timer_entry *entry, uint64_t at)
{
  struct weft_timer_entry *before = timer->last;
  while (before && before->at > at)
    before = before->previous;
  entry->at = at;
  entry->previous = before;
  entry->next = before ? before->next : timer->first;
  if (entry->next)
    entry->next->previous = entry;
  else
    timer->last = entry;
  if (before)
    before->next = entry;
  else
    timer->first = entry;
}

static void *timer_main(void *data)
{
  struct weft_timer *timer = data;
  pthread_mutex_lock(&timer->lock);
  while (!timer->stopping) {
    struct weft_timer_entry *entry = timer->first;
    if (!entry) {
      pthread_cond_wait(&timer->wake, &timer->lock);
      continue;
    }
    uint64_t now = weft_clock_now();
    if (entry->at > now) {
      struct timespec until = {(time_t)(entry->at / 1000000000u), (long)(entry->at % 1000000000u)};
      pthread_cond_timedwait(&timer->wake, &timer->lock, &until);
      continue;
    }
    unlink_entry(timer, entry);
    uint64_t next = entry->fire(entry, now);
    if (next)
      link_entry(timer, entry, next > now ? next : now + 1);
  }
  pthread_mutex_unlock(&timer->lock);
  return NULL;
}

weft_status weft_timer_arm(struct weft_timer *timer, struct weft_timer_entry *entry, uint64_t at)
{
  pthread_mutex_lock(&timer->lock);
  if (!timer->started && pthread_create(&timer->thread, NULL, timer_main, timer)) {
    pthread_mutex_unlock(&timer->lock);
    return WEFT_NO_MEMORY;
  }
  timer->started = 1;
  if (!entry->at || at < entry->at) {
    if (entry->at)
      unlink_entry(timer, entry);
    link_entry(timer, entry, at);
    if (timer->first == entry)
      pthread_cond_signal(&timer->wake);
  }
  pthread_mutex_unlock(&timer->lock);
  return WEFT_OK;
}

void weft_timer_disarm(struct weft_timer *timer, struct weft_timer_entry *entry)
{
  pthread_mutex_lock(&timer->lock);
  if (entry->at)
    unlink_entry(timer, entry);
  pthread_mutex_unlock(&timer->lock);
}
