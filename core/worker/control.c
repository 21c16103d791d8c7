/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include "hosttable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MEMFD 1u

struct head {
  uint32_t kind, flags;
  uint64_t n_bytes;
};

union fd_room {
  struct cmsghdr align;
  char data[CMSG_SPACE(sizeof(int) * (WEFT_CONTROL_MAX_FDS + 1))];
};

int weft_sealed_memfd(const char *name, const void *data, size_t n_bytes)
{
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  size_t done = 0;
  while (fd >= 0 && done < n_bytes) {
    ssize_t n = write(fd, (const char *)data + done, n_bytes - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      int error = n < 0 ? errno : EIO;
      close(fd);
      errno = error;
      return -1;
    }
    done += (size_t)n;
  }
  if (fd >= 0)
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return fd;
}

static int send_packet(int socket, const struct head *head, const struct weft_message *message, int body_fd, int flags)
{
  union fd_room room;
  struct iovec parts[2] = {{(void *)(uintptr_t)head, sizeof *head}, {message->data, message->n_bytes}};
  struct msghdr packet = {.msg_iov = parts, .msg_iovlen = body_fd < 0 ? 2 : 1};
  uint32_t n_fds = message->n_fds + (body_fd >= 0);
  if (n_fds) {
    memset(&room, 0, sizeof room);
    packet.msg_control = room.data;
    packet.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    struct cmsghdr *part = CMSG_FIRSTHDR(&packet);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
    memcpy(CMSG_DATA(part), message->fds, sizeof(int) * message->n_fds);
    if (body_fd >= 0)
      memcpy(CMSG_DATA(part) + sizeof(int) * message->n_fds, &body_fd, sizeof(int));
  }
  ssize_t n;
  do
    n = sendmsg(socket, &packet, flags | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

int weft_control_send(int socket, const struct weft_message *message, int flags)
{
  struct head head = {message->kind, 0, message->n_bytes};
  if (message->n_bytes > WEFT_CONTROL_MAX_BYTES || message->n_fds > WEFT_CONTROL_MAX_FDS)
    return EMSGSIZE;
  if (message->n_bytes <= WEFT_CONTROL_PACKET_BYTES)
    return send_packet(socket, &head, message, -1, flags);
  int fd = weft_sealed_memfd("weft-message", message->data, message->n_bytes);
  if (fd < 0)
    return errno;
  head.flags = IN_MEMFD;
  int error = send_packet(socket, &head, message, fd, flags);
  close(fd);
  return error;
}

void weft_control_clear(struct weft_control_buffer *buffer)
{
  weft_mem_free(buffer->data);
  buffer->data = NULL;
  buffer->n_room = 0;
}

static int grow(struct weft_control_buffer *buffer, size_t n_bytes)
{
  if (n_bytes <= buffer->n_room)
    return 0;
  uint8_t *data = weft_mem_alloc(n_bytes);
  if (!data)
    return ENOMEM;
  weft_mem_free(buffer->data);
  buffer->data = data;
  buffer->n_room = n_bytes;
  return 0;
}

/* Only a memfd may hold a body: reading another kind of file could wait for ever. */
static int read_memfd(int fd, uint8_t *to, size_t n_bytes)
{
  if (fcntl(fd, F_GET_SEALS) < 0)
    return EPROTO;
  size_t done = 0;
  while (done < n_bytes) {
    ssize_t n = pread(fd, to + done, n_bytes - done, (off_t)done);
    if (n <= 0)
      return EPROTO;
    done += (size_t)n;
  }
  return 0;
}

static void take_fds(struct msghdr *from, int *fds, uint32_t *n_fds)
{
  *n_fds = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(from); part; part = CMSG_NXTHDR(from, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
      continue;
    uint32_t n = (uint32_t)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (uint32_t i = 0; i < n && *n_fds <= WEFT_CONTROL_MAX_FDS; i++)
      memcpy(&fds[(*n_fds)++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
  }
}

static int check(const struct head *head, ssize_t n, const struct msghdr *got, uint32_t n_fds)
{
  if (got->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n < (ssize_t)sizeof *head || head->n_bytes > WEFT_CONTROL_MAX_BYTES)
    return EPROTO;
  size_t body = (size_t)n - sizeof *head;
  if (head->flags & IN_MEMFD)
    return body || !n_fds ? EPROTO : 0;
  return body != head->n_bytes || n_fds > WEFT_CONTROL_MAX_FDS ? EPROTO : 0;
}

int weft_control_receive(int socket, struct weft_control_buffer *buffer, int flags, struct weft_message *out)
{
  struct head head = {0, 0, 0};
  union fd_room room;
  int fds[WEFT_CONTROL_MAX_FDS + 1];
  uint32_t n_fds;
  ssize_t n;
  memset(out, 0, sizeof *out);
  int error = grow(buffer, WEFT_CONTROL_PACKET_BYTES);
  if (error)
    return error;
  struct iovec parts[2] = {{&head, sizeof head}, {buffer->data, WEFT_CONTROL_PACKET_BYTES}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = room.data, .msg_controllen = sizeof room};
  do
    n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return n == 0 || errno == ECONNRESET ? EPIPE : errno;
  take_fds(&message, fds, &n_fds);
  error = check(&head, n, &message, n_fds);
  /* Cut although there was room: it is this process that may open no more descriptors. */
  if (message.msg_flags & MSG_CTRUNC && n_fds <= WEFT_CONTROL_MAX_FDS)
    error = EMFILE;
  if (!error && head.flags & IN_MEMFD) {
    error = grow(buffer, head.n_bytes);
    if (!error)
      error = read_memfd(fds[n_fds - 1], buffer->data, head.n_bytes);
    close(fds[--n_fds]);
  }
  out->n_fds = n_fds > WEFT_CONTROL_MAX_FDS ? WEFT_CONTROL_MAX_FDS : n_fds;
  memcpy(out->fds, fds, out->n_fds * sizeof *fds);
  for (uint32_t i = out->n_fds; i < n_fds; i++)
    close(fds[i]);
  if (error) {
    weft_message_close(out);
    return error;
  }
  out->kind = head.kind;
  out->n_bytes = head.n_bytes;
  out->data = buffer->data;
  return 0;
}

void weft_message_close(struct weft_message *message)
{
  for (uint32_t i = 0; i < message->n_fds; i++)
    if (message->fds[i] >= 0)
      close(message->fds[i]);
  message->n_fds = 0;
}

int weft_message_take(struct weft_message *message, uint32_t i)
{
  if (i >= message->n_fds)
    return -1;
  int fd = message->fds[i];
  message->fds[i] = -1;
  return fd;
}
