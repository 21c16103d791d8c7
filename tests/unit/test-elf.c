/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests in ELF files: through linkers, stamped, cut, and spoiled. */
#include "manifest.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char *build_path(const char *const *parts)
{
  g_autofree char *inner = g_build_filenamev((char **)parts);
  return g_build_filename(g_getenv("G_TEST_BUILDDIR"), inner, NULL);
}

static char *plugin_path(const char *id)
{
  g_autofree char *name = g_strdup_printf("test-%s.so", id);
  const char *parts[] = {"tests", "plugins", name, NULL};
  return build_path(parts);
}

static char *source_path(const char *id, const char *name)
{
  return g_build_filename(g_getenv("G_TEST_SRCDIR"), "tests", "plugins", id, name, NULL);
}

static void read_file(const char *path, char **data, gsize *n_bytes)
{
  g_autoptr(GError) error = NULL;
  g_file_get_contents(path, data, n_bytes, &error);
  g_assert_no_error(error);
}

static void check_manifest(const char *so, const char *json_path)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *json = NULL;
  gsize n_json;
  read_file(json_path, &json, &n_json);
  g_autoptr(WeftElf) elf = weft_elf_read(so, &error);
  g_assert_no_error(error);
  g_assert_cmpmem(g_bytes_get_data(elf->manifest, NULL), g_bytes_get_size(elf->manifest), json, n_json);
}

static void test_elf_reads_a_plugin(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *so = plugin_path("pass"), *json = source_path("pass", "manifest.json");
  check_manifest(so, json);
  g_autoptr(WeftElf) elf = weft_elf_read(so, &error);
  g_assert_no_error(error);
  g_assert_true(g_strv_contains((const char *const *)elf->exported, "weft_entry"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* a sanitizer brings libraries and symbols of its own */
  g_assert_true(g_strv_contains((const char *const *)elf->needed, "libc.so.6"));
  g_assert_cmpuint(g_strv_length(elf->exported), ==, 1);
#endif
}

static void run(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void run(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *command = g_strdup_vprintf(format, args);
  va_end(args);
  if (system(command) != 0)
    g_error("failed: %s", command);
}

/* The section must outlive what a release build does to a plugin. */
static void test_elf_manifest_survives_lto_gc_and_strip(void)
{
  static const char *const flags[] = {
    "-O2", "-O2 -flto", "-O2 -flto -Wl,--gc-sections -ffunction-sections -fdata-sections -fvisibility=hidden",
    "-Os -Wl,--gc-sections -ffunction-sections -fdata-sections -fvisibility=hidden"};
  static const char *const strips[] = {"strip", "strip --strip-all", "strip --strip-unneeded"};
  g_autofree char *folder = g_dir_make_tmp("weft-elf-XXXXXX", NULL);
  g_autofree char *so = g_build_filename(folder, "x.so", NULL), *c = g_build_filename(folder, "m.c", NULL);
  const char *parts[] = {"core", "loader", "weft-manifest", NULL};
  g_autofree char *program = build_path(parts), *source = source_path("pass", "plugin.c");
  g_autofree char *json = source_path("pass", "manifest.json");
  run("%s compile %s -o %s", program, json, c);
  for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
    run("cc -shared -fPIC -Wall -Wextra -Werror -Wno-unused-parameter -pedantic -std=c11 %s -I%s/sdk/include %s %s -o %s.full",
        flags[i], g_getenv("G_TEST_SRCDIR"), source, c, so);
    for (gsize k = 0; k < G_N_ELEMENTS(strips); k++) {
      run("%s -o %s %s.full", strips[k], so, so);
      check_manifest(so, json);
    }
  }
  run("rm -r %s", folder);
}

static void test_elf_stamp_adds_and_replaces(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("weft-elf-XXXXXX", NULL);
  g_autofree char *so = g_build_filename(folder, "x.so", NULL), *bare = plugin_path("no-manifest");
  g_autofree char *first = source_path("pass", "manifest.json"), *second = source_path("fault", "manifest.json");
  const char *parts[] = {"core", "loader", "weft-manifest", NULL};
  g_autofree char *program = build_path(parts);
  g_assert_null(weft_elf_read(bare, &error));
  g_assert_nonnull(strstr(error->message, "no section .weft.manifest: this is no plugin of Weft; put its manifest in with"));
  run("cp %s %s", bare, so);
  run("%s stamp %s %s", program, so, first);
  check_manifest(so, first);
  run("%s stamp %s %s", program, so, second);
  check_manifest(so, second);
  run("strip %s", so);
  check_manifest(so, second);
  /* in a file that had one from the compiler */
  g_autofree char *pass = plugin_path("pass");
  run("cp %s %s && %s stamp %s %s", pass, so, program, so, second);
  check_manifest(so, second);
  run("rm -r %s", folder);
}

static void check_program(const char *arguments, int code, const char *said)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *out = NULL, *err = NULL;
  const char *parts[] = {"core", "loader", "weft-manifest", NULL};
  g_autofree char *program = build_path(parts);
  g_autofree char *line = g_strdup_printf("%s %s", program, arguments);
  int status;
  g_assert_true(g_spawn_command_line_sync(line, &out, &err, &status, &error));
  g_autofree char *all = g_strconcat(out, err, NULL);
  if (WEXITSTATUS(status) != code || !strstr(all, said))
    g_error("%s: code %d, expected %d and \"%s\", said \"%s\"", line, WEXITSTATUS(status), code, said, all);
}

static void test_manifest_program_answers(void)
{
  g_autofree char *json = source_path("pass", "manifest.json"), *code = source_path("pass", "plugin.c");
  g_autofree char *so = plugin_path("pass");
  g_autofree char *check = g_strdup_printf("check %s", json), *show = g_strdup_printf("show %s", so);
  g_autofree char *wrong = g_strdup_printf("check %s", code), *wrong_show = g_strdup_printf("show %s", json);
  check_program("--help", 0, "usage: weft-manifest");
  check_program("", 2, "usage: weft-manifest");
  check_program("chek x", 2, "usage: weft-manifest");
  check_program("compile x.json", 2, "usage: weft-manifest");
  check_program(check, 0, "");
  check_program(show, 0, "\"id\": \"pass\"");
  check_program(wrong, 1, "plugin.c:1:1: not JSON");
  check_program(wrong_show, 1, "manifest.json: not an ELF file");
  check_program("check /nonexistent.json", 1, "No such file");
  check_program("stamp /nonexistent.so /nonexistent.json", 1, "No such file");
  /* what is no file is written to, never replaced by one */
  g_autofree char *folder = g_dir_make_tmp("weft-elf-XXXXXX", NULL), *link = g_build_filename(folder, "link", NULL);
  g_autofree char *full = g_strdup_printf("compile %s -o %s", json, link);
  run("ln -s /dev/full %s", link);
  check_program(full, 1, "cannot be written: No space left on device");
  g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
  run("rm -r %s", folder);
}

static void test_manifest_program_writes_headers(void)
{
  g_autofree char *folder = g_dir_make_tmp("weft-elf-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "fault.h", NULL), *text = NULL;
  g_autofree char *json = source_path("fault", "manifest.json");
  const char *parts[] = {"core", "loader", "weft-manifest", NULL};
  g_autofree char *program = build_path(parts);
  run("%s header %s -o %s", program, json, path);
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==,
                  "/* Generated by weft-manifest from manifest.json: indexes in the order of the manifest. */\n"
                  "#ifndef WEFT_FAULT_MANIFEST_H\n"
                  "#define WEFT_FAULT_MANIFEST_H\n"
                  "\n"
                  "/* fault */\n"
                  "#define WEFT_FAULT_ID \"fault\"\n"
                  "enum {\n"
                  "  WEFT_FAULT_IN_TEXT = 0,\n"
                  "  WEFT_FAULT_OUT_Y = 0,\n"
                  "  WEFT_FAULT_PARAM_HOW = 0,\n"
                  "  WEFT_FAULT_PARAM_WHEN = 1,\n"
                  "  WEFT_FAULT_PARAM_AT = 2,\n"
                  "  WEFT_FAULT_PARAM_MS = 3,\n"
                  "};\n"
                  "\n"
                  "#endif\n");
  run("rm -r %s", folder);
}

static void test_elf_refuses_other_files(void)
{
  static const struct {
    gsize at;
    guint8 value;
    const char *message;
  } changes[] = {{0, 'X', "not an ELF file"},
                 {EI_CLASS, ELFCLASS32, "not a 64-bit little-endian ELF file"},
                 {EI_DATA, ELFDATA2MSB, "not a 64-bit little-endian ELF file"},
                 {16, ET_EXEC, "not a shared object"},
                 {58, 1, "has no section headers"},
                 {47, 0x7f, "outside the file; it is cut off or damaged"},
                 {63, 0xff, "table of section names is missing"}};
  g_autofree char *so = plugin_path("pass"), *data = NULL;
  gsize n_bytes;
  read_file(so, &data, &n_bytes);
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(data, n_bytes);
    copy[changes[i].at] = (char)changes[i].value;
    g_assert_null(weft_elf_parse(copy, n_bytes, "x.so", &error));
    if (!strstr(error->message, changes[i].message))
      g_error("expected \"%s\" in \"%s\"", changes[i].message, error->message);
  }
}

static void test_elf_every_cut_is_an_error(void)
{
  g_autofree char *so = plugin_path("pass"), *data = NULL;
  gsize n_bytes;
  read_file(so, &data, &n_bytes);
  for (gsize n = 0; n < n_bytes; n += n < 4096 ? 1 : 61) {
    /* a copy of its own, so that a sanitizer sees a read past the end */
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(data, n);
    g_assert_null(weft_elf_parse(copy, n, "cut.so", &error));
    g_assert_nonnull(error);
  }
}

static void test_elf_survives_random_changes(void)
{
  g_autofree char *so = plugin_path("pass"), *data = NULL;
  gsize n_bytes;
  guint n_good = 0;
  read_file(so, &data, &n_bytes);
  for (guint round = 0; round < 2000; round++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(data, n_bytes);
    for (int i = g_test_rand_int_range(1, 8); i > 0; i--) {
      /* headers at both ends are where the structure is */
      gsize at = (gsize)g_test_rand_int_range(0, 4096);
      copy[g_test_rand_bit() ? at % n_bytes : n_bytes - 1 - at % n_bytes] = (char)g_test_rand_int();
    }
    g_autoptr(WeftElf) elf = weft_elf_parse(copy, n_bytes, "x.so", &error);
    g_assert_true((elf == NULL) == (error != NULL));
    n_good += elf != NULL;
  }
  g_test_message("%u of 2000 were still read", n_good);
}

/* An ELF file whose manifest section has that many bytes. */
static WeftElf *with_manifest_of(gsize n_manifest, GError **error)
{
  g_autofree char *so = plugin_path("no-manifest"), *data = NULL;
  gsize n_bytes;
  read_file(so, &data, &n_bytes);
  g_autoptr(GBytes) file = g_bytes_new(data, n_bytes);
  g_autoptr(GBytes) manifest = g_bytes_new_take(g_strnfill(n_manifest, ' '), n_manifest);
  g_autoptr(GBytes) stamped = weft_elf_stamp(file, manifest, "x.so", error);
  g_assert_no_error(*error);
  gsize n_stamped;
  const void *stamped_data = g_bytes_get_data(stamped, &n_stamped);
  return weft_elf_parse(stamped_data, n_stamped, "x.so", error);
}

static void test_elf_limit_of_the_manifest(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftElf) at = with_manifest_of(WEFT_MANIFEST_MAX_BYTES, &error);
  g_assert_no_error(error);
  g_assert_null(with_manifest_of(WEFT_MANIFEST_MAX_BYTES + 1, &error));
  g_assert_nonnull(strstr(error->message, "a manifest has 1 to 1048576 bytes, the section .weft.manifest has 1048577"));
}

/* A file of four sections, made by hand: names, manifest, strings, and a dynamic section with n needed libraries. */
static WeftElf *with_needed(guint n, GError **error)
{
  static const char strings[] = "\0.weft.manifest\0libx.so";
  g_autoptr(GByteArray) out = g_byte_array_new();
  Elf64_Shdr sections[4] = {{0}};
  Elf64_Ehdr header = {.e_type = ET_DYN, .e_machine = EM_X86_64, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 4,
                       .e_shstrndx = 2};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  g_byte_array_append(out, (const guint8 *)&header, sizeof header);
  sections[1] = (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = out->len, .sh_size = 2};
  g_byte_array_append(out, (const guint8 *)"{}", 2);
  sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = out->len, .sh_size = sizeof strings};
  g_byte_array_append(out, (const guint8 *)strings, sizeof strings);
  sections[3] = (Elf64_Shdr){.sh_type = SHT_DYNAMIC, .sh_offset = out->len, .sh_size = (n + 1) * sizeof(Elf64_Dyn),
                             .sh_link = 2};
  for (guint i = 0; i <= n; i++) {
    Elf64_Dyn entry = {.d_tag = i < n ? DT_NEEDED : DT_NULL, .d_un.d_val = i < n ? 16 : 0};
    g_byte_array_append(out, (const guint8 *)&entry, sizeof entry);
  }
  header.e_shoff = out->len;
  g_byte_array_append(out, (const guint8 *)sections, sizeof sections);
  memcpy(out->data, &header, sizeof header);
  return weft_elf_parse(out->data, out->len, "made.so", error);
}

static void test_elf_limit_of_needed_libraries(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(WeftElf) at = with_needed(WEFT_ELF_MAX_NEEDED, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(g_strv_length(at->needed), ==, WEFT_ELF_MAX_NEEDED);
  g_assert_cmpstr(at->needed[WEFT_ELF_MAX_NEEDED - 1], ==, "libx.so");
  g_assert_null(with_needed(WEFT_ELF_MAX_NEEDED + 1, &error));
  g_assert_cmpstr(error->message, ==, "made.so: more than 256 needed libraries");
}

static void test_elf_limit_of_the_file(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("weft-elf-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "large.so", NULL);
  /* sparse: takes no room on the disk */
  run("truncate -s %d %s", WEFT_ELF_MAX_BYTES + 1, path);
  g_assert_null(weft_elf_load(path, &error));
  g_assert_nonnull(strstr(error->message, "a plugin file has at most 268435456 bytes, this has 268435457"));
  g_clear_error(&error);
  run("truncate -s %d %s", WEFT_ELF_MAX_BYTES, path);
  g_autoptr(GBytes) bytes = weft_elf_load(path, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(g_bytes_get_size(bytes), ==, WEFT_ELF_MAX_BYTES);
  run("rm -r %s", folder);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/elf/reads-a-plugin", test_elf_reads_a_plugin);
  g_test_add_func("/elf/manifest-survives-lto-gc-and-strip", test_elf_manifest_survives_lto_gc_and_strip);
  g_test_add_func("/elf/stamp-adds-and-replaces", test_elf_stamp_adds_and_replaces);
  g_test_add_func("/weft-manifest/answers", test_manifest_program_answers);
  g_test_add_func("/weft-manifest/writes-headers", test_manifest_program_writes_headers);
  g_test_add_func("/elf/refuses-other-files", test_elf_refuses_other_files);
  g_test_add_func("/elf/every-cut-is-an-error", test_elf_every_cut_is_an_error);
  g_test_add_func("/elf/survives-random-changes", test_elf_survives_random_changes);
  g_test_add_func("/elf/limit-of-the-manifest", test_elf_limit_of_the_manifest);
  g_test_add_func("/elf/limit-of-needed-libraries", test_elf_limit_of_needed_libraries);
  g_test_add_func("/elf/limit-of-the-file", test_elf_limit_of_the_file);
  return g_test_run();
}
