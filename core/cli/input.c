/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "manifest.h"
#include "revision.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void bad(GError **error, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, WEFT_ERROR, WEFT_BAD_INPUT, message);
}

static gboolean open_problem(const char *path, GError **error)
{
  int code = errno;
  if (code == ENOENT)
    bad(error, "%s: there is no such file; give the path of a file that exists", path);
  else
    bad(error, "%s: cannot be opened: %s", path, g_strerror(code));
  return FALSE;
}

static gboolean read_stream(int fd, gboolean is_fifo, const char *path, GByteArray *out, GError **error)
{
  gint64 begin_us = g_get_monotonic_time();
  guint8 buffer[65536];
  for (;;) {
    gssize n = read(fd, buffer, sizeof buffer);
    if (n > 0) {
      g_byte_array_append(out, buffer, (guint)n);
      if (out->len > WEFT_INPUT_MAX_BYTES) {
        bad(error, "%s: is larger than %d bytes, the most that one input may have (WEFT_INPUT_MAX_BYTES)", path,
            WEFT_INPUT_MAX_BYTES);
        return FALSE;
      }
      continue;
    }
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EAGAIN) {
      /* A writer holds the pipe open: its pace is its own. */
      struct pollfd p = {fd, POLLIN, 0};
      poll(&p, 1, -1);
      continue;
    }
    if (n < 0) {
      bad(error, "%s: cannot be read: %s", path, g_strerror(errno));
      return FALSE;
    }
    if (!is_fifo || out->len > 0)
      return TRUE;
    /* Opened without waiting, since a pipe that nobody writes to would hang the caller for ever. */
    if (g_get_monotonic_time() - begin_us > WEFT_INPUT_PIPE_WAIT_MS * 1000) {
      bad(error, "%s: a pipe that nobody writes to (waited %d ms); start the writer first or give a file", path,
          WEFT_INPUT_PIPE_WAIT_MS);
      return FALSE;
    }
    g_usleep(10000);
  }
}

static gboolean read_open(int fd, const char *path, GByteArray *out, GError **error)
{
  struct stat info;
  if (fstat(fd, &info) != 0)
    return open_problem(path, error);
  if (S_ISDIR(info.st_mode)) {
    bad(error, "%s: is a directory; give the path of a file in it", path);
    return FALSE;
  }
  if (S_ISREG(info.st_mode) && info.st_size > WEFT_INPUT_MAX_BYTES) {
    bad(error, "%s: has %lld bytes, the most that one input may have is %d (WEFT_INPUT_MAX_BYTES)", path,
        (long long)info.st_size, WEFT_INPUT_MAX_BYTES);
    return FALSE;
  }
  if (!read_stream(fd, S_ISFIFO(info.st_mode) && fd != STDIN_FILENO, path, out, error))
    return FALSE;
  if (out->len == 0) {
    bad(error, "%s: is empty (0 bytes)", path);
    return FALSE;
  }
  return TRUE;
}

GBytes *weft_input_read(const char *path, GError **error)
{
  gboolean standard = strcmp(path, "-") == 0;
  const char *shown = standard ? "standard input" : path;
  if (path[0] == '\0') {
    bad(error, "the path is empty; give the path of a file, or - for standard input");
    return NULL;
  }
  int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) {
    open_problem(path, error);
    return NULL;
  }
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  gboolean ok = read_open(fd, shown, bytes, error);
  if (!standard)
    close(fd);
  return ok ? g_byte_array_free_to_bytes(g_steal_pointer(&bytes)) : NULL;
}

GBytes *weft_input_argument(const char *type, const char *value, GError **error)
{
  if (strcmp(type, "text") != 0)
    return weft_input_read(value, error);
  if (value[0] == '@' && value[1] != '@')
    return weft_input_read(value + 1, error);
  const char *text = value[0] == '@' ? value + 1 : value;
  return g_bytes_new(text, strlen(text));
}

GBytes *weft_input_json(const char *name, const char *type, const json_t *value, GError **error)
{
  gboolean text = strcmp(type, "text") == 0;
  if (json_is_string(value)) {
    if (text)
      return g_bytes_new(json_string_value(value), json_string_length(value));
    return weft_input_read(json_string_value(value), error);
  }
  const json_t *file = json_object_get(value, "file");
  if (json_is_string(file) && json_object_size(value) == 1)
    return weft_input_read(json_string_value(file), error);
  bad(error, "\"%s\": expected %s or {\"file\": PATH}, found %s", name, text ? "a text" : "a path",
      json_is_object(value)    ? "another object"
      : json_is_array(value)   ? "an array"
      : json_is_number(value)  ? "a number"
      : json_is_boolean(value) ? "true or false"
                               : "null");
  return NULL;
}
