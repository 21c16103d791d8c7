/* SPDX-License-Identifier: Apache-2.0 */
/* What weft doctor sees of the machine. */
#include "doctor.h"

#include "cpus.h"
#include "memory.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* A machine with less is short of memory for the models that people use. */
#define MEMORY_LEAST_BYTES (G_GUINT64_CONSTANT(1) << 30)
/* A clock read that takes longer goes through the kernel. */
#define CLOCK_READ_MOST_NS 200
#define CLOCK_READS 2000

WeftDoctor *weft_doctor_new(const char *root)
{
  WeftDoctor *doctor = g_new0(WeftDoctor, 1);
  doctor->root = root;
  doctor->checks = g_ptr_array_new();
  return doctor;
}

void weft_doctor_free(WeftDoctor *doctor)
{
  if (!doctor)
    return;
  for (guint i = 0; i < doctor->checks->len; i++) {
    WeftCheck *check = doctor->checks->pdata[i];
    g_free(check->found);
    g_free(check->todo);
    g_free(check);
  }
  g_ptr_array_unref(doctor->checks);
  g_free(doctor);
}

WeftCheck *weft_doctor_add(WeftDoctor *doctor, const char *group, const char *name, const char *format, ...)
{
  WeftCheck *check = g_new0(WeftCheck, 1);
  va_list args;
  va_start(args, format);
  check->found = g_strdup_vprintf(format, args);
  va_end(args);
  check->group = group;
  check->name = name;
  g_ptr_array_add(doctor->checks, check);
  return check;
}

void weft_check_worse(WeftCheck *check, WeftCheckState state, const char *meaning, const char *todo, ...)
{
  check->state = state;
  check->meaning = meaning;
  g_clear_pointer(&check->todo, g_free);
  if (!todo)
    return;
  va_list args;
  va_start(args, todo);
  check->todo = g_strdup_vprintf(todo, args);
  va_end(args);
}

char *weft_doctor_read(const WeftDoctor *doctor, const char *path)
{
  g_autofree char *full = g_strconcat(doctor->root, path, NULL);
  char *text = NULL;
  return g_file_get_contents(full, &text, NULL, NULL) ? g_strstrip(text) : NULL;
}

/* The value of "KEY : VALUE" in /proc/cpuinfo or /proc/meminfo; caller frees with g_free. */
static char *value_of(const char *text, const char *key)
{
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *colon = strchr(lines[i], ':');
    if (!colon)
      continue;
    g_autofree char *name = g_strchomp(g_strndup(lines[i], (gsize)(colon - lines[i])));
    if (strcmp(name, key) == 0)
      return g_strdup(g_strstrip(colon + 1));
  }
  return NULL;
}

void weft_doctor_processor(WeftDoctor *doctor)
{
  static const char *const wanted[] = {"avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile",
                                       "amx_int8", "amx_bf16"};
  g_autofree char *text = weft_doctor_read(doctor, "/proc/cpuinfo"), *name = value_of(text, "model name");
  g_autofree char *flags = value_of(text, "flags");
  g_auto(GStrv) all = g_strsplit(flags ? flags : "", " ", -1);
  g_autoptr(GString) have = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
    if (g_strv_contains((const char *const *)all, wanted[i]))
      g_string_append_printf(have, "%s%s", have->len ? " " : "", wanted[i]);
  WeftCheck *check = weft_doctor_add(doctor, "machine", "processor", "%s: %s", name ? name : "unknown",
                                     have->len ? have->str : "none of the instruction sets that Weft has kernels for");
  gboolean fast = g_strv_contains((const char *const *)all, "avx2") && g_strv_contains((const char *const *)all, "fma");
  if (!fast)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "models run on the plain kernels, some ten times slower than with AVX2",
                     "a machine with AVX2 and FMA; in a virtual machine let the host's processor through");
}

void weft_doctor_cores(WeftDoctor *doctor)
{
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  guint quota = weft_cpus_quota(doctor->root), used = weft_cpus_available();
  g_autofree char *bound = quota ? g_strdup_printf(", the cgroup gives %u", quota) : g_strdup("");
  WeftCheck *check = weft_doctor_add(doctor, "machine", "cores", "%d by affinity%s; %u threads are used", n, bound, used);
  if (used == 1)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "requests and the parts of a model take turns on one core",
                     "give this process more cores (taskset, cpuset, cpu.max)");
  else if (n && used > (guint)n)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "more threads than cores: they wait for each other",
                     "unset WEFT_THREADS, or set it to %d", n);
}

static guint64 bytes_of(const char *kilobytes)
{
  return kilobytes ? g_ascii_strtoull(kilobytes, NULL, 10) * 1024 : 0;
}

/* The smallest memory.max of the own cgroup and those above it; 0: none. */
static guint64 memory_limit(const WeftDoctor *doctor)
{
  g_autofree char *groups = weft_doctor_read(doctor, "/proc/self/cgroup");
  g_auto(GStrv) lines = g_strsplit(groups ? groups : "", "\n", -1);
  guint64 least = 0;
  for (guint i = 0; lines[i]; i++) {
    if (!g_str_has_prefix(lines[i], "0::"))
      continue;
    g_autofree char *own = g_strdup(lines[i] + 3);
    for (;;) {
      g_autofree char *path = g_strconcat("/sys/fs/cgroup", own, "/memory.max", NULL);
      g_autofree char *text = weft_doctor_read(doctor, path);
      guint64 limit = text && g_ascii_isdigit(*text) ? g_ascii_strtoull(text, NULL, 10) : 0;
      if (limit && (!least || limit < least))
        least = limit;
      char *slash = strrchr(own, '/');
      if (!slash)
        break;
      *slash = '\0';
    }
  }
  return least;
}

void weft_doctor_memory(WeftDoctor *doctor)
{
  g_autofree char *text = weft_doctor_read(doctor, "/proc/meminfo"), *total = value_of(text, "MemTotal");
  g_autofree char *free_now = value_of(text, "MemAvailable");
  guint64 limit = memory_limit(doctor), least = bytes_of(free_now);
  g_autofree char *bound =
      limit ? g_strdup_printf(", the cgroup gives %.1f", (double)limit / (1 << 30)) : g_strdup(", no cgroup limit");
  WeftCheck *check = weft_doctor_add(doctor, "machine", "memory", "%.1f GiB, %.1f of them available%s",
                                     (double)bytes_of(total) / (1 << 30), (double)bytes_of(free_now) / (1 << 30), bound);
  least = limit && limit < least ? limit : least;
  if (least < MEMORY_LEAST_BYTES)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "models beyond the smallest will not fit", "free memory, or raise memory.max");
}

void weft_doctor_address_space(WeftDoctor *doctor)
{
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  getrlimit(RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) {
    weft_doctor_add(doctor, "machine", "address space", "not limited");
    return;
  }
  WeftCheck *check = weft_doctor_add(doctor, "machine", "address space", "limited to %.1f GiB",
                                     (double)limit.rlim_cur / (1 << 30));
  gboolean enough = limit.rlim_cur > 4 * (rlim_t)WEFT_ARENA_BYTES_MAX;
  weft_check_worse(check, enough ? WEFT_CHECK_ABSENT : WEFT_CHECK_BROKEN,
                   "a frame reserves more than 8 GiB of addresses, of which it uses little; requests fail beyond the limit",
                   "ulimit -v unlimited");
}

void weft_doctor_huge_pages(WeftDoctor *doctor)
{
  g_autofree char *text = weft_doctor_read(doctor, "/sys/kernel/mm/transparent_hugepage/enabled");
  const char *open = text ? strchr(text, '[') : NULL, *close = open ? strchr(open, ']') : NULL;
  g_autofree char *chosen = close ? g_strndup(open + 1, (gsize)(close - open - 1)) : g_strdup("not offered");
  WeftCheck *check = weft_doctor_add(doctor, "machine", "huge pages", "%s", chosen);
  if (!close || strcmp(chosen, "never") == 0)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "large weights cost more lookups of addresses, some per cent of speed",
                     "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root");
}

/* What one reading of CLOCK_MONOTONIC takes, ns. */
static double clock_read_ns(void)
{
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < CLOCK_READS; i++)
    clock_gettime(CLOCK_MONOTONIC, &end);
  return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / CLOCK_READS;
}

void weft_doctor_clock(WeftDoctor *doctor)
{
  g_autofree char *cpus = weft_doctor_read(doctor, "/proc/cpuinfo"), *flags = value_of(cpus, "flags");
  g_autofree char *source = weft_doctor_read(doctor, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  g_auto(GStrv) all = g_strsplit(flags ? flags : "", " ", -1);
  const char *const *have = (const char *const *)all;
  gboolean steady = g_strv_contains(have, "nonstop_tsc") || g_strv_contains(have, "constant_tsc");
  double ns = clock_read_ns();
  WeftCheck *check = weft_doctor_add(doctor, "machine", "clock", "%s, %.0f ns a reading, %s", source ? source : "unknown", ns,
                                     steady ? "constant time-stamp counter" : "no constant time-stamp counter");
  if (!steady)
    weft_check_worse(check, WEFT_CHECK_ABSENT,
                     "each node boundary reads the system's clock, which costs more than the node boundary itself", NULL);
  else if (ns > CLOCK_READ_MOST_NS)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "readings of the clock go through the kernel: deadlines and traces cost more",
                     "choose the clock source tsc, kvm-clock or hyperv_clocksource_tsc_page");
}
