/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <math.h>
#include <string.h>

static WeftDriver *run(GBytes *const *files, uint32_t n, const char *max_duration)
{
  WeftDriver *d = weft_driver_new("wav", "wav");
  if (max_duration)
    weft_driver_set(d, "max_duration", max_duration);
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, n, files)};
  g_assert_cmpint(weft_driver_run(d, n, inputs), ==, WEFT_OK);
  return d;
}

static const float *samples_of(const WeftDriver *d, uint32_t item, int64_t *n)
{
  const struct weft_tensor *samples = weft_driver_output(d, "samples");
  struct weft_rows rows = weft_rows_of(samples, item);
  *n = rows.end - rows.begin;
  return (const float *)samples->data + rows.begin;
}

static int32_t rate_of(const WeftDriver *d, uint32_t item)
{
  return ((const int32_t *)weft_driver_output(d, "samples.rate")->data)[item];
}

struct format {
  guint16 tag, channels, bits;
  guint32 rate, announced; /* announced: size of the data chunk; 0: as it is */
};

static void put(GByteArray *out, guint64 value, guint n)
{
  for (guint i = 0; i < n; i++) {
    guint8 byte = (guint8)(value >> (8 * i));
    g_byte_array_append(out, &byte, 1);
  }
}

static void put_text(GByteArray *out, const char *text)
{
  g_byte_array_append(out, (const guint8 *)text, 4);
}

/* A RIFF file written here from the specification, with a chunk that readers must skip. */
static GBytes *make_wav(const struct format *f, const void *data, gsize n)
{
  GByteArray *out = g_byte_array_new();
  guint frame = f->channels * f->bits / 8u;
  put_text(out, "RIFF");
  put(out, 4 + 8 + 16 + 8 + 4 + 8 + n, 4);
  put_text(out, "WAVE");
  put_text(out, "fmt ");
  put(out, 16, 4);
  put(out, f->tag, 2);
  put(out, f->channels, 2);
  put(out, f->rate, 4);
  put(out, (guint64)f->rate * frame, 4);
  put(out, frame, 2);
  put(out, f->bits, 2);
  put_text(out, "note");
  put(out, 3, 4); /* odd: one byte of padding follows */
  put_text(out, "abc");
  put_text(out, "data");
  put(out, f->announced ? f->announced : n, 4);
  if (n)
    g_byte_array_append(out, data, (guint)n);
  return g_byte_array_free_to_bytes(out);
}

static void check(const struct format *f, const void *data, gsize n, const float *want, int64_t n_want)
{
  g_autoptr(GBytes) file = make_wav(f, data, n);
  g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, NULL);
  int64_t n_found;
  const float *found = samples_of(d, 0, &n_found);
  g_assert_cmpstr(weft_driver_item_message(d, 0), ==, "");
  g_assert_cmpint(n_found, ==, n_want);
  g_assert_cmpint(rate_of(d, 0), ==, (int)f->rate);
  for (int64_t i = 0; i < n_want; i++)
    g_assert_cmpfloat(found[i], ==, want[i]);
}

static void test_wav_formats(void)
{
  const guint8 u8[] = {0, 128, 255, 192};
  const gint16 s16[] = {-32768, 0, 32767, 16384};
  const guint8 s24[] = {0, 0, 0x80, 0, 0, 0, 0, 0, 0x40};
  const gint32 s32[] = {G_MININT32, 0, 1 << 30};
  const float f32[] = {-1.0f, 0.25f, 1.5f, -7.0f};
  const double f64[] = {0.5, -0.125};
  check(&(struct format){1, 1, 8, 8000, 0}, u8, 4, (float[]){-1.0f, 0.0f, 127 / 128.0f, 0.5f}, 4);
  check(&(struct format){1, 1, 16, 16000, 0}, s16, 8, (float[]){-1.0f, 0.0f, 32767 / 32768.0f, 0.5f}, 4);
  check(&(struct format){1, 1, 24, 44100, 0}, s24, 9, (float[]){-1.0f, 0.0f, 0.5f}, 3);
  check(&(struct format){1, 1, 32, 48000, 0}, s32, 12, (float[]){-1.0f, 0.0f, 0.5f}, 3);
  check(&(struct format){3, 1, 32, 8000, 0}, f32, 16, (float[]){-1.0f, 0.25f, 1.0f, -1.0f}, 4);
  check(&(struct format){3, 1, 64, 8000, 0}, f64, 16, (float[]){0.5f, -0.125f}, 2);
  check(&(struct format){1, 2, 16, 8000, 0}, s16, 8, (float[]){-0.5f, (32767 / 32768.0f + 0.5f) / 2}, 2);
  check(&(struct format){1, 1, 16, 8000, 0xFFFFFFFFu}, s16, 8, (float[]){-1.0f, 0.0f, 32767 / 32768.0f, 0.5f}, 4);
}

static void test_wav_long(void)
{
  enum { N = 5000 };
  gint16 data[N][3];
  for (int i = 0; i < N; i++)
    for (int c = 0; c < 3; c++)
      data[i][c] = (gint16)(i + c);
  g_autoptr(GBytes) file = make_wav(&(struct format){1, 3, 16, 8000, 0}, data, sizeof data);
  g_autoptr(WeftDriver) d = run((GBytes *[]){file, file}, 2, NULL);
  int64_t n;
  const float *samples = samples_of(d, 1, &n);
  g_assert_cmpint(n, ==, N);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat(fabs((double)samples[i] - (i + 1) / 32768.0), <, 1e-7);
}

static void bad(GBytes *file, const char *max_duration, const char *message)
{
  g_autoptr(WeftDriver) d = run((GBytes *[]){file}, 1, max_duration);
  int64_t n;
  samples_of(d, 0, &n);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(weft_driver_item_message(d, 0), ==, message);
  g_assert_cmpint(n, ==, 0);
  g_assert_cmpint(rate_of(d, 0), ==, 0);
  g_bytes_unref(file);
}

static void test_wav_bad(void)
{
  const gint16 s16[200] = {0};
  const float nan[] = {0.0f, NAN};
  struct format mono = {1, 1, 16, 8000, 0}, cut = {1, 1, 16, 8000, 402}, many = {1, 65, 16, 8000, 0};
  bad(g_bytes_new("", 0), NULL, "expected a WAV recording, found an empty file");
  bad(g_bytes_new("RIFF", 4), NULL, "the file ends after 4 bytes; a WAV header alone has more");
  bad(g_bytes_new("\x89PNG\r\n\x1a\n1234", 12), NULL, "expected a WAV recording, found a PNG picture");
  bad(g_bytes_new("RIFF\0\0\0\0AVI LIST", 16), NULL, "expected a WAV recording, found an AVI film");
  bad(g_bytes_new("fLaC\0\0\0\0\0\0\0\0\0", 13), NULL, "expected a WAV recording, found a FLAC recording");
  bad(make_wav(&mono, NULL, 0), NULL, "the recording holds no samples");
  bad(make_wav(&cut, s16, 400), NULL, "the file is cut: 402 bytes of samples are announced, 400 are there");
  bad(make_wav(&many, s16, 130), NULL, "65 channels; expected 1 to DECODE_MAX_CHANNELS (64)");
  bad(make_wav(&(struct format){3, 1, 32, 8000, 0}, nan, 8), NULL,
      "a sample between 0 and 2 is not a finite number");
  bad(make_wav(&mono, s16, 162), "10", "0.010 s of 8000 Hz are longer than max_duration (10 ms)");
}

static void test_wav_limits(void)
{
  const gint16 s16[80] = {0};
  struct format mono = {1, 1, 16, 8000, 0}, many = {1, 64, 8, 8000, 0};
  g_autoptr(GBytes) exact = make_wav(&mono, s16, 160);
  g_autoptr(WeftDriver) d = run((GBytes *[]){exact}, 1, "10");
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
  g_autoptr(GBytes) channels = make_wav(&many, s16, 128);
  g_autoptr(WeftDriver) e = run((GBytes *[]){channels}, 1, NULL);
  g_assert_cmpstr(weft_driver_item_message(e, 0), ==, "");
}

/* Every beginning of a file is an answer or an error, never a crash; never an answer with fewer samples. */
static void test_wav_every_cut(void)
{
  gint16 s16[20];
  memset(s16, 1, sizeof s16);
  g_autoptr(GBytes) file = make_wav(&(struct format){1, 1, 16, 8000, 0}, s16, sizeof s16);
  g_autoptr(WeftDriver) d = weft_driver_new("wav", "wav");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  for (gsize n = 0; n < g_bytes_get_size(file); n++) {
    g_autoptr(GBytes) part = g_bytes_new(g_bytes_get_data(file, NULL), n);
    const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 1, &part)};
    g_assert_cmpint(weft_driver_run(d, 1, inputs), ==, WEFT_OK);
    g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_BAD_INPUT);
    g_assert_cmpstr(weft_driver_item_message(d, 0), !=, "");
  }
}

static void test_wav_batch(void)
{
  const gint16 s16[] = {16384, -16384};
  g_autoptr(GBytes) good = make_wav(&(struct format){1, 1, 16, 8000, 0}, s16, 4);
  g_autoptr(GBytes) text = g_bytes_new_static("hello", 5);
  g_autoptr(WeftDriver) d = run((GBytes *[]){good, text, good}, 3, NULL);
  int64_t n;
  const float *samples = samples_of(d, 2, &n);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_BAD_INPUT);
  g_assert_cmpint(weft_driver_item_status(d, 2), ==, WEFT_OK);
  g_assert_cmpint(n, ==, 2);
  g_assert_cmpfloat(samples[1], ==, -0.5f);
}

static void test_wav_no_room(void)
{
  const gint16 s16[50] = {0};
  g_autoptr(GBytes) file = make_wav(&(struct format){1, 1, 16, 8000, 0}, s16, 100);
  g_autoptr(WeftDriver) d = weft_driver_new("wav", "wav");
  weft_driver_dynamic_max(d, 50 * sizeof(float));
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 2, (GBytes *[]){file, file})};
  g_assert_cmpint(weft_driver_run(d, 2, inputs), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 0), ==, WEFT_OK);
  g_assert_cmpint(weft_driver_item_status(d, 1), ==, WEFT_NO_MEMORY);
}

static gint16 s16_at(const guint8 *bytes, gsize i)
{
  return (gint16)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

/* fsdd: 16-bit mono with a header of 44 bytes, so that the samples can be read by hand. */
static void test_wav_fsdd(void)
{
  const char *data = g_getenv("WEFT_DATA") ? g_getenv("WEFT_DATA") : g_getenv("WEFT_DATA_DEFAULT");
  g_autofree char *folder = g_build_filename(data ? data : "", "fsdd", NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  guint n_files = 0;
  if (!dir) {
    g_test_skip("fsdd is not there (WEFT_DATA)");
    return;
  }
  g_autoptr(WeftDriver) d = weft_driver_new("wav", "wav");
  g_assert_cmpint(weft_driver_start(d), ==, WEFT_OK);
  for (const char *name; (name = g_dir_read_name(dir)) && n_files < 300;) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *content;
    gsize n;
    if (!g_str_has_suffix(name, ".wav") || !g_file_get_contents(path, &content, &n, NULL))
      continue;
    g_autoptr(GBytes) file = g_bytes_new_take(content, n);
    const struct weft_tensor *inputs[] = {weft_driver_bytes(d, 1, &file)};
    g_assert_cmpint(weft_driver_run(d, 1, inputs), ==, WEFT_OK);
    g_assert_cmpstr(weft_driver_item_message(d, 0), ==, "");
    int64_t n_samples;
    const float *samples = samples_of(d, 0, &n_samples);
    g_assert_cmpint(rate_of(d, 0), ==, 8000);
    g_assert_cmpint(n_samples, ==, (int64_t)(n - 44) / 2);
    for (int64_t i = 0; i < n_samples; i++)
      g_assert_cmpfloat(samples[i], ==, s16_at((const guint8 *)content + 44, (gsize)i) / 32768.0f);
    n_files++;
  }
  g_test_message("%u files", n_files);
  g_assert_cmpuint(n_files, >, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/wav/formats", test_wav_formats);
  g_test_add_func("/wav/long", test_wav_long);
  g_test_add_func("/wav/bad", test_wav_bad);
  g_test_add_func("/wav/limits", test_wav_limits);
  g_test_add_func("/wav/every-cut", test_wav_every_cut);
  g_test_add_func("/wav/batch", test_wav_batch);
  g_test_add_func("/wav/no-room", test_wav_no_room);
  g_test_add_func("/wav/fsdd", test_wav_fsdd);
  return g_test_run();
}
