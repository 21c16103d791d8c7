/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a worker's processes as the host sees it. All of it runs on the
 * thread that owns them (worker-private.h), driven by three descriptors: the
 * control channel, the pidfd of the worker and that of its zygote.
 */
#include "busy.h"
#include "launch.h"
#include "watch.h"
#include "worker-private.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static void close_fd(int *fd)
{
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static const char *phase_name(const struct weft_worker *worker)
{
  static const char *const names[] = {"loading", "create", "ports", "activate"};
  uint32_t phase = atomic_load(&worker->ring.out->phase);
  if (phase < sizeof names / sizeof *names)
    return names[phase];
  uint32_t call = atomic_load(&worker->ring.in->call);
  return call && call != worker->base && atomic_load(&worker->ring.out->answer) != call ? "process" : "idling";
}

static void say_end(const struct weft_worker *worker, int code, int status, const char *who, char *text)
{
  const char *phase = phase_name(worker);
  if (code == CLD_EXITED)
    snprintf(text, WEFT_MESSAGE_BYTES, "%s: %s ended with exit code %d in %s; a plugin must not end its process",
             worker->label, who, status, phase);
  else if ((code == CLD_KILLED || code == CLD_DUMPED) && sigabbrev_np(status))
    snprintf(text, WEFT_MESSAGE_BYTES, "%s: %s died by signal %d (SIG%s) in %s", worker->label, who, status,
             sigabbrev_np(status), phase);
  else if (code == CLD_KILLED || code == CLD_DUMPED)
    snprintf(text, WEFT_MESSAGE_BYTES, "%s: %s died by signal %d in %s", worker->label, who, status, phase);
  else
    snprintf(text, WEFT_MESSAGE_BYTES, "%s: %s ended for an unknown reason in %s", worker->label, who, phase);
}

/* Why the worker is not there, unless that has been said already. */
static void say_failure(struct weft_worker *worker, int code, int status, const char *who)
{
  if (worker->failure_status != WEFT_OK)
    return;
  worker->failure_status = WEFT_INTERNAL;
  if (worker->killed) {
    worker->failure_status = WEFT_DEADLINE;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: worker killed at the deadline of its call", worker->label);
  } else if (worker->broken) {
    worker->failure_status = WEFT_CONTRACT;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: worker sent what is no message of the control channel; killed",
             worker->label);
  } else if (worker->timed_out) {
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: worker hung in %s for %" PRIu64 " ms; killed", worker->label,
             phase_name(worker), worker->setup_timeout_ns / 1000000);
  } else {
    say_end(worker, code, status, who, worker->failure);
  }
}

/* Tells whoever waits for a call that it is lost. Returns whether the worker had been given a call. */
static int bury(struct weft_worker *worker)
{
  uint32_t call = atomic_load(&worker->ring.in->call), before = worker->base;
  int lost;
  pthread_mutex_lock(&worker->lock);
  /* A lost call that has not been replaced keeps its own obituary. */
  if (!call || atomic_load(&worker->ring.lost) != call) {
    worker->obituary_status = worker->failure_status;
    memcpy(worker->obituary, worker->failure, sizeof worker->obituary);
  }
  pthread_mutex_unlock(&worker->lock);
  worker->base = weft_ring_bury(&worker->ring, &lost);
  if (lost && atomic_load(&worker->ring.in->notify)) {
    uint64_t one = 1;
    ssize_t n = write(worker->eventfd, &one, sizeof one);
    (void)n;
  }
  return worker->base != before;
}

void weft_life_ended(struct weft_worker *worker, int code, int status)
{
  int zygote = worker->zygote_fd < 0;
  if (worker->forked && worker->failure_status == WEFT_OK)
    atomic_fetch_add(&worker->n_deaths, 1);
  say_failure(worker, code, status, zygote && worker->forked ? "its zygote" : "worker");
  close_fd(&worker->worker_fd);
  atomic_store(&worker->pid, 0);
  worker->timer_ns = 0;
  worker->forked = 0;
  weft_busy_clear(worker->busy_place);
  worker->down_since_ns = weft_now_ns();
  /* Before the burial: a start that publishes after it sees the state and asks for a revival. */
  atomic_store(&worker->state, zygote ? WEFT_WORKER_GONE : WEFT_WORKER_DOWN);
  /* One that ended without having been given a call would end again: wait for a call. */
  if (bury(worker) && worker->attached && !zygote)
    weft_life_fork(worker);
}

void weft_life_kill_worker(struct weft_worker *worker)
{
  if (worker->worker_fd >= 0)
    syscall(SYS_pidfd_send_signal, worker->worker_fd, SIGKILL, NULL, 0);
}

void weft_life_kill_zygote(struct weft_worker *worker)
{
  if (worker->zygote_fd >= 0)
    syscall(SYS_pidfd_send_signal, worker->zygote_fd, SIGKILL, NULL, 0);
}

struct launch {
  struct weft_worker *worker;
  int socket, error;
};

static void launch_here(void *arg)
{
  struct launch *launch = arg;
  pid_t pid = 0;
  launch->error = weft_launch(launch->worker->program, launch->socket, &pid);
  launch->worker->zygote_pid = pid;
}

/* Starts the process and opens its pidfd: nobody else reaps our child, so the number is still its own. */
static int start_process(struct weft_worker *worker)
{
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
    return errno;
  struct launch launch = {worker, pair[1], 0};
  if (worker->attached)
    launch_here(&launch);
  else
    weft_watch_run(launch_here, &launch);
  close(pair[1]);
  if (!launch.error) {
    worker->zygote_fd = (int)syscall(SYS_pidfd_open, worker->zygote_pid, 0);
    launch.error = worker->zygote_fd < 0 ? errno : 0;
  }
  if (launch.error)
    close(pair[0]);
  else
    worker->control = pair[0];
  return launch.error;
}

static int send_setup(struct weft_worker *worker)
{
  struct weft_message message = {.kind = WEFT_CONTROL_SETUP, .n_fds = worker->busy_place ? 4 : 3,
                                 .n_bytes = worker->setup_body.n_bytes, .data = worker->setup_body.data};
  message.fds[0] = weft_segments_reader(&worker->segments);
  message.fds[1] = worker->segments.out_fd;
  message.fds[2] = worker->eventfd;
  message.fds[3] = weft_busy_fd();
  if (message.fds[0] < 0)
    return errno;
  int error = weft_control_send(worker->control, &message, 0);
  close(message.fds[0]);
  return error;
}

static void begin(struct weft_worker *worker, enum weft_worker_state state, enum weft_ring_phase phase)
{
  worker->forked = worker->activated = worker->timed_out = worker->broken = worker->killed = 0;
  worker->failure_status = WEFT_OK;
  worker->failure[0] = '\0';
  worker->timer_ns = weft_now_ns() + worker->setup_timeout_ns;
  atomic_store(&worker->ring.out->phase, phase);
  atomic_store(&worker->state, state);
}

void weft_life_launch(struct weft_worker *worker)
{
  begin(worker, WEFT_WORKER_LAUNCHING, WEFT_PHASE_LOAD);
  int error = start_process(worker);
  if (error) {
    worker->failure_status = error == ENOMEM ? WEFT_NO_MEMORY : WEFT_UNAVAILABLE;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: cannot start %s: %s", worker->label, worker->program,
             strerrordesc_np(error));
    weft_life_ended(worker, 0, 0);
    return;
  }
  error = send_setup(worker);
  if (error) {
    worker->failure_status = error == EMSGSIZE ? WEFT_BAD_CONFIG : WEFT_UNAVAILABLE;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: cannot hand the configuration of %zu bytes to the worker: %s%s",
             worker->label, worker->setup_body.n_bytes, strerrordesc_np(error),
             error == EMSGSIZE ? " (limit WEFT_CONTROL_MAX_BYTES)" : "");
    weft_life_kill_zygote(worker);
  }
}

void weft_life_fork(struct weft_worker *worker)
{
  begin(worker, WEFT_WORKER_STARTING, WEFT_PHASE_ACTIVATE);
  memcpy(worker->fork_body.data, &worker->base, sizeof worker->base);
  struct weft_message message = {.kind = WEFT_CONTROL_FORK, .n_bytes = worker->fork_body.n_bytes,
                                 .data = worker->fork_body.data};
  /* A zygote that does not take it is hung or dead; its end brings what follows. */
  if (worker->control < 0 || weft_control_send(worker->control, &message, MSG_DONTWAIT))
    weft_life_kill_zygote(worker);
}

void weft_life_revive(struct weft_worker *worker)
{
  uint32_t state = atomic_load(&worker->state);
  if (!worker->down_since_ns)
    worker->down_since_ns = weft_now_ns();
  if (state == WEFT_WORKER_DOWN)
    weft_life_fork(worker);
  else if (state == WEFT_WORKER_GONE)
    weft_life_launch(worker);
}

void weft_life_check_alive(struct weft_worker *worker)
{
  if (!worker->forked || !worker->activated)
    return;
  worker->timer_ns = 0;
  if (worker->down_since_ns) {
    atomic_store(&worker->last_respawn_ns, weft_now_ns() - worker->down_since_ns);
    atomic_fetch_add(&worker->n_respawns, 1);
    worker->down_since_ns = 0;
  }
  atomic_store(&worker->state, WEFT_WORKER_ALIVE);
  if (worker->killed)
    weft_life_kill_worker(worker);
}

/* The call in progress is to end now, whatever stands in its way. */
static void kill_call(struct weft_worker *worker)
{
  uint32_t call = atomic_load(&worker->ring.in->call), state = atomic_load(&worker->state);
  if (!call || call != atomic_load(&worker->kill_number) || atomic_load(&worker->ring.out->answer) == call ||
      atomic_load(&worker->ring.lost) == call)
    return;
  if (state == WEFT_WORKER_ALIVE || state == WEFT_WORKER_STARTING) {
    worker->killed = 1;
    if (worker->worker_fd >= 0)
      weft_life_kill_worker(worker);
    else
      weft_life_kill_zygote(worker);
  } else if (state != WEFT_WORKER_ENDING) {
    /* No worker has seen the call. One that is being launched goes on, for the next call. */
    worker->failure_status = WEFT_DEADLINE;
    snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: no worker was ready before the deadline of its call",
             worker->label);
    bury(worker);
    worker->failure_status = WEFT_OK;
  }
}

void weft_life_answer_wants(struct weft_worker *worker)
{
  uint32_t wants = atomic_exchange(&worker->wants, 0);
  if (wants & WEFT_WANT_KILL)
    kill_call(worker);
  if (wants & WEFT_WANT_REVIVE)
    weft_life_revive(worker);
}

void weft_life_no_memory(struct weft_worker *worker)
{
  if (worker->failure_status != WEFT_OK)
    return;
  worker->failure_status = WEFT_NO_MEMORY;
  snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: no memory to talk to its worker", worker->label);
}

void weft_life_no_descriptor(struct weft_worker *worker)
{
  if (worker->failure_status != WEFT_OK)
    return;
  worker->failure_status = WEFT_UNAVAILABLE;
  snprintf(worker->failure, WEFT_MESSAGE_BYTES, "%s: too many open files to talk to its worker; allow more with ulimit -n",
           worker->label);
}

/** Most messages handled in one go: a worker that floods the channel must not starve the others. */
#define BATCH 64

static void on_control(struct weft_worker *worker, struct weft_setup *setup)
{
  for (int i = 0; i < BATCH && worker->control >= 0; i++) {
    struct weft_message message;
    int error = weft_control_receive(worker->control, &worker->buffer, MSG_DONTWAIT, &message);
    if (error == EAGAIN)
      return;
    if (!error) {
      int good = weft_talk_handle(worker, &message, setup);
      weft_message_close(&message);
      if (good)
        continue;
    }
    if (error == ENOMEM)
      weft_life_no_memory(worker);
    else if (error == EMFILE)
      weft_life_no_descriptor(worker);
    else if (error != EPIPE)
      worker->broken = 1;
    close_fd(&worker->control);
    weft_life_kill_zygote(worker);
  }
}

/* Descriptors' numbers are reused: what poll said may be about one that is closed by now. */
static int has_ended(int fd)
{
  struct pollfd p = {fd, POLLIN, 0};
  return fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

static void on_worker(struct weft_worker *worker)
{
  close_fd(&worker->worker_fd);
  atomic_store(&worker->state, WEFT_WORKER_ENDING);
  worker->timer_ns = weft_now_ns() + WEFT_WORKER_REPORT_NS;
}

static void await_worker(struct weft_worker *worker)
{
  struct pollfd p = {worker->worker_fd, POLLIN, 0};
  if (worker->worker_fd < 0)
    return;
  weft_life_kill_worker(worker);
  while (poll(&p, 1, -1) < 0 && errno == EINTR)
    ;
  close_fd(&worker->worker_fd);
}

static void on_zygote(struct weft_worker *worker, struct weft_setup *setup)
{
  siginfo_t info;
  memset(&info, 0, sizeof info);
  on_control(worker, setup);
  waitid(P_PIDFD, (id_t)worker->zygote_fd, &info, WEXITED);
  await_worker(worker);
  close_fd(&worker->zygote_fd);
  close_fd(&worker->control);
  weft_life_ended(worker, info.si_code, info.si_status);
}

static void on_timer(struct weft_worker *worker)
{
  worker->timer_ns = 0;
  worker->timed_out = atomic_load(&worker->state) != WEFT_WORKER_ENDING;
  if (worker->timed_out && worker->worker_fd >= 0)
    weft_life_kill_worker(worker);
  else
    weft_life_kill_zygote(worker);
}

void weft_life_fds(const struct weft_worker *worker, struct pollfd fds[3])
{
  fds[0] = (struct pollfd){worker->control, POLLIN, 0};
  fds[1] = (struct pollfd){worker->worker_fd, POLLIN, 0};
  fds[2] = (struct pollfd){worker->zygote_fd, POLLIN, 0};
}

void weft_life_dispatch(struct weft_worker *worker, const struct pollfd fds[3], struct weft_setup *setup)
{
  if (fds[0].revents)
    on_control(worker, setup);
  if (fds[1].revents && has_ended(worker->worker_fd))
    on_worker(worker);
  if (fds[2].revents && has_ended(worker->zygote_fd))
    on_zygote(worker, setup);
  if (worker->timer_ns && weft_now_ns() >= worker->timer_ns)
    on_timer(worker);
}

void weft_life_step(struct weft_worker *worker, struct weft_setup *setup)
{
  struct pollfd fds[3];
  weft_life_fds(worker, fds);
  uint64_t now = weft_now_ns();
  int wait_ms = -1;
  if (worker->timer_ns)
    wait_ms = worker->timer_ns > now ? (int)((worker->timer_ns - now) / 1000000 + 1) : 0;
  if (poll(fds, 3, wait_ms) < 0)
    memset(fds, 0, sizeof fds);
  weft_life_dispatch(worker, fds, setup);
}

/** How long a zygote may take to leave once the host has closed the channel. */
#define LEAVE_MS 1000

void weft_life_end(struct weft_worker *worker)
{
  siginfo_t info;
  struct pollfd zygote = {worker->zygote_fd, POLLIN, 0};
  /* In this order the zygote reaps its worker, and no orphan is left to whoever adopts them. */
  await_worker(worker);
  close_fd(&worker->control);
  if (worker->zygote_fd < 0)
    return;
  if (atomic_load(&worker->state) == WEFT_WORKER_LAUNCHING || poll(&zygote, 1, LEAVE_MS) <= 0)
    weft_life_kill_zygote(worker);
  while (waitid(P_PIDFD, (id_t)worker->zygote_fd, &info, WEXITED) < 0 && errno == EINTR)
    ;
  close_fd(&worker->zygote_fd);
}
