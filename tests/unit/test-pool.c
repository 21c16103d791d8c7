/* SPDX-License-Identifier: Apache-2.0 */
#include "busy.h"
#include "cpus.h"
#include "hosttable.h"
#include "pool.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CHUNKS 1000

struct tally {
  _Atomic int n[N_CHUNKS];
  struct weft_pool_impl *pool;
  _Atomic int n_nested;
};

static void once(void *arg, uint32_t chunk)
{
  struct tally *tally = arg;
  atomic_fetch_add(&tally->n[chunk], 1);
}

/* Another process on this machine's cores: a child with a place of its own, computing until it is killed. */
static pid_t begin_other(uint32_t place, uint32_t n_threads)
{
  int ready[2];
  char byte = 0;
  g_assert_cmpint(pipe(ready), ==, 0);
  pid_t pid = fork();
  if (pid == 0) {
    if (weft_busy_join(weft_busy_fd(), place) != 0)
      _exit(1);
    for (uint32_t i = 0; i < n_threads; i++)
      weft_busy_enter();
    if (write(ready[1], &byte, 1) != 1)
      _exit(1);
    for (;;)
      pause();
  }
  close(ready[1]);
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  close(ready[0]);
  return pid;
}

static void end_other(pid_t pid)
{
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static uint64_t splits_of(struct weft_pool_impl *pool)
{
  struct tally *tally = g_new0(struct tally, 1);
  uint64_t before = weft_pool_thread_splits();
  weft_pool_parallel(pool, 64, once, tally);
  for (uint32_t k = 0; k < 64; k++)
    g_assert_cmpint(atomic_load(&tally->n[k]), ==, 1);
  g_free(tally);
  return weft_pool_thread_splits() - before;
}

static void test_pool_keeps_within_cores_with_workers(void)
{
  struct weft_pool_impl *pool;
  g_assert_cmpint(weft_pool_new(2, &pool), ==, WEFT_OK);
  g_assert_cmpuint(weft_busy_others(), ==, 0);
  uint32_t place = weft_busy_take(), second = weft_busy_take();
  g_assert_cmpuint(place, >, 0);
  g_assert_cmpuint(second, >, place);
  pid_t other = begin_other(place, 1);
  g_assert_cmpuint(weft_busy_others(), ==, 1);
  g_assert_cmpuint(splits_of(pool), ==, 0);
  end_other(other);
  /* who is killed counts until the host has seen its end */
  g_assert_cmpuint(weft_busy_others(), ==, 1);
  weft_busy_clear(place);
  g_assert_cmpuint(weft_busy_others(), ==, 0);
  /* whatever it writes: it counts for no more than a pool can have */
  other = begin_other(second, 2 * WEFT_BUSY_MOST);
  g_assert_cmpuint(weft_busy_others(), ==, WEFT_BUSY_MOST);
  end_other(other);
  weft_busy_release(second);
  weft_busy_release(place);
  g_assert_cmpuint(weft_busy_others(), ==, 0);
  g_assert_cmpuint(splits_of(pool), ==, 1);
  weft_busy_leave(); /* never below 0 */
  g_assert_cmpuint(weft_busy_others(), ==, 0);
  weft_pool_free(pool);
}

/* Every place is given once, and one more is none. */
static void test_pool_busy_places_run_out(void)
{
  for (uint32_t i = 1; i < WEFT_BUSY_PLACES; i++)
    g_assert_cmpuint(weft_busy_take(), ==, i);
  g_assert_cmpuint(weft_busy_take(), ==, 0);
  for (uint32_t i = 0; i < WEFT_BUSY_PLACES; i++)
    weft_busy_release(i);
}

static void test_pool_each_chunk_once(void)
{
  for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
    struct weft_pool_impl *pool;
    g_assert_cmpint(weft_pool_new(n_threads, &pool), ==, WEFT_OK);
    g_assert_cmpuint(weft_pool_n_threads(pool), ==, n_threads);
    for (uint32_t n = 0; n <= N_CHUNKS; n = n * 3 + 1) {
      struct tally *tally = g_new0(struct tally, 1);
      weft_pool_parallel(pool, n, once, tally);
      for (uint32_t k = 0; k < N_CHUNKS; k++)
        g_assert_cmpint(atomic_load(&tally->n[k]), ==, k < n);
      g_free(tally);
    }
    weft_pool_free(pool);
  }
}

static void nested(void *arg, uint32_t chunk)
{
  struct tally *tally = arg;
  GThread *self = g_thread_self();
  weft_pool_parallel(tally->pool, 10, once, tally);
  g_assert_true(self == g_thread_self());
  atomic_fetch_add(&tally->n_nested, 1);
}

static void test_pool_nested(void)
{
  struct tally *tally = g_new0(struct tally, 1);
  g_assert_cmpint(weft_pool_new(3, &tally->pool), ==, WEFT_OK);
  weft_pool_parallel(tally->pool, 20, nested, tally);
  g_assert_cmpint(atomic_load(&tally->n_nested), ==, 20);
  for (uint32_t k = 0; k < 10; k++)
    g_assert_cmpint(atomic_load(&tally->n[k]), ==, 20);
  weft_pool_free(tally->pool);
  g_free(tally);
}

/* The rest of the chunks must not wait for a helper that is slow with one. */
struct uneven {
  _Atomic int done;
  GThread *slow;
};

static void uneven(void *arg, uint32_t chunk)
{
  struct uneven *u = arg;
  if (chunk == 0) {
    gint64 end = g_get_monotonic_time() + G_TIME_SPAN_SECOND * 60;
    while (atomic_load(&u->done) < 63 && g_get_monotonic_time() < end)
      g_usleep(50);
    g_assert_cmpint(atomic_load(&u->done), ==, 63);
  } else {
    atomic_fetch_add(&u->done, 1);
  }
}

static void test_pool_uneven(void)
{
  struct weft_pool_impl *pool;
  struct uneven u = {0};
  g_assert_cmpint(weft_pool_new(2, &pool), ==, WEFT_OK);
  weft_pool_parallel(pool, 64, uneven, &u);
  weft_pool_free(pool);
}

static gpointer caller(gpointer data)
{
  struct weft_pool_impl *pool = data;
  for (int round = 0; round < 300; round++) {
    struct tally tally = {0};
    weft_pool_parallel(pool, 17, once, &tally);
    for (uint32_t k = 0; k < 17; k++)
      g_assert_cmpint(atomic_load(&tally.n[k]), ==, 1);
  }
  return NULL;
}

static void test_pool_many_callers(void)
{
  struct weft_pool_impl *pool;
  GThread *threads[4];
  g_assert_cmpint(weft_pool_new(3, &pool), ==, WEFT_OK);
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new("caller", caller, pool);
  for (int i = 0; i < 4; i++)
    g_thread_join(threads[i]);
  weft_pool_free(pool);
}

struct counted {
  struct weft_pool_job job; /* first */
  _Atomic int *n;
  int order;
};

static void count(struct weft_pool_job *job)
{
  struct counted *c = (struct counted *)job;
  g_assert_cmpint(atomic_fetch_add(c->n, 1), ==, c->order);
}

static void test_pool_jobs_in_order(void)
{
  struct weft_pool_impl *pool;
  _Atomic int n = 0;
  struct counted jobs[100];
  g_assert_cmpint(weft_pool_new(1, &pool), ==, WEFT_OK);
  for (int i = 0; i < 100; i++) {
    jobs[i] = (struct counted){{count, NULL}, &n, i};
    g_assert_cmpint(weft_pool_push(pool, &jobs[i].job), ==, WEFT_OK);
  }
  /* Freeing waits for what was pushed. */
  weft_pool_free(pool);
  g_assert_cmpint(atomic_load(&n), ==, 100);
}

static void test_pool_offer(void)
{
  struct weft_pool_impl *pool;
  struct tally tally = {0};
  g_assert_cmpint(weft_pool_new(2, &pool), ==, WEFT_OK);
  weft_pool_offer(pool);
  const struct weft_pool *table = weft_host_table()->get_extension(WEFT_POOL_ID);
  g_assert_nonnull(table);
  g_assert_cmpuint(table->n_threads(), ==, 2);
  table->parallel(5, once, &tally);
  for (uint32_t k = 0; k < 5; k++)
    g_assert_cmpint(atomic_load(&tally.n[k]), ==, 1);
  weft_pool_free(pool);
  g_assert_null(weft_host_table()->get_extension(WEFT_POOL_ID));
}

static void write_file(const char *root, const char *path, const char *content)
{
  g_autofree char *full = g_build_filename(root, path, NULL);
  g_autofree char *folder = g_path_get_dirname(full);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  g_assert_true(g_file_set_contents(full, content, -1, NULL));
}

static void test_pool_quota(void)
{
  g_autofree char *root = g_dir_make_tmp("weft-cpus-XXXXXX", NULL);
  g_assert_cmpuint(weft_cpus_quota(root), ==, 0);
  write_file(root, "proc/self/cgroup", "0::/a/b\n");
  write_file(root, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  g_assert_cmpuint(weft_cpus_quota(root), ==, 0);
  /* The parent's bounds its children. */
  write_file(root, "sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  g_assert_cmpuint(weft_cpus_quota(root), ==, 3);
  write_file(root, "sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
  g_assert_cmpuint(weft_cpus_quota(root), ==, 1);
  write_file(root, "proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/c\n");
  write_file(root, "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
  write_file(root, "sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  g_assert_cmpuint(weft_cpus_quota(root), ==, 0);
  write_file(root, "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "150000\n");
  g_assert_cmpuint(weft_cpus_quota(root), ==, 2);
  g_autofree char *command = g_strdup_printf("rm -r '%s'", root);
  g_assert_cmpint(system(command), ==, 0);
}

static void keep_line(void *data, uint32_t level, const char *line)
{
  g_strlcpy(data, line, 256);
}

static void test_pool_environment(void)
{
  char said[256] = "";
  weft_host_set_log(keep_line, said);
  g_setenv("WEFT_THREADS", "7", TRUE);
  g_assert_cmpuint(weft_cpus_available(), ==, 7);
  g_setenv("WEFT_THREADS", "256", TRUE);
  g_assert_cmpuint(weft_cpus_available(), ==, 256);
  g_assert_cmpstr(said, ==, "");
  g_setenv("WEFT_THREADS", "257", TRUE);
  g_assert_cmpuint(weft_cpus_available(), <, 257);
  g_setenv("WEFT_THREADS", "x", TRUE);
  g_assert_cmpuint(weft_cpus_available(), >, 0);
  g_assert_cmpstr(said, ==, "WEFT_THREADS=x: expected a number from 1 to 256; it is not followed");
  weft_host_set_log(NULL, NULL);
  g_unsetenv("WEFT_THREADS");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pool/keeps-within-cores-with-workers", test_pool_keeps_within_cores_with_workers);
  g_test_add_func("/pool/busy-places-run-out", test_pool_busy_places_run_out);
  g_test_add_func("/pool/each-chunk-once", test_pool_each_chunk_once);
  g_test_add_func("/pool/nested", test_pool_nested);
  g_test_add_func("/pool/uneven", test_pool_uneven);
  g_test_add_func("/pool/many-callers", test_pool_many_callers);
  g_test_add_func("/pool/jobs-in-order", test_pool_jobs_in_order);
  g_test_add_func("/pool/offer", test_pool_offer);
  g_test_add_func("/pool/quota", test_pool_quota);
  g_test_add_func("/pool/environment", test_pool_environment);
  return g_test_run();
}
