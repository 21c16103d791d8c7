/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that wakes parked frames: one eventfd per worker in one epoll.
 */
#include "internal.h"
#include "worker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_EVENTS 64

struct weft_io {
  int epoll, bell;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t heard_now;
  uint64_t rung, heard; /* a gate may be freed once a bell rung after its removal has been heard */
  int stopping;
};

static void answer(struct gate *gate)
{
  uint64_t count;
  if (read(weft_worker_fd(gate->worker), &count, sizeof count) < 0 && errno != EAGAIN)
    return;
  pthread_mutex_lock(&gate->lock);
  struct park *park = gate->in_flight;
  /* The word may be of a call that its frame has collected already. */
  if (park && weft_worker_poll(gate->worker)) {
    gate->in_flight = NULL;
    weft_frame_notify(park->frame, park);
  }
  pthread_mutex_unlock(&gate->lock);
}

static void *io_main(void *data)
{
  struct weft_io *io = data;
  struct epoll_event events[N_EVENTS];
  int stopping = 0;
  while (!stopping) {
    int bell = 0;
    int n = epoll_wait(io->epoll, events, N_EVENTS, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr)
        answer(events[i].data.ptr);
      else
        bell = 1;
    }
    if (!bell)
      continue;
    uint64_t count;
    pthread_mutex_lock(&io->lock);
    stopping = io->stopping;
    if (read(io->bell, &count, sizeof count) == (ssize_t)sizeof count)
      io->heard = io->rung;
    pthread_cond_broadcast(&io->heard_now);
    pthread_mutex_unlock(&io->lock);
  }
  return NULL;
}

/* Returns once the thread has finished with every event it had before. */
static void ring(struct weft_io *io, int stop)
{
  uint64_t one = 1;
  pthread_mutex_lock(&io->lock);
  uint64_t mine = ++io->rung;
  io->stopping = stop;
  if (write(io->bell, &one, sizeof one) == (ssize_t)sizeof one)
    while (io->heard < mine)
      pthread_cond_wait(&io->heard_now, &io->lock);
  pthread_mutex_unlock(&io->lock);
}

static void release(struct weft_io *io)
{
  if (io->epoll >= 0)
    close(io->epoll);
  if (io->bell >= 0)
    close(io->bell);
  pthread_cond_destroy(&io->heard_now);
  pthread_mutex_destroy(&io->lock);
  weft_mem_free(io);
}

static weft_status start(struct weft_runtime *runtime)
{
  struct weft_io *io = weft_mem_alloc(sizeof *io);
  if (!io)
    return WEFT_NO_MEMORY;
  *io = (struct weft_io){.epoll = epoll_create1(EPOLL_CLOEXEC), .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  pthread_mutex_init(&io->lock, NULL);
  pthread_cond_init(&io->heard_now, NULL);
  struct epoll_event event = {.events = EPOLLIN};
  if (io->epoll >= 0 && io->bell >= 0 && !epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->bell, &event) &&
      !pthread_create(&io->thread, NULL, io_main, io)) {
    runtime->io = io;
    return WEFT_OK;
  }
  release(io);
  return WEFT_NO_MEMORY;
}

weft_status weft_io_add(struct weft_runtime *runtime, struct gate *gate)
{
  if (!runtime->io) {
    weft_status status = start(runtime);
    if (status)
      return status;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = gate};
  if (epoll_ctl(runtime->io->epoll, EPOLL_CTL_ADD, weft_worker_fd(gate->worker), &event))
    return WEFT_NO_MEMORY;
  return WEFT_OK;
}

void weft_io_remove(struct weft_runtime *runtime, struct gate *gate)
{
  if (!runtime->io)
    return;
  epoll_ctl(runtime->io->epoll, EPOLL_CTL_DEL, weft_worker_fd(gate->worker), NULL);
  ring(runtime->io, 0);
}

void weft_io_free(struct weft_io *io)
{
  if (!io)
    return;
  ring(io, 1);
  pthread_join(io->thread, NULL);
  release(io);
}
