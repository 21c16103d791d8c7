/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  const WeftRevisionSink *spec;
  int fd;
  gboolean regular;
  guint64 n_bytes; /* of the current file */
  guint next;      /* number of the next file that is put aside */
} Sink;

struct WeftSinks {
  guint n;
  Sink *list;
  guint64 n_errors;
};

static gboolean failed(const Sink *sink, int problem, GError **error)
{
  const char *what = problem == ENOENT   ? "there is no such folder; make it first"
                     : problem == EROFS  ? "the file system is read-only"
                     : problem == EACCES ? "it may not be written"
                     : problem == ENOSPC ? "the disk is full"
                     : problem == EISDIR ? "it is a directory; a sink is a file"
                                         : g_strerror(problem);
  g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "sink \"%s\": %s: %s", sink->spec->name, sink->spec->to, what);
  return FALSE;
}

static gboolean open_sink(Sink *sink, GError **error)
{
  struct stat info;
  if (strcmp(sink->spec->to, "-") == 0)
    sink->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  else
    sink->fd = open(sink->spec->to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
  if (sink->fd < 0 || fstat(sink->fd, &info) != 0)
    return failed(sink, errno, error);
  sink->regular = S_ISREG(info.st_mode);
  sink->n_bytes = sink->regular ? (guint64)info.st_size : 0;
  return TRUE;
}

WeftSinks *weft_sinks_new(const WeftRevision *revision, GError **error)
{
  guint n = 0;
  const WeftRevisionSink *specs = weft_revision_sinks(revision, &n);
  g_autoptr(WeftSinks) sinks = g_new0(WeftSinks, 1);
  sinks->list = g_new0(Sink, n + 1);
  for (guint i = 0; i < n; i++)
    sinks->list[i] = (Sink){.spec = &specs[i], .fd = -1, .next = 1};
  sinks->n = n;
  for (guint i = 0; i < n; i++)
    if (!open_sink(&sinks->list[i], error))
      return NULL;
  return g_steal_pointer(&sinks);
}

void weft_sinks_free(WeftSinks *sinks)
{
  if (!sinks)
    return;
  for (guint i = 0; i < sinks->n; i++)
    if (sinks->list[i].fd >= 0)
      close(sinks->list[i].fd);
  g_free(sinks->list);
  g_free(sinks);
}

guint64 weft_sinks_n_errors(const WeftSinks *sinks)
{
  return sinks->n_errors;
}

/* Puts the file aside as PATH.N, the first number that is free, and begins a new one. */
static gboolean rotate(Sink *sink, GError **error)
{
  for (; sink->next <= WEFT_SINK_MAX_FILES; sink->next++) {
    g_autofree char *aside = g_strdup_printf("%s.%u", sink->spec->to, sink->next);
    if (link(sink->spec->to, aside) == 0) { /* unlike rename, it takes no other file's place */
      if (unlink(sink->spec->to) != 0)
        return failed(sink, errno, error);
      close(sink->fd);
      return open_sink(sink, error);
    }
    if (errno != EEXIST)
      return failed(sink, errno, error);
  }
  g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "sink \"%s\": %s: %u files are put aside already (WEFT_SINK_MAX_FILES)",
              sink->spec->name, sink->spec->to, WEFT_SINK_MAX_FILES);
  return FALSE;
}

static gboolean write_bytes(Sink *sink, const char *bytes, gsize n_bytes, GError **error)
{
  if (sink->spec->rotate_bytes && sink->regular && sink->n_bytes &&
      sink->n_bytes + n_bytes > sink->spec->rotate_bytes && !rotate(sink, error))
    return FALSE;
  for (gsize done = 0; done < n_bytes;) {
    gssize n = write(sink->fd, bytes + done, n_bytes - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      int problem = errno;
      if (done && sink->regular && ftruncate(sink->fd, (off_t)sink->n_bytes) != 0)
        sink->n_bytes += done;
      return failed(sink, problem, error);
    }
    done += (gsize)n;
  }
  sink->n_bytes += n_bytes;
  return TRUE;
}

gboolean weft_sinks_write(WeftSinks *sinks, const struct weft_frame *frame, guint item, GError **error)
{
  gboolean ok = TRUE;
  for (guint i = 0; i < sinks->n; i++) {
    Sink *sink = &sinks->list[i];
    const struct weft_tensor *value = weft_frame_value(frame, sink->spec->value);
    struct weft_rows rows = {0, 0, 0};
    if (value)
      rows = weft_rows_of(value, item);
    if (!rows.present || rows.end == rows.begin)
      continue;
    gboolean keep = ok && !sink->spec->on_error_drop;
    if (write_bytes(sink, (const char *)value->data + rows.begin, (gsize)(rows.end - rows.begin), keep ? error : NULL))
      continue;
    sinks->n_errors++;
    ok = ok && sink->spec->on_error_drop;
  }
  return ok;
}
