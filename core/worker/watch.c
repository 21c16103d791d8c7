/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "worker-private.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A function that another thread waits for. */
struct errand {
  void (*run)(void *arg);
  void *arg;
  struct errand *next;
  int done;
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t done;
  struct errand *first, **last; /* under the lock */
  int started, wake_fd;         /* set before the thread begins, never changed */
  struct weft_worker *workers;  /* the watch thread's, as all below */
  uint32_t n_workers, n_room;
  struct pollfd *fds;           /* [1 + 3 * n_room] */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

void weft_watch_kick(void)
{
  uint64_t one = 1;
  ssize_t n = write(watch.wake_fd, &one, sizeof one);
  (void)n;
}

static void run_errands(void)
{
  pthread_mutex_lock(&watch.lock);
  while (watch.first) {
    struct errand *errand = watch.first;
    watch.first = errand->next;
    if (!watch.first)
      watch.last = &watch.first;
    pthread_mutex_unlock(&watch.lock);
    errand->run(errand->arg);
    pthread_mutex_lock(&watch.lock);
    errand->done = 1;
    pthread_cond_broadcast(&watch.done);
  }
  pthread_mutex_unlock(&watch.lock);
}

void weft_watch_run(void (*fn)(void *arg), void *arg)
{
  struct errand errand = {fn, arg, NULL, 0};
  pthread_mutex_lock(&watch.lock);
  *watch.last = &errand;
  watch.last = &errand.next;
  weft_watch_kick();
  while (!errand.done)
    pthread_cond_wait(&watch.done, &watch.lock);
  pthread_mutex_unlock(&watch.lock);
}

static int wait_ms(void)
{
  uint64_t first = 0;
  for (const struct weft_worker *w = watch.workers; w; w = w->next)
    if (w->timer_ns && (!first || w->timer_ns < first))
      first = w->timer_ns;
  uint64_t now = weft_now_ns();
  if (!first)
    return -1;
  uint64_t ms = first > now ? (first - now) / 1000000 + 1 : 0;
  return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* poll, not epoll: these descriptors speak a few times a day, and nothing has to be kept in step. */
static void look(void)
{
  struct pollfd alone = {watch.wake_fd, POLLIN, 0}, *fds = watch.fds ? watch.fds : &alone;
  uint32_t n = 0;
  fds[0] = alone;
  for (const struct weft_worker *w = watch.workers; w; w = w->next)
    weft_life_fds(w, &fds[1 + 3 * n++]);
  if (poll(fds, 1 + 3 * n, wait_ms()) < 0)
    return;
  if (fds[0].revents) {
    uint64_t count;
    ssize_t r = read(watch.wake_fd, &count, sizeof count);
    (void)r;
  }
  n = 0;
  for (struct weft_worker *w = watch.workers; w; w = w->next) {
    weft_life_dispatch(w, &fds[1 + 3 * n++], NULL);
    weft_life_answer_wants(w);
  }
}

static void *watch_thread(void *unused)
{
  (void)unused;
  for (;;) {
    look();
    run_errands(); /* after the round: they change the list */
  }
  return NULL;
}

static int start_thread(void)
{
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  watch.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (watch.wake_fd < 0)
    return errno;
  watch.last = &watch.first;
  /* Signals are for the host's own threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_create(&thread, &attributes, watch_thread, NULL);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error)
    close(watch.wake_fd);
  return error;
}

int weft_watch_start(void)
{
  pthread_mutex_lock(&watch.lock);
  int error = watch.started ? 0 : start_thread();
  watch.started = !error;
  pthread_mutex_unlock(&watch.lock);
  return error;
}

struct attaching {
  struct weft_worker *worker;
  int error;
};

static void attach_here(void *arg)
{
  struct attaching *attaching = arg;
  if (watch.n_workers == watch.n_room) {
    uint32_t room = watch.n_room ? watch.n_room * 2 : 16;
    struct pollfd *fds = weft_mem_alloc((1 + 3 * (size_t)room) * sizeof *fds);
    if (!fds) {
      attaching->error = ENOMEM;
      return;
    }
    weft_mem_free(watch.fds);
    watch.fds = fds;
    watch.n_room = room;
  }
  attaching->worker->next = watch.workers;
  attaching->worker->attached = 1;
  watch.workers = attaching->worker;
  watch.n_workers++;
}

static void detach_here(void *arg)
{
  struct weft_worker *worker = arg, **at = &watch.workers;
  while (*at && *at != worker)
    at = &(*at)->next;
  if (*at) {
    *at = worker->next;
    watch.n_workers--;
  }
  worker->attached = 0;
  /* The last one leaves nothing behind that would count as a leak. */
  if (!watch.n_workers) {
    weft_mem_free(watch.fds);
    watch.fds = NULL;
    watch.n_room = 0;
  }
}

int weft_watch_attach(struct weft_worker *worker)
{
  struct attaching attaching = {worker, 0};
  weft_watch_run(attach_here, &attaching);
  return attaching.error;
}

void weft_watch_detach(struct weft_worker *worker)
{
  if (worker->attached)
    weft_watch_run(detach_here, worker);
}
