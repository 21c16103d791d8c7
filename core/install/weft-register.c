/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Program weft-register: makes the catalogue of the plugins that come with
 * Weft, at build time and at `meson install`. Every plugin must be accepted.
 * The new catalogue is made beside the old one, which is then replaced.
 */
#include "install.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: weft-register PROBE CATALOGUE FILE.so...\n"
                            "CATALOGUE is made anew; run by `meson install`, a relative one is below the prefix\n"
                            "exit codes: 0 done, 1 failed, 2 wrong usage\n";

static gboolean remove_folder(const char *path)
{
  g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    if (!remove_folder(inner))
      return FALSE;
  }
  return g_remove(path) == 0 || !g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean install_all(const char *folder, const char *probe, char **files, GError **error)
{
  const WeftInstallOptions options = {.probe_program = probe, .bundled = TRUE};
  g_autoptr(WeftRegistrar) registrar = weft_registrar_open(folder, TRUE, error);
  for (; registrar && *files; files++) {
    g_autoptr(WeftInstallResult) result = weft_install_file(registrar, *files, &options, error);
    if (!result)
      return FALSE;
    if (result->outcome != WEFT_INSTALL_REFUSED)
      continue;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s", result->reason);
    return FALSE;
  }
  return registrar != NULL;
}

int main(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  if (argc < 3) {
    fputs(usage, stderr);
    return 2;
  }
  const char *prefix = g_path_is_absolute(argv[2]) ? NULL : g_getenv("MESON_INSTALL_DESTDIR_PREFIX");
  g_autofree char *folder = prefix ? g_build_filename(prefix, argv[2], NULL) : g_strdup(argv[2]);
  g_autofree char *fresh = g_strconcat(folder, ".new", NULL);
  g_autofree char *parent = g_path_get_dirname(fresh);
  g_mkdir_with_parents(parent, 0755);
  if (!remove_folder(fresh)) {
    fprintf(stderr, "weft-register: %s: cannot be removed\n", fresh);
    return 1;
  }
  if (!install_all(fresh, argv[1], argv + 3, &error)) {
    fprintf(stderr, "weft-register: %s\n", error->message);
    return 1;
  }
  if (!remove_folder(folder) || g_rename(fresh, folder) != 0) {
    fprintf(stderr, "weft-register: %s: the old catalogue cannot be replaced\n", folder);
    return 1;
  }
  return 0;
}
