/* SPDX-License-Identifier: Apache-2.0 */
#include "modelgolden.h"

#include <math.h>
#include <string.h>

/* The weights are those that the golden file was made with. */
static void check_weights(const WeftGolden *g)
{
  guint8 digest[32];
  gsize n = sizeof digest, n_bytes;
  g_autofree char *bytes = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(g->model, "model.safetensors", NULL);
  if (!g_file_get_contents(path, &bytes, &n_bytes, &error))
    g_error("%s", error->message);
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sum, (const guchar *)bytes, (gssize)n_bytes);
  g_checksum_get_digest(sum, digest, &n);
  const struct weft_safetensors_tensor *expected = weft_safetensors_find(g->file, "sha256");
  if (memcmp(digest, expected->data, sizeof digest) != 0)
    g_error("%s: not the weights of the golden file; remake it with tests/golden/make_models.py%s", path,
            g_str_has_prefix(g->name, "digits") ? " --digits examples/digits/models" : "");
}

WeftGolden *weft_golden_open(const char *name, const char *model)
{
  char message[WEFT_MESSAGE_BYTES];
  char *bytes;
  gsize n;
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests", "golden", name, "golden.safetensors", NULL);
  if (!g_file_get_contents(path, &bytes, &n, NULL)) {
    g_test_skip("no golden file; make it with tests/golden/make_models.py");
    return NULL;
  }
  WeftGolden *g = g_new0(WeftGolden, 1);
  g->name = g_strdup(name);
  g->model = g_test_build_filename(G_TEST_DIST, model, NULL);
  g->bytes = bytes;
  struct weft_resource resource = {bytes, n, 1};
  if (weft_safetensors_open(&resource, path, &g->file, message) != WEFT_OK)
    g_error("%s", message);
  check_weights(g);
  return g;
}

void weft_golden_close(WeftGolden *g)
{
  if (!g)
    return;
  weft_safetensors_close(g->file);
  g_free(g->bytes);
  g_free(g->model);
  g_free(g->name);
  g_free(g);
}

const struct weft_safetensors_tensor *weft_golden_tensor(const WeftGolden *g, int item, const char *part)
{
  g_autofree char *name = g_strdup_printf("%d.%s", item, part);
  return weft_safetensors_find(g->file, name);
}

int weft_golden_count(const WeftGolden *g, const char *part)
{
  int n = 0;
  while (weft_golden_tensor(g, n, part))
    n++;
  return n;
}

void weft_golden_check(const WeftGolden *g, const float *actual, const struct weft_safetensors_tensor *expected,
                       int64_t n_block)
{
  const char *at = expected->data;
  int64_t n = (int64_t)(expected->n_bytes / sizeof(float));
  for (int64_t block = 0; block < n / n_block; block++) {
    double square = 0, worst = 0;
    for (int64_t i = block * n_block; i < (block + 1) * n_block; i++) {
      float e;
      memcpy(&e, at + i * (int64_t)sizeof e, sizeof e);
      square += (double)e * e;
      double error = fabs((double)actual[i] - e);
      worst = error > worst || isnan(error) ? error : worst;
    }
    double bar = WEFT_GOLDEN_ERROR * MAX(1, sqrt(square / (double)n_block));
    if (!(worst <= bar))
      g_error("%s %s, block %d: error %g, allowed %g", g->name, expected->name, (int)block, worst, bar);
    g_test_message("%s block %d: error %.2g of %.2g", expected->name, (int)block, worst, bar);
  }
}
