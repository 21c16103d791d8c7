/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

static char *place_of(const char *in_build, const char *installed, GFileTest test)
{
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  if (!self)
    return NULL;
  g_autofree char *folder = g_path_get_dirname(self);
  const char *tries[] = {in_build, installed};
  for (guint i = 0; i < G_N_ELEMENTS(tries); i++) {
    g_autofree char *path = g_build_filename(folder, tries[i], NULL);
    g_autofree char *clean = g_canonicalize_filename(path, NULL);
    if (g_file_test(clean, test))
      return g_steal_pointer(&clean);
  }
  return NULL;
}

char *weft_place_bundled_catalogue(void)
{
  char *place = place_of("../../catalogue", "../share/weft/catalogue", G_FILE_TEST_IS_DIR);
  return place;
}

char *weft_place_worker_program(void)
{
  return place_of("../../core/worker/weft-worker", "../libexec/weft/weft-worker", G_FILE_TEST_IS_EXECUTABLE);
}

char *weft_place_probe_program(void)
{
  return place_of("../../core/install/weft-probe", "../libexec/weft/weft-probe", G_FILE_TEST_IS_EXECUTABLE);
}
