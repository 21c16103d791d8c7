/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"
#include "logmel.h"

#include <math.h>

#define BAR 1e-4

static struct weft_logmel *make(const char *settings_name, struct weft_logmel_settings *settings)
{
  char message[WEFT_MESSAGE_BYTES];
  g_autofree char *name = g_strdup_printf("media/logmel-%s.json", settings_name);
  struct weft_json *json = golden_json(name);
  weft_logmel_settings_read(json, settings);
  g_assert_cmpint(weft_json_status(json, message), ==, WEFT_OK);
  weft_json_close(json);
  struct weft_logmel *mel;
  g_assert_cmpint(weft_logmel_new(settings, &mel, message), ==, WEFT_OK);
  return mel;
}

static float *run(const struct weft_logmel *mel, const struct weft_logmel_settings *s, const float *samples, int64_t n,
                  weft_status *status)
{
  char message[WEFT_MESSAGE_BYTES] = "";
  g_autofree void *scratch = g_malloc(weft_logmel_scratch_bytes(mel));
  float *out = g_new(float, (gsize)(s->n_frames * s->n_bins));
  *status = weft_logmel_run(mel, samples, n, out, scratch, message);
  if (*status != WEFT_OK)
    g_test_message("%s", message);
  return out;
}

static void test_logmel_reference(gconstpointer settings_name)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_resource bytes;
  struct weft_safetensors *golden = golden_safetensors("media/logmel.safetensors", &bytes);
  struct weft_logmel_settings settings;
  struct weft_logmel *mel = make(settings_name, &settings);
  g_autofree char *prefix = g_strdup_printf("%s.", (const char *)settings_name);
  guint n_cases = 0;
  for (uint32_t i = 0; i < weft_safetensors_count(golden); i++) {
    const struct weft_safetensors_tensor *features = weft_safetensors_at(golden, i);
    if (!g_str_has_prefix(features->name, prefix) || !g_str_has_suffix(features->name, ".features"))
      continue;
    g_autofree char *name = g_strndup(features->name, strlen(features->name) - strlen(".features"));
    g_autofree char *samples_name = g_strdup_printf("%s.samples", name);
    const struct weft_safetensors_tensor *samples = weft_safetensors_find(golden, samples_name);
    struct weft_weights_f32 wave, expected;
    g_assert_cmpint(weft_safetensors_f32(samples, &wave, message), ==, WEFT_OK);
    g_assert_cmpint(weft_safetensors_f32(features, &expected, message), ==, WEFT_OK);
    g_assert_cmpint(features->dims[0], ==, settings.n_frames);
    g_assert_cmpint(features->dims[1], ==, settings.n_bins);
    weft_status status;
    g_autofree float *out = run(mel, &settings, wave.data, (int64_t)wave.n, &status);
    g_assert_cmpint(status, ==, WEFT_OK);
    double worst = 0;
    for (uint64_t k = 0; k < expected.n; k++)
      worst = MAX(worst, fabs((double)out[k] - (double)expected.data[k]));
    g_test_message("%s: worst difference %.3g", name, worst);
    g_assert_cmpfloat(worst, <=, BAR);
    weft_weights_f32_clear(&wave);
    weft_weights_f32_clear(&expected);
    n_cases++;
  }
  g_assert_cmpuint(n_cases, ==, 10);
  weft_logmel_free(mel);
  weft_safetensors_close(golden);
  g_free((void *)bytes.data);
}

/* A recording brought to a level gives the features of the same recording made as loud by hand, whatever its own level. */
static void test_logmel_level(void)
{
  enum { N = 4000 };
  struct weft_logmel_settings settings;
  struct weft_logmel *plain = make("narrow", &settings), *leveled;
  char message[WEFT_MESSAGE_BYTES];
  settings.has_level = 1;
  settings.level_db = -42;
  g_assert_cmpint(weft_logmel_new(&settings, &leveled, message), ==, WEFT_OK);
  float loud[N], right[N];
  double sum = 0;
  for (int i = 0; i < N; i++) {
    loud[i] = 0.5f * sinf(0.05f * (float)i) + 0.1f * sinf(0.4f * (float)i);
    sum += (double)loud[i] * loud[i];
  }
  for (int i = 0; i < N; i++)
    right[i] = (float)(loud[i] * pow(10, -42.0 / 20) / sqrt(sum / N));
  weft_status status;
  g_autofree float *a = run(leveled, &settings, loud, N, &status), *b = run(plain, &settings, right, N, &status);
  double worst = 0;
  for (int64_t k = 0; k < settings.n_frames * settings.n_bins; k++)
    worst = MAX(worst, fabs((double)a[k] - b[k]));
  g_assert_cmpfloat(worst, <=, BAR);
  float silence[N] = {0};
  g_autofree float *c = run(leveled, &settings, silence, N, &status);
  g_assert_cmpint(status, ==, WEFT_OK);
  g_assert_true(isfinite(c[0]));
  weft_logmel_free(plain);
  weft_logmel_free(leveled);
}

static void test_logmel_bad_samples(void)
{
  struct weft_logmel_settings settings;
  struct weft_logmel *mel = make("narrow", &settings);
  float samples[WEFT_LOGMEL_FRAME] = {0};
  weft_status status;
  g_free(run(mel, &settings, samples, WEFT_LOGMEL_FRAME, &status));
  g_assert_cmpint(status, ==, WEFT_OK);
  g_free(run(mel, &settings, samples, WEFT_LOGMEL_FRAME - 1, &status));
  g_assert_cmpint(status, ==, WEFT_BAD_INPUT);
  samples[7] = NAN;
  g_free(run(mel, &settings, samples, WEFT_LOGMEL_FRAME, &status));
  g_assert_cmpint(status, ==, WEFT_BAD_INPUT);
  weft_logmel_free(mel);
}

static void test_logmel_bad_settings(void)
{
  static const struct {
    const char *json, *message;
  } cases[] = {
      {"{\"num_mel_bins\": 513}", "p.json: 'num_mel_bins': expected an integer from 1 to 512, found 513"},
      {"{\"max_length\": 65537}", "p.json: 'max_length': expected an integer from 1 to 65536, found 65537"},
      {"{\"std\": 0}", "p.json: 'std': expected a number from 1e-09 to 1e+06, found 0"},
      {"{\"mean\": \"x\"}", "p.json: 'mean': expected a number, found a string"},
      {"{\"num_mel_bins\": 512, \"max_length\": 65536}", NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char message[WEFT_MESSAGE_BYTES] = "";
    struct weft_resource file = {cases[i].json, strlen(cases[i].json), 0};
    struct weft_logmel_settings settings;
    struct weft_json *json;
    g_assert_cmpint(weft_json_open(&file, "p.json", &json, message), ==, WEFT_OK);
    weft_logmel_settings_read(json, &settings);
    g_assert_cmpint(weft_json_status(json, message), ==, cases[i].message ? WEFT_BAD_CONFIG : WEFT_OK);
    if (cases[i].message)
      g_assert_cmpstr(message, ==, cases[i].message);
    weft_json_close(json);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/logmel/reference/default", "default", test_logmel_reference);
  g_test_add_data_func("/logmel/reference/narrow", "narrow", test_logmel_reference);
  g_test_add_data_func("/logmel/reference/plain", "plain", test_logmel_reference);
  g_test_add_data_func("/logmel/reference/odd", "odd", test_logmel_reference);
  g_test_add_func("/logmel/level", test_logmel_level);
  g_test_add_func("/logmel/bad-samples", test_logmel_bad_samples);
  g_test_add_func("/logmel/bad-settings", test_logmel_bad_settings);
  return g_test_run();
}
