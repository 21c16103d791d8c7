/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file with the layers stored as decided; everything else as it was, but for tables, which become bf16. */
#include "quantise.h"

#include "manifest.h"
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <weft/operations.h>

typedef struct {
  const struct weft_safetensors_tensor *tensor;
  guint32 precision;  /* that it is stored at; G_MAXUINT32: as it is */
  gsize n_bytes, scales;
} Piece;

/* Whether a plan looks rows up in it, and nothing else. */
static gboolean is_table(const WeftQuantise *quantise, const char *name)
{
  gboolean table = FALSE;
  for (guint i = 0; i < weft_plan_n_caught(); i++) {
    const struct weft_plan *plan = &weft_plan_caught(i)->plan;
    for (guint o = 0; o < plan->n_ops; o++)
      for (guint k = 0; k < plan->ops[o].n_inputs; k++) {
        weft_value v = plan->ops[o].inputs[k];
        if (v == WEFT_NO_VALUE || plan->values[v].kind != WEFT_VALUE_WEIGHT)
          continue;
        const struct weft_plan_weight *w = &plan->weights[plan->values[v].weight];
        if (w->resource != quantise->resource || g_strcmp0(w->name, name) != 0)
          continue;
        if (plan->ops[o].code != WEFT_OP_EMBEDDING && plan->ops[o].code != WEFT_OP_ADD_POSITION)
          return FALSE;
        table = TRUE;
      }
  }
  return table;
}

static Piece piece_of(const WeftQuantise *quantise, const struct weft_safetensors_tensor *tensor)
{
  const WeftQuantLayer *layer = weft_quantise_layer(quantise, tensor->name);
  Piece piece = {tensor, G_MAXUINT32, tensor->n_bytes, tensor->n_bytes};
  gboolean f32 = tensor->dtype.code == WEFT_DTYPE_FLOAT && tensor->dtype.bits == 32;
  if (layer && (layer->precision > WEFT_PRECISION_BF16 || (layer->precision == WEFT_PRECISION_BF16 && f32)))
    piece.precision = layer->precision;
  else if (!layer && f32 && tensor->rank == 2 && is_table(quantise, tensor->name))
    piece.precision = WEFT_PRECISION_BF16;
  if (piece.precision != G_MAXUINT32)
    piece.n_bytes = weft_quantise_bytes(piece.precision, (gsize)tensor->dims[0], (gsize)tensor->dims[1], &piece.scales);
  return piece;
}

static const char *dtype_name(struct weft_dtype dtype)
{
  static const struct {
    const char *name;
    guint8 code, bits;
  } names[] = {{"F32", WEFT_DTYPE_FLOAT, 32}, {"F16", WEFT_DTYPE_FLOAT, 16}, {"BF16", WEFT_DTYPE_BFLOAT, 16},
               {"F64", WEFT_DTYPE_FLOAT, 64}, {"I64", WEFT_DTYPE_INT, 64},   {"I32", WEFT_DTYPE_INT, 32},
               {"I16", WEFT_DTYPE_INT, 16},   {"I8", WEFT_DTYPE_INT, 8},     {"U64", WEFT_DTYPE_UINT, 64},
               {"U32", WEFT_DTYPE_UINT, 32},  {"U16", WEFT_DTYPE_UINT, 16},  {"U8", WEFT_DTYPE_UINT, 8},
               {"BOOL", WEFT_DTYPE_BOOL, 8}};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i].code == dtype.code && names[i].bits == dtype.bits)
      return names[i].name;
  return "F32";
}

static void put_entry(json_t *header, const char *name, const char *dtype, json_t *shape, gsize begin, gsize end)
{
  json_object_set_new(header, name, json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets",
                                              (json_int_t)begin, (json_int_t)end));
}

static void put_piece(json_t *header, const Piece *piece, gsize at)
{
  static const char *const words[] = {"F32", "BF16", "I8", "U8"};
  const struct weft_safetensors_tensor *t = piece->tensor;
  json_t *shape = json_array();
  for (guint d = 0; d < t->rank; d++)
    json_array_append_new(shape, json_integer(d == 1 && piece->precision == WEFT_PRECISION_INT4 ? t->dims[d] / 2 : t->dims[d]));
  put_entry(header, t->name, piece->precision == G_MAXUINT32 ? dtype_name(t->dtype) : words[piece->precision], shape, at,
            at + piece->scales);
  if (piece->scales == piece->n_bytes)
    return;
  gboolean int4 = piece->precision == WEFT_PRECISION_INT4;
  g_autofree char *name = g_strconcat(t->name, ".scale", NULL);
  shape = int4 ? json_pack("[I,I]", (json_int_t)t->dims[0], (json_int_t)t->dims[1] / 32) : json_pack("[I]", (json_int_t)t->dims[0]);
  put_entry(header, name, int4 ? "BF16" : "F32", shape, at + piece->scales, at + piece->n_bytes);
}

static gboolean put(int fd, const void *bytes, gsize n)
{
  for (gsize at = 0; at < n;) {
    gssize done = write(fd, (const char *)bytes + at, n - at);
    if (done < 0 && errno != EINTR)
      return FALSE;
    at += done > 0 ? (gsize)done : 0;
  }
  return TRUE;
}

static gboolean put_bytes(int fd, const Piece *piece)
{
  const struct weft_safetensors_tensor *t = piece->tensor;
  if (piece->precision == G_MAXUINT32)
    return put(fd, t->data, t->n_bytes);
  gsize n = (gsize)t->dims[0], k = (gsize)t->dims[1];
  g_autofree float *x = g_new(float, n * k + 1);
  g_autofree guint8 *stored = g_malloc0(piece->n_bytes + 1);
  if (weft_to_f32(t->data, t->dtype, n * k, x) != WEFT_OK) {
    errno = EINVAL;
    return FALSE;
  }
  weft_quantise_store(piece->precision, x, n, k, stored);
  return put(fd, stored, piece->n_bytes);
}

/* What is read fastest stands aligned: headers are filled up with spaces to whole lines. */
static char *header_text(const GArray *pieces, gsize *n)
{
  json_t *header = json_object();
  gsize at = 0;
  for (guint i = 0; i < pieces->len; i++) {
    put_piece(header, &g_array_index(pieces, Piece, i), at);
    at += g_array_index(pieces, Piece, i).n_bytes;
  }
  char *dumped = json_dumps(header, JSON_COMPACT);
  json_decref(header);
  gsize length = strlen(dumped);
  *n = (8 + length + 63) / 64 * 64 - 8;
  char *text = g_malloc(*n + 1);
  memset(text, ' ', *n);
  memcpy(text, dumped, length);
  free(dumped);
  return text;
}

static gboolean write_file(const GArray *pieces, const char *to, GError **error)
{
  gsize n = 0;
  g_autofree char *text = header_text(pieces, &n);
  guint64 prefix = GUINT64_TO_LE(n);
  int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  gboolean ok = fd >= 0 && put(fd, &prefix, sizeof prefix) && put(fd, text, n);
  for (guint i = 0; ok && i < pieces->len; i++)
    ok = put_bytes(fd, &g_array_index(pieces, Piece, i));
  ok = ok && fsync(fd) == 0;
  int problem = errno;
  if (fd >= 0)
    close(fd);
  if (!ok)
    g_set_error(error, WEFT_ERROR, WEFT_UNAVAILABLE, "%s cannot be written: %s", to, g_strerror(problem));
  return ok;
}

/* Wider elements first, so that each stands aligned. */
static gint by_width(gconstpointer a, gconstpointer b)
{
  const Piece *x = a, *y = b;
  guint wide = x->precision == G_MAXUINT32 ? x->tensor->dtype.bits : x->precision == WEFT_PRECISION_BF16 ? 16 : 8;
  guint other = y->precision == G_MAXUINT32 ? y->tensor->dtype.bits : y->precision == WEFT_PRECISION_BF16 ? 16 : 8;
  return wide != other ? (wide > other ? -1 : 1) : x->tensor->offset < y->tensor->offset ? -1 : 1;
}

gboolean weft_quantise_write(const WeftQuantise *quantise, const char *from, const char *to, GError **error)
{
  char message[WEFT_MESSAGE_BYTES] = "";
  struct weft_safetensors *file = NULL;
  g_autoptr(GMappedFile) map = g_mapped_file_new(from, FALSE, error);
  if (!map)
    return FALSE;
  struct weft_resource resource = {g_mapped_file_get_contents(map), g_mapped_file_get_length(map), 0};
  weft_status status = weft_safetensors_open(&resource, from, &file, message);
  if (status != WEFT_OK) {
    g_set_error(error, WEFT_ERROR, status, "%s", message);
    return FALSE;
  }
  g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  for (guint i = 0; i < weft_safetensors_count(file); i++) {
    Piece piece = piece_of(quantise, weft_safetensors_at(file, i));
    g_array_append_val(pieces, piece);
  }
  g_array_sort(pieces, by_width);
  gboolean ok = write_file(pieces, to, error);
  weft_safetensors_close(file);
  return ok;
}
