/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory on the request path of the shipped pipeline: every allocation of a
 * first request fails once, the host's and those of the libraries behind its
 * plugins; and a request in steady state allocates nothing of the host's.
 */
#include "hosttable.h"
#include "session.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Under a sanitizer, which has a malloc of its own, only the host's allocations are made to fail. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif

static atomic_ulong fail_at, n_seen, n_failed;
static atomic_long n_live;

#if OWN_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *memory);

static int fails(void)
{
  unsigned long at = atomic_load(&fail_at);
  if (at == 0 || atomic_fetch_add(&n_seen, 1) + 1 != at)
    return 0;
  atomic_fetch_add(&n_failed, 1);
  errno = ENOMEM;
  return 1;
}

static void *counted(void *memory)
{
  if (memory)
    atomic_fetch_add(&n_live, 1);
  return memory;
}

void *malloc(size_t n)
{
  return fails() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
  return fails() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *memory, size_t n)
{
  if (fails())
    return NULL;
  void *fresh = __libc_realloc(memory, n);
  return memory ? fresh : counted(fresh);
}

void *memalign(size_t alignment, size_t n)
{
  return fails() ? NULL : counted(__libc_memalign(alignment, n));
}

void *aligned_alloc(size_t alignment, size_t n)
{
  return memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
  *out = memalign(alignment, n);
  return *out ? 0 : ENOMEM;
}

void free(void *memory)
{
  if (memory)
    atomic_fetch_sub(&n_live, 1);
  __libc_free(memory);
}
#endif

static struct weft_blob blobs[3];

static WeftSession *session_new(void)
{
  g_autoptr(GError) error = NULL;
  WeftSessionOptions options = {0};
  g_autofree char *catalogue = g_build_filename(g_getenv("G_TEST_BUILDDIR"), "catalogue", NULL);
  options.catalogue = catalogue;
  options.n_threads = 2;
  WeftSession *session = weft_session_new(&options, &error);
  g_assert_no_error(error);
  g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "examples/digits/pipeline.yaml", NULL);
  g_autoptr(WeftDiagnostics) diagnostics = weft_diagnostics_new(path);
  if (!weft_session_load(session, path, diagnostics))
    g_error("%s", weft_diagnostics_text(diagnostics));
  return session;
}

static void load_blob(struct weft_blob *blob, const char *name)
{
  g_autofree char *path = g_build_filename(g_getenv("G_TEST_SRCDIR"), "examples/digits", name, NULL);
  char *text = NULL;
  gsize n = 0;
  g_assert_true(g_file_get_contents(path, &text, &n, NULL));
  *blob = (struct weft_blob){text, n, 1};
}

static weft_status run_once(WeftSession *session)
{
  struct weft_request request = {.inputs = blobs};
  struct weft_frame *frame = NULL;
  weft_status status = weft_graph_run(weft_revision_graph(weft_session_revision(session)), &request, 1, &frame);
  if (status == WEFT_OK) {
    status = weft_frame_status(frame, 0);
    weft_frame_release(frame);
  }
  return status;
}

/* Fails the host's k-th allocation of a fresh session's first request, for every k. */
static void test_memory_host_every_allocation(void)
{
  guint n_no_memory = 0;
  for (guint64 k = 1;; k++) {
    WeftSession *session = session_new();
    guint64 begin = weft_mem_count();
    weft_mem_fail_at(k);
    weft_status status = run_once(session);
    weft_mem_fail_at(0);
    gboolean reached = weft_mem_count() - begin >= k;
    g_assert_true(status == WEFT_OK || status == WEFT_NO_MEMORY);
    n_no_memory += status == WEFT_NO_MEMORY;
    g_assert_cmpint(run_once(session), ==, WEFT_OK);
    weft_session_free(session);
    if (!reached)
      break;
    g_assert_cmpint(status, ==, WEFT_NO_MEMORY);
  }
  g_assert_cmpuint(n_no_memory, >, 0);
  g_assert_cmpuint(weft_mem_live(), ==, 0);
}

/*
 * Fails the k-th allocation of any library, in steady state, for every k: a
 * status, and the next request works. Without speech: libsndfile 1.2.0 reads
 * through NULL when its own malloc fails, which only a worker survives.
 */
static void test_memory_library_every_allocation(void)
{
  if (!OWN_MALLOC) {
    g_test_skip("the sanitizer has a malloc of its own");
    return;
  }
  WeftSession *session = session_new();
  blobs[1].present = 0;
  for (int i = 0; i < 3; i++)
    g_assert_cmpint(run_once(session), ==, WEFT_OK);
  long live = atomic_load(&n_live);
  for (unsigned long k = 1;; k++) {
    atomic_store(&n_seen, 0);
    atomic_store(&n_failed, 0);
    atomic_store(&fail_at, k);
    weft_status status = run_once(session);
    atomic_store(&fail_at, 0);
    if (atomic_load(&n_failed) == 0) {
      g_assert_cmpint(status, ==, WEFT_OK);
      g_test_message("a request in steady state makes %lu allocations, all in libraries of readers", k - 1);
      break;
    }
    g_assert_true(status == WEFT_NO_MEMORY || status == WEFT_BAD_INPUT || status == WEFT_OK);
    g_assert_cmpint(run_once(session), ==, WEFT_OK);
    g_assert_cmpint(atomic_load(&n_live), ==, live);
  }
  blobs[1].present = 1;
  weft_session_free(session);
}

static void test_memory_steady_state(void)
{
  WeftSession *session = session_new();
  for (int i = 0; i < 3; i++)
    g_assert_cmpint(run_once(session), ==, WEFT_OK);
  guint64 count = weft_mem_count();
  for (int i = 0; i < 100; i++)
    g_assert_cmpint(run_once(session), ==, WEFT_OK);
  g_assert_cmpuint(weft_mem_count(), ==, count);
  weft_session_free(session);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  load_blob(&blobs[0], "seven.png");
  load_blob(&blobs[1], "seven.wav");
  blobs[2] = (struct weft_blob){"seven", 5, 1};
  g_test_add_func("/memory/host-every-allocation", test_memory_host_every_allocation);
  g_test_add_func("/memory/library-every-allocation", test_memory_library_every_allocation);
  g_test_add_func("/memory/steady-state", test_memory_steady_state);
  int code = g_test_run();
  g_free((void *)blobs[0].data);
  g_free((void *)blobs[1].data);
  return code;
}
