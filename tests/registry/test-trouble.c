/* SPDX-License-Identifier: Apache-2.0 */
/* Many processes at once, locks, links, damage, no room and no permission: a clear error each, and nothing lost. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PROCESSES 8
#define TEMPLATE_ID "many-00000"

typedef struct {
  char *root, *catalogue, *out, *err;
  int code;
} Fixture;

static char *weft, *plugins;

static void set_up(Fixture *f, gconstpointer unused)
{
  memset(f, 0, sizeof *f);
  f->root = g_dir_make_tmp("weft-trouble-XXXXXX", NULL);
  f->catalogue = g_build_filename(f->root, "mine", NULL);
  g_unsetenv("WEFT_LOCK_WAIT");
}

static void tear_down(Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf("chmod -R u+w '%s'; rm -rf '%s'", f->root, f->root);
  g_assert_cmpint(system(command), ==, 0);
  g_free(f->root);
  g_free(f->catalogue);
  g_free(f->out);
  g_free(f->err);
}

/* Runs a line of the shell: W stands for the command, % for --catalogue DIR, @ for the folder of the test plugins. */
static void run(Fixture *f, const char *line)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) text = g_string_new(line);
  g_autofree char *option = g_strdup_printf("--catalogue %s", f->catalogue), *head = g_strconcat(weft, " ", NULL);
  g_string_replace(text, "@", plugins, 0);
  g_string_replace(text, "%", option, 0);
  g_string_replace(text, "W ", head, 0);
  const char *argv[] = {"/bin/sh", "-c", text->str, NULL};
  g_clear_pointer(&f->out, g_free);
  g_clear_pointer(&f->err, g_free);
  int status;
  g_assert_true(g_spawn_sync(f->root, (char **)argv, NULL, 0, NULL, NULL, &f->out, &f->err, &status, &error));
  g_assert_true(WIFEXITED(status));
  f->code = WEXITSTATUS(status);
}

static void check(Fixture *f, const char *line, int code, const char *out, const char *err)
{
  run(f, line);
  if (f->code != code || !strstr(f->out, out) || !strstr(f->err, err))
    g_error("%s: code %d, expected %d; out \"%s\", expected \"%s\"; err \"%s\", expected \"%s\"", line, f->code, code, f->out,
            out, f->err, err);
}

static char *write_variant(const Fixture *f, int number)
{
  g_autofree char *bytes = NULL, *template_path = g_build_filename(plugins, "test-many.so", NULL);
  gsize n_bytes;
  char id[16];
  snprintf(id, sizeof id, "many-%05d", number);
  g_assert_true(g_file_get_contents(template_path, &bytes, &n_bytes, NULL));
  for (char *at = bytes; (at = memmem(at, (gsize)(bytes + n_bytes - at), TEMPLATE_ID, strlen(TEMPLATE_ID)));)
    memcpy(at, id, strlen(TEMPLATE_ID));
  char *path = g_strdup_printf("%s/%s.so", f->root, id);
  g_assert_true(g_file_set_contents(path, bytes, (gssize)n_bytes, NULL));
  return path;
}

/* ---- many processes ---- */

/* Each installs its own, lists, removes it, installs it again: all of it works, whoever else is at it. */
G_NORETURN static void work(Fixture *f, int number)
{
  g_autofree char *line = g_strdup_printf(
    "for i in 1 2 3; do W plugin install %% many-%05d.so && W plugin list %% | grep -q many-%05d && W plugin why %% many-%05d "
    "&& W plugin remove %% many-%05d || exit 1; done; W plugin install %% many-%05d.so", number, number, number, number,
    number);
  run(f, line);
  if (f->code != 0)
    fprintf(stderr, "process %d: %s%s\n", number, f->out, f->err);
  _exit(f->code);
}

static void test_trouble_many_processes(Fixture *f, gconstpointer unused)
{
  pid_t pids[N_PROCESSES];
  g_setenv("WEFT_LOCK_WAIT", "120", TRUE);
  for (int i = 0; i < N_PROCESSES; i++) {
    g_free(write_variant(f, i + 1));
    pids[i] = fork();
    g_assert_cmpint(pids[i], >=, 0);
    if (pids[i] == 0)
      work(f, i + 1);
  }
  for (int i = 0; i < N_PROCESSES; i++) {
    int status;
    g_assert_cmpint(waitpid(pids[i], &status, 0), ==, pids[i]);
    g_assert_cmpint(status, ==, 0);
  }
  check(f, "W catalogue check %", 0, "sound", "");
  check(f, "W audit verify %", 0, "whole: 56 rows", "");
  check(f, "W plugin list % | grep -c installed", 0, "8\n", "");
}

static void test_trouble_locked(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so");
  g_autofree char *lock = g_build_filename(f->catalogue, "lock", NULL);
  g_autofree char *mine = g_strdup_printf("%d\n", (int)getpid());
  g_autofree char *who = g_strdup_printf("locked by process %d, which is changing the catalogue (waited 1 s)", (int)getpid());
  int fd = open(lock, O_RDWR | O_CLOEXEC);
  g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
  g_assert_cmpint(ftruncate(fd, 0), ==, 0);
  g_assert_cmpint(pwrite(fd, mine, strlen(mine), 0), ==, (gssize)strlen(mine));
  g_setenv("WEFT_LOCK_WAIT", "1", TRUE);
  check(f, "W plugin install % @/test-fault.so", 4, "", who);
  check(f, "W plugin remove % pass", 4, "", who);
  check(f, "W plugin list %", 0, "pass ", "");
  check(f, "W catalogue backup b %", 4, "", who);
  close(fd);
  check(f, "W plugin install % @/test-fault.so", 0, "installed fault@1.0.0", "");
}

/* A group whose plugin hangs in its probe holds no lock. */
static void test_trouble_probe_holds_no_lock(Fixture *f, gconstpointer unused)
{
  g_setenv("WEFT_LOCK_WAIT", "1", TRUE);
  check(f, "W plugin install % --timeout 3 @/test-hang-in-init.so & sleep 0.5; W plugin install % @/test-pass.so; code=$?; "
           "wait; exit $code", 0, "installed pass@1.0.0", "refused (hung)");
}

/* ---- files that are not what they seem ---- */

static void test_trouble_sizes(Fixture *f, gconstpointer unused)
{
  check(f, "truncate -s 268435456 most.so; W plugin install % most.so", 1, "", "most.so: not an ELF file");
  check(f, "truncate -s 268435457 more.so; W plugin install % more.so", 1, "",
        "more.so: a plugin file has at most 268435456 bytes, this has 268435457");
  check(f, "head -c 9000 @/test-pass.so > half.so; W plugin install % half.so", 1, "", "it is cut off or damaged");
  check(f, "W plugin install % .", 1, "", "found a directory");
  check(f, "mkfifo pipe.so; W plugin install % pipe.so", 1, "", "found a device, pipe or socket");
  check(f, "ln -s nowhere.so gone.so; W plugin install % gone.so", 1, "", "gone.so: cannot be opened: No such file or directory");
  check(f, "ln -s loop.so loop.so; W plugin install % loop.so", 1, "", "cannot be opened: Too many levels of symbolic links");
}

/* A copy of `pass` as NAME.so whose manifest offers these plugins, of which PORTS stands for the ports. */
static void stamp(Fixture *f, const char *name, const char *offered, int code, const char *err)
{
  g_autofree char *program = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "core", "loader", "weft-manifest", NULL);
  g_autoptr(GString) line = g_string_new(NULL);
  g_string_printf(line, "cp @/test-pass.so %s.so; echo '{\"weft\": 1, \"name\": \"%s\", \"version\": \"1.0.0\", "
                  "\"licence\": \"MIT\", \"plugins\": [%s]}' > m.json; %s stamp %s.so m.json", name, name, offered, program, name);
  g_string_replace(line, "PORTS", "\"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"dims\": [\"*\", 16]}], "
                   "\"outputs\": [{\"name\": \"y\", \"type\": \"f32\", \"dims\": [\"*\", 16]}]", 0);
  check(f, line->str, code, "", err);
}

static void test_trouble_duplicate_id(Fixture *f, gconstpointer unused)
{
  stamp(f, "two", "{\"id\": \"pass\", \"kind\": \"transform\", PORTS}, {\"id\": \"pass\", \"kind\": \"transform\", PORTS}",
        1, "\"pass\"");
  stamp(f, "other", "{\"id\": \"pass\", \"kind\": \"transform\", PORTS}", 0, "");
  check(f, "W plugin install % @/test-pass.so other.so", 1, "installed pass@1.0.0", "(conflict)");
  g_assert_nonnull(strstr(f->err, "pass@1.0.0 is installed already with other content (sha256"));
  check(f, "W catalogue check %", 0, "sound", "");
}

/* What is installed is what was read once, whatever the path means meanwhile. */
static void test_trouble_link_to_a_changing_file(Fixture *f, gconstpointer unused)
{
  for (int i = 1; i <= 2; i++)
    g_free(write_variant(f, i));
  run(f, "ln -s many-00001.so link.so");
  pid_t pid = fork();
  g_assert_cmpint(pid, >=, 0);
  if (pid == 0) {
    g_autofree char *link = g_build_filename(f->root, "link.so", NULL), *fresh = g_build_filename(f->root, "fresh", NULL);
    for (int i = 0;; i++) {
      unlink(fresh);
      if (symlink(i % 2 ? "many-00001.so" : "many-00002.so", fresh) != 0 || rename(fresh, link) != 0)
        _exit(1);
    }
  }
  for (int i = 0; i < 12; i++)
    check(f, "W plugin install % link.so", 0, "many-0000", "");
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  check(f, "W catalogue check %", 0, "sound", "");
  check(f, "W plugin verify %", 0, "plugins are as they were installed", "");
}

/* ---- a catalogue that is not what it seems ---- */

static void test_trouble_links_in_the_catalogue(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so; mkdir else; echo keep > else/keep");
  check(f, "mv mine/incoming away; ln -s ../else mine/incoming; W plugin install % @/test-fault.so", 4, "",
        "mine/incoming: expected a folder of the store, found a link");
  check(f, "rm mine/incoming; echo x > mine/incoming; W plugin install % @/test-fault.so", 4, "",
        "mine/incoming: expected a folder of the store, found something else");
  check(f, "rm mine/incoming; mv away mine/incoming; mv mine/sha256 else/sha256; ln -s ../else/sha256 mine/sha256; W plugin "
           "install % @/test-fault.so", 4, "", "mine/sha256: expected a folder of the store, found a link");
  check(f, "W plugin list %", 0, "pass ", "");
  check(f, "rm mine/sha256; mv else/sha256 mine; mv mine/lock else/lock; ln -s ../else/keep mine/lock; W plugin install % "
           "@/test-fault.so", 4, "", "lock: cannot be locked: Too many levels of symbolic links");
  check(f, "cat else/keep; rm mine/lock; W plugin install % @/test-fault.so", 0, "keep\ninstalled fault@1.0.0", "");
  check(f, "W catalogue check %", 0, "sound", "");
}

static void test_trouble_damage(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so; W catalogue backup b %");
  check(f, "head -c 20000 mine/catalogue.db > cut; cp cut mine/catalogue.db; W plugin list %", 4, "", "catalogue.db is damaged");
  check(f, "W catalogue check %", 4, "", "bring back a copy with `weft catalogue restore FILE --force`");
  check(f, "W catalogue restore b --force %", 0, "the old one is kept in ", "");
  check(f, "W plugin list %", 0, "pass ", "");
  check(f, "cmp cut mine.old-*/catalogue.db", 0, "", "");
  check(f, "echo text > mine/audit.db; W plugin install % @/test-fault.so", 4, "", "audit.db is damaged");
  check(f, "rm mine/audit.db; W plugin install % @/test-fault.so; W audit list %", 0, "trail-replaced", "");
  check(f, "rm -r mine/sha256; W catalogue check --quick %", 1, "", "named by a row, but cannot be opened");
  check(f, "W catalogue restore b %", 4, "", "a catalogue is there; with --force it is moved aside");
}

/* The trail is still a chain, and misses rows that catalogue.db counted. */
static void test_trouble_cut_trail(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so; cp mine/audit.db short");
  run(f, "W plugin install % @/test-fault.so; W plugin disable % pass; W audit verify %");
  g_assert_cmpint(f->code, ==, 0);
  check(f, "rm -f mine/audit.db-*; cp short mine/audit.db; W audit verify %", 1, "", "was cut at its end");
  check(f, "W catalogue check %", 1, "", "was cut at its end");
}

/* Whoever puts an older catalogue.db back loses no file of the store, and is told. */
static void test_trouble_older_catalogue(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so; cp mine/catalogue.db older");
  run(f, "W plugin install % @/test-fault.so; cp mine/catalogue.db newer");
  run(f, "rm -f mine/catalogue.db-*; cp older mine/catalogue.db; W plugin disable % pass; W plugin enable % pass");
  g_assert_cmpint(f->code, ==, 0);
  check(f, "W audit list %", 0, "catalogue-replaced", "");
  check(f, "W catalogue check %", 1, "", "1 files of the store are named by no row");
  check(f, "rm -f mine/catalogue.db-*; cp newer mine/catalogue.db; W plugin verify --quick % fault", 0, "1 of 1 plugins", "");
  check(f, "rm -f mine/catalogue.db-*; cp older mine/catalogue.db; W plugin gc % && W catalogue check %", 0, "sound", "");
}

static void test_trouble_damaged_backup(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so; W catalogue backup b %");
  check(f, "W catalogue restore @/test-pass.so --force %", 4, "", "is no backup that `weft catalogue backup` made");
  check(f, "W catalogue restore none --force %", 4, "", "none: cannot be opened: No such file or directory");
  /* one byte of the plugin in the backup */
  check(f, "python3 -c \"b = bytearray(open('b', 'rb').read()); i = b.find(b'\\x7fELF'); b[i + 99] ^= 1; "
           "open('c', 'wb').write(b)\"; W catalogue restore c --force %", 4, "", "is damaged");
  check(f, "W catalogue backup b %", 4, "", "b: is there already");
  check(f, "ls; W plugin list %", 0, "pass ", "");
  g_assert_null(strstr(f->out, "restoring"));
}

static void test_trouble_changed_trail(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so @/test-fault.so; W plugin remove % pass");
  check(f, "W audit verify %", 0, "whole: 3 rows, last hash ", "");
  static const char *const edits[] = {"update audit set user = 1", "delete from audit", "drop trigger audit_no_update",
                                      "update audit set user = 1"};
  for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
    g_autofree char *line = g_strdup_printf("python3 -c \"import sqlite3; c = sqlite3.connect('mine/audit.db'); "
                                            "c.execute('%s'); c.commit()\"; W audit verify %%", edits[i]);
    check(f, line, i == 3, i == 3 ? "" : "whole: 3 rows",
          i < 2 ? "audit.db is append-only" : i == 3 ? "row 1 has another content than its hash says" : "");
  }
}

/* What runs have seen of a plugin is told by show and why. */
static void test_trouble_remembers_crashes(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-fault.so; printf 'weft: 1\nname: faulty\ninputs: {words: {type: text}}\nnodes:\n  a: {use: "
         "fault, in: words, params: {how: segv, when: marked}}\noutputs: {y: a}\n' > f.yaml");
  check(f, "WEFT_CATALOGUE=mine W run f.yaml --words hello", 0, "y ", "");
  check(f, "W plugin show % fault", 0, "seen        1 starts and 1 calls in a process of its own, 0 crashes\n", "");
  check(f, "WEFT_CATALOGUE=mine W run f.yaml --words '!'", 1, "", "SIGSEGV");
  check(f, "W plugin show % fault", 0, "2 starts and 2 calls in a process of its own, 1 crashes\nlast crash  ", "");
  check(f, "W plugin why % fault", 0, "crashed fault@1.0.0 in use, 1 times: ", "");
  check(f, "W plugin why % fault --json", 0, "\"what\": \"crashed\"", "");
  check(f, "printf x > mine/stats.db; WEFT_CATALOGUE=mine W run f.yaml --words hello", 0, "y ", "");
}

/* ---- no room, no permission ---- */

static void test_trouble_full_disk(Fixture *f, gconstpointer unused)
{
  g_autofree char *line = g_strdup_printf("unshare -m sh -c 'mkdir small && mount -t tmpfs -o size=300k none small && W plugin "
                                          "install --catalogue small/mine @/test-pass.so && head -c 250k /dev/zero > "
                                          "small/fill; W plugin install --catalogue small/mine @/test-fault.so; echo code $?; "
                                          "rm small/fill; W plugin list --catalogue small/mine; W catalogue check "
                                          "--catalogue small/mine; W plugin install --catalogue small/mine @/test-fault.so'");
  run(f, line);
  if (!strstr(f->out, "installed pass@1.0.0")) {
    g_test_skip("this system lets nobody mount here");
    return;
  }
  g_test_message("%s", f->err);
  g_assert_nonnull(strstr(f->out, "code 4"));
  g_assert_nonnull(strstr(f->err, "make room and try again"));
  g_assert_nonnull(strstr(f->out, "sound"));
  g_assert_nonnull(strstr(f->out, "pass "));
}

static void test_trouble_read_only_mount(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-pass.so");
  run(f, "unshare -m sh -c 'mount --bind mine mine && mount -o remount,ro,bind mine && W plugin list % && W plugin show % pass "
         "&& W catalogue export copy % && W catalogue backup b % && W plugin install % @/test-fault.so'");
  if (!strstr(f->out, "pass ")) {
    g_test_skip("this system lets nobody mount here");
    return;
  }
  g_test_message("%s", f->err);
  g_assert_cmpint(f->code, ==, 4);
  g_assert_nonnull(strstr(f->out, "exported to copy: 1 files"));
  g_assert_nonnull(strstr(f->out, "backed up to b: 1 files"));
  g_assert_nonnull(strstr(f->err, "Read-only file system"));
  check(f, "W plugin list --catalogue copy; W catalogue restore b --catalogue back && W plugin list --catalogue back", 0,
        "pass ", "");
}

/* As somebody who may not: root may everything. */
static void test_trouble_no_permission(Fixture *f, gconstpointer unused)
{
  const char *as = geteuid() == 0 ? "setpriv --reuid 65534 --clear-groups" : "";
  if (geteuid() != 0) {
    g_test_skip("needs two users");
    return;
  }
  run(f, "chmod 755 .; W plugin install % @/test-pass.so; cp @/test-fault.so secret.so; chmod 600 secret.so; mkdir theirs; chown "
         "65534 theirs");
  g_autofree char *install = g_strdup_printf("%s W plugin install %% secret.so", as);
  check(f, install, 4, "", "mine");
  g_assert_nonnull(strstr(f->err, "Permission denied"));
  g_autofree char *unreadable = g_strdup_printf("%s W plugin install --catalogue theirs secret.so", as);
  check(f, unreadable, 1, "", "refused (unreadable)");
  g_assert_nonnull(strstr(f->err, "secret.so: cannot be opened: Permission denied"));
  g_autofree char *list = g_strdup_printf("%s W plugin list %%", as);
  check(f, list, 0, "pass ", "");
}

/* ---- nothing is swept by mistake ---- */

/* An empty database says of every file that no row names it. */
static void test_trouble_lost_database_keeps_files(Fixture *f, gconstpointer unused)
{
  static const char *const harms[] = {"rm -f mine/catalogue.db*", "rm -f mine/catalogue.db-*; : > mine/catalogue.db"};
  static const char *const commands[] = {"W plugin list %", "W plugin gc %", "W plugin install % @/test-pass.so",
                                         "W catalogue check %"};
  run(f, "echo word > a.txt; W plugin install % @/test-pass.so && W asset add % a.txt && W catalogue backup % kept && "
         "find mine/sha256 -type f | sort > before");
  g_assert_cmpint(f->code, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS(harms); i++) {
    run(f, harms[i]);
    for (guint k = 0; k < G_N_ELEMENTS(commands); k++) {
      run(f, commands[k]);
      g_assert_cmpint(f->code, !=, 0);
    }
    check(f, "W plugin install % @/test-pass.so", 4, "", "2 files");
    check(f, "find mine/sha256 -type f | sort | cmp - before", 0, "", "");
    check(f, "W catalogue restore % kept --force", 0, "restored", "");
    check(f, "W asset check a %", 0, "", "");
  }
}

/* A folder of the store that cannot be read holds what it held. */
static void test_trouble_unreadable_folder_loses_no_row(Fixture *f, gconstpointer unused)
{
  run(f, "echo word > a.txt; mkdir aside; W plugin install % @/test-pass.so && W asset add % a.txt");
  g_assert_cmpint(f->code, ==, 0);
  check(f, "for d in mine/sha256/??; do n=$(basename $d); mv $d aside/$n; ln -s $n $d; done; W plugin gc %", 4, "",
        "found a link");
  check(f, "for d in mine/sha256/??; do n=$(basename $d); rm $d; ln -s ../../aside/$n $d; done; W plugin gc %", 4, "",
        "found a link");
  check(f, "for d in mine/sha256/??; do n=$(basename $d); rm $d; mv aside/$n $d; done; W plugin gc %", 0, "removed 0 files", "");
  check(f, "W plugin list %", 0, "pass ", "");
  check(f, "W asset check a %", 0, "", "");
}

/* The same bytes may be an asset, and a plugin whose probe failed once. */
static void test_trouble_gc_spares_shared_files(Fixture *f, gconstpointer unused)
{
  run(f, "W plugin install % @/test-crash-in-init.so");
  g_assert_cmpint(f->code, ==, 1);
  check(f, "W asset add % @/test-crash-in-init.so --name bytes", 0, "added", "");
  check(f, "W plugin gc --quarantine %", 0, "removed", "");
  check(f, "W asset check bytes %", 0, "", "");
}

/* What is reported as added is what was given, whatever lay in its place. */
static void test_trouble_add_replaces_damage(Fixture *f, gconstpointer unused)
{
  run(f, "mkdir m; echo '{\"d\": 4}' > m/config.json; echo word > a.txt; W asset add % a.txt && W model add % m && "
         "chmod -R u+w mine && for x in mine/sha256/*/*; do printf x | dd of=$x conv=notrunc status=none; done");
  g_assert_cmpint(f->code, ==, 0);
  check(f, "W asset check a %", 1, "", "have changed");
  check(f, "W asset add % a.txt --version 1.0.1", 0, "added", "");
  check(f, "W asset check a %", 0, "", "");
  check(f, "W model check m %", 1, "", "have changed");
  check(f, "W model add % m", 0, "unchanged", "");
  check(f, "W model check m %", 0, "", "");
  check(f, "cmp m/config.json mine/models/*/config.json", 0, "", "");
}

#define ADD(path, function) g_test_add("/trouble/" path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  const char *build = g_getenv("G_TEST_BUILDDIR");
  g_unsetenv("WEFT_CATALOGUE");
  g_setenv("LC_ALL", "C", TRUE);
  g_setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:detect_leaks=0", TRUE);
  g_setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", TRUE);
  weft = g_build_filename(build, "core", "cli", "weft", NULL);
  plugins = g_build_filename(build, "tests", "plugins", NULL);
  ADD("many-processes", test_trouble_many_processes);
  ADD("locked", test_trouble_locked);
  ADD("probe-holds-no-lock", test_trouble_probe_holds_no_lock);
  ADD("sizes", test_trouble_sizes);
  ADD("duplicate-id", test_trouble_duplicate_id);
  ADD("link-to-a-changing-file", test_trouble_link_to_a_changing_file);
  ADD("links-in-the-catalogue", test_trouble_links_in_the_catalogue);
  ADD("damage", test_trouble_damage);
  ADD("cut-trail", test_trouble_cut_trail);
  ADD("older-catalogue", test_trouble_older_catalogue);
  ADD("damaged-backup", test_trouble_damaged_backup);
  ADD("changed-trail", test_trouble_changed_trail);
  ADD("remembers-crashes", test_trouble_remembers_crashes);
  ADD("lost-database-keeps-files", test_trouble_lost_database_keeps_files);
  ADD("unreadable-folder-loses-no-row", test_trouble_unreadable_folder_loses_no_row);
  ADD("gc-spares-shared-files", test_trouble_gc_spares_shared_files);
  ADD("add-replaces-damage", test_trouble_add_replaces_damage);
  ADD("full-disk", test_trouble_full_disk);
  ADD("read-only-mount", test_trouble_read_only_mount);
  ADD("no-permission", test_trouble_no_permission);
  return g_test_run();
}
