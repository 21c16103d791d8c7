/* SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map(int fd, uint64_t n_bytes, int protection)
{
  void *memory = mmap(NULL, n_bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static int make(const char *name, uint64_t n_bytes)
{
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    return -1;
  if (ftruncate(fd, (off_t)n_bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

int weft_segments_new(struct weft_segments *segments, uint64_t n_bytes)
{
  *segments = (struct weft_segments){NULL, NULL, n_bytes, -1, -1};
  segments->in_fd = make("weft-in", n_bytes);
  segments->out_fd = segments->in_fd < 0 ? -1 : make("weft-out", n_bytes);
  if (segments->out_fd >= 0) {
    segments->in = map(segments->in_fd, n_bytes, PROT_READ | PROT_WRITE);
    segments->out = segments->in ? map(segments->out_fd, n_bytes, PROT_READ | PROT_WRITE) : NULL;
    if (segments->out)
      return 0;
  }
  int error = errno;
  weft_segments_clear(segments);
  return error;
}

int weft_segments_reader(const struct weft_segments *segments)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", segments->in_fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

int weft_segments_map(struct weft_segments *segments, int in_fd, int out_fd, uint64_t n_bytes)
{
  *segments = (struct weft_segments){NULL, NULL, n_bytes, -1, -1};
  segments->in = map(in_fd, n_bytes, PROT_READ);
  segments->out = segments->in ? map(out_fd, n_bytes, PROT_READ | PROT_WRITE) : NULL;
  int error = segments->out ? 0 : errno;
  close(in_fd);
  close(out_fd);
  if (error)
    weft_segments_clear(segments);
  return error;
}

void weft_segments_clear(struct weft_segments *segments)
{
  if (segments->in)
    munmap(segments->in, segments->n_bytes);
  if (segments->out)
    munmap(segments->out, segments->n_bytes);
  if (segments->in_fd >= 0)
    close(segments->in_fd);
  if (segments->out_fd >= 0)
    close(segments->out_fd);
  *segments = (struct weft_segments){NULL, NULL, 0, -1, -1};
}
