/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings as rows and times: every format, and what is said of files that are none. */
#include "media.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define S G_GINT64_CONSTANT(1000000000)

static weft_status open_as(struct media *media, const void *bytes, gsize n, const struct media_options *options)
{
  memset(media, 0, sizeof *media);
  return media_open(media, bytes, n, options);
}

static void test_media_timestamps(void)
{
  static const struct {
    const char *text;
    enum media_time format;
    gint64 ns;
    gboolean good;
  } cases[] = {{"0", MEDIA_TIME_AUTO, 0, TRUE},
               {"1706702400.123456789", MEDIA_TIME_AUTO, G_GINT64_CONSTANT(1706702400123456789), TRUE},
               {"-1.5", MEDIA_TIME_S, -S - S / 2, TRUE},
               {".25", MEDIA_TIME_S, S / 4, TRUE},
               {"1706702400123.5", MEDIA_TIME_MS, G_GINT64_CONSTANT(1706702400123500000), TRUE},
               {"2024-01-31T12:00:00Z", MEDIA_TIME_AUTO, G_GINT64_CONSTANT(1706702400) * S, TRUE},
               {"2024-01-31 13:00:00.000000001+01:00", MEDIA_TIME_AUTO, G_GINT64_CONSTANT(1706702400) * S + 1, TRUE},
               {"2024-01-31T06:30-0530", MEDIA_TIME_ISO, G_GINT64_CONSTANT(1706702400) * S, TRUE},
               {"2024-02-29", MEDIA_TIME_ISO, G_GINT64_CONSTANT(1709164800) * S, TRUE},
               {"1969-12-31T23:59:59Z", MEDIA_TIME_ISO, -S, TRUE},
               {"2023-02-29", MEDIA_TIME_ISO, 0, FALSE},
               {"2024-13-01", MEDIA_TIME_ISO, 0, FALSE},
               {"2024-01-31T25:00", MEDIA_TIME_ISO, 0, FALSE},
               {"2024-01-31T12:00:00X", MEDIA_TIME_ISO, 0, FALSE},
               {"9999-01-01", MEDIA_TIME_ISO, 0, FALSE},
               {"1e9", MEDIA_TIME_S, 0, FALSE},
               {"", MEDIA_TIME_AUTO, 0, FALSE},
               {"1.", MEDIA_TIME_S, 0, FALSE},
               {"99999999999999999999", MEDIA_TIME_S, 0, FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    gint64 ns = 0;
    g_test_message("%s", cases[i].text);
    g_assert_cmpint(timestamp_parse(cases[i].text, strlen(cases[i].text), cases[i].format, &ns) == 0, ==, cases[i].good);
    if (cases[i].good)
      g_assert_cmpint(ns, ==, cases[i].ns);
  }
}

static void test_media_csv(void)
{
  static const char text[] = "\xEF\xBB\xBFload;time;\"temp; C\"\r\n1.5;10;20\r\n\r\n;10.5;nan\r\n-2e3;10.25;0";
  const struct media_options options = {"time", MEDIA_TIME_AUTO, 0, 0};
  struct media media;
  float rows[8];
  gint64 times[4];
  g_assert_cmpint(open_as(&media, text, strlen(text), &options), ==, WEFT_OK);
  g_assert_cmpint(media.n_channels, ==, 2);
  g_assert_cmpstr(media.names, ==, "load,temp; C");
  for (guint round = 0; round < 2; round++) {
    g_assert_cmpint(media_read(&media, rows, times, 2), ==, 2);
    g_assert_cmpint(media_read(&media, rows + 4, times + 2, 2), ==, 1);
    g_assert_cmpint(media_read(&media, rows + 6, times + 3, 1), ==, 0);
    g_assert_cmpfloat(rows[0], ==, 1.5f);
    g_assert_cmpfloat(rows[1], ==, 20);
    g_assert_true(isnan(rows[2]) && isnan(rows[3]));
    g_assert_cmpfloat(rows[4], ==, -2000);
    g_assert_cmpint(times[0], ==, 10 * S);
    g_assert_cmpint(times[1], ==, 10 * S + S / 2);
    g_assert_cmpint(times[2], ==, 10 * S + S / 4);
    media_rewind(&media);
  }
  media_close(&media);
}

static void test_media_csv_refused(void)
{
  static const struct {
    const char *text, *column, *message;
    gboolean opens;
  } cases[] = {{"t,a\n0,1\n1,x\n", "t", "line 3, column 1: \"x\" is no number", TRUE},
               {"t,a\n0,1\nnoon,2\n", "t", "line 3, column 0: \"noon\" is no time", TRUE},
               {"t,a\n0,1\n1\n", "t", "line 3 has 1 columns, the first line has 2", TRUE},
               {"0,1\n0,1,2\n", "0", "line 2 has 3 columns, the first line has 2", TRUE},
               {"0,inf\n", "0", "line 1, column 1: \"inf\" is no number", TRUE},
               {"a,b\n1,2\n", "time", "line 1: there is no column \"time\" of times among the 2 columns", FALSE},
               {"a,b\n1,2\n", "2", "line 1: there is no column \"2\" of times among the 2 columns", FALSE},
               {"5\n", "0", "line 1: no column beside the times", FALSE},
               {"\n\n", "0", "the file has no lines", FALSE},
               {"", "0", "the file is empty", FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const struct media_options options = {cases[i].column, MEDIA_TIME_AUTO, 0, 0};
    struct media media;
    float rows[64];
    gint64 times[8], n = 8;
    gboolean opens = open_as(&media, cases[i].text, strlen(cases[i].text), &options) == WEFT_OK;
    g_test_message("%s: %s", cases[i].text, media.reason);
    if (i == 4) /* "inf" makes the line a header */
      g_assert_cmpint(media_read(&media, rows, times, 8), ==, 0);
    else
      g_assert_cmpint(opens, ==, cases[i].opens);
    while (opens && i != 4 && n > 0)
      n = media_read(&media, rows, times, 8);
    if (i != 4) {
      g_assert_true(g_str_has_prefix(media.reason, cases[i].message));
      g_assert_true(!opens || n == -1);
    }
    media_close(&media);
  }
}

/* A line at the limit and one beyond it; columns too. */
static void test_media_csv_limits(void)
{
  const struct media_options options = {"0", MEDIA_TIME_AUTO, 0, 0};
  for (gsize over = 0; over < 2; over++) {
    struct media media;
    float row[2];
    gint64 time;
    g_autoptr(GString) text = g_string_new("0,1\n1,");
    for (gsize i = 0; i < MEDIA_MAX_LINE + over - 3; i++)
      g_string_append_c(text, ' ');
    g_string_append_c(text, '7');
    g_assert_cmpint(open_as(&media, text->str, text->len, &options), ==, WEFT_OK);
    g_assert_cmpint(media_read(&media, row, &time, 1), ==, 1);
    g_assert_cmpint(media_read(&media, row, &time, 1), ==, over ? -1 : 1);
    g_assert_cmpint(strstr(media.reason, "MEDIA_MAX_LINE") != NULL, ==, over == 1);
    media_close(&media);
    g_string_assign(text, "0");
    for (gsize i = 0; i < MEDIA_MAX_CHANNELS + over; i++)
      g_string_append(text, ",1");
    g_assert_cmpint(open_as(&media, text->str, text->len, &options), ==, over ? WEFT_BAD_INPUT : WEFT_OK);
    g_assert_cmpint(strstr(media.reason, "MEDIA_MAX_CHANNELS") != NULL, ==, over == 1);
    media_close(&media);
  }
}

static GByteArray *npy(const char *header, gconstpointer data, gsize n_bytes)
{
  GByteArray *bytes = g_byte_array_new();
  guint8 n = (guint8)strlen(header);
  g_byte_array_append(bytes, (const guint8 *)"\x93NUMPY\x01\x00", 8);
  g_byte_array_append(bytes, (const guint8[]){n, 0}, 2);
  g_byte_array_append(bytes, (const guint8 *)header, n);
  g_byte_array_append(bytes, data, (guint)n_bytes);
  return bytes;
}

static void test_media_npy(void)
{
  static const float singles[] = {1, 2, 3, 4, 5, 6};
  static const double doubles[] = {1, 2, 3, 4, 5, 6};
  static const gint16 shorts[] = {1, 2, 3, 4, 5, 6};
  static const struct {
    const char *header;
    const void *data;
    gsize n_bytes;
    int channels_first, n_channels;
    float second;
  } cases[] = {{"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", singles, sizeof singles, 0, 1, 2},
               {"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", doubles, sizeof doubles, 0, 2, 3},
               {"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }", shorts, sizeof shorts, 1, 2, 2}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const struct media_options options = {"0", MEDIA_TIME_AUTO, 12000, cases[i].channels_first};
    g_autoptr(GByteArray) bytes = npy(cases[i].header, cases[i].data, cases[i].n_bytes);
    struct media media;
    float rows[16];
    gint64 times[8];
    g_assert_cmpint(open_as(&media, bytes->data, bytes->len, &options), ==, WEFT_OK);
    g_assert_cmpint(media.n_channels, ==, cases[i].n_channels);
    g_assert_cmpint(media_read(&media, rows, times, 8), ==, 6 / cases[i].n_channels);
    g_assert_cmpfloat(rows[0], ==, 1);
    g_assert_cmpfloat(rows[cases[i].n_channels], ==, cases[i].second);
    g_assert_cmpint(times[1], ==, S / 12000);
    g_assert_cmpint(media_read(&media, rows, times, 8), ==, 0);
    media_close(&media);
  }
}

static void test_media_npy_refused(void)
{
  static const struct {
    const char *header, *message;
    double rate;
  } cases[] = {{"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "byte 10: the numbers are '>f4'", 1},
               {"{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", "byte 10: fortran_order is True", 1},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "byte 10: the shape is ()", 1},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1), }", "byte 10: the shape is (1, 1, 1)", 1},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 257), }", "byte 10: 257 channels; expected 1 to 256", 1},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "byte 67: the file is cut: 2 numbers are", 1},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "NPY has no times: give the parameter rate", 0}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const struct media_options options = {"0", MEDIA_TIME_AUTO, cases[i].rate, 0};
    g_autoptr(GByteArray) bytes = npy(cases[i].header, "abcd", 4);
    struct media media;
    g_assert_cmpint(open_as(&media, bytes->data, bytes->len, &options), ==, WEFT_BAD_INPUT);
    g_test_message("%s", media.reason);
    g_assert_true(g_str_has_prefix(media.reason, cases[i].message));
    media_close(&media);
  }
}

static void test_media_wave(void)
{
  static const guint8 head[] = {'R', 'I', 'F', 'F', 44, 0, 0, 0, 'W', 'A', 'V', 'E', 'f', 'm', 't', ' ', 16, 0, 0, 0, 1, 0,
                                2, 0, 0x40, 0x1f, 0, 0, 0, 0x7d, 0, 0, 4, 0, 16, 0, 'd', 'a', 't', 'a', 8, 0, 0, 0,
                                0, 0x40, 0, 0xc0, 0, 0, 0, 0x20};
  const struct media_options options = {"0", MEDIA_TIME_AUTO, 0, 0};
  struct media media;
  float rows[8];
  gint64 times[4];
  g_assert_cmpint(open_as(&media, head, sizeof head, &options), ==, WEFT_OK);
  g_assert_cmpint(media.n_channels, ==, 2);
  g_assert_cmpfloat(media.rate_hz, ==, 8000);
  for (guint round = 0; round < 2; round++) {
    g_assert_cmpint(media_read(&media, rows, times, 4), ==, 2);
    g_assert_cmpfloat(rows[0], ==, 0.5);
    g_assert_cmpfloat(rows[1], ==, -0.5);
    g_assert_cmpfloat(rows[3], ==, 0.25);
    g_assert_cmpint(times[1], ==, 125000);
    media_rewind(&media);
  }
  media_close(&media);
  g_assert_cmpint(open_as(&media, head, sizeof head - 1, &options), ==, WEFT_BAD_INPUT);
  g_assert_cmpstr(media.reason, ==, "byte 36: the file is cut: 8 bytes of samples are announced, 7 are there");
  media_close(&media);
  g_assert_cmpint(open_as(&media, head, 20, &options), ==, WEFT_BAD_INPUT);
  g_assert_true(g_str_has_prefix(media.reason, "byte 0: the WAV header is not understood"));
  media_close(&media);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/replay-media/timestamps", test_media_timestamps);
  g_test_add_func("/replay-media/csv", test_media_csv);
  g_test_add_func("/replay-media/csv-refused", test_media_csv_refused);
  g_test_add_func("/replay-media/csv-limits", test_media_csv_limits);
  g_test_add_func("/replay-media/npy", test_media_npy);
  g_test_add_func("/replay-media/npy-refused", test_media_npy_refused);
  g_test_add_func("/replay-media/wave", test_media_wave);
  return g_test_run();
}
