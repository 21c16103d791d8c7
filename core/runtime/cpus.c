/* SPDX-License-Identifier: Apache-2.0 */
#include "cpus.h"

#include "hosttable.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of a small file; 0 when there is none. */
static int read_line(const char *path, char *line, int size)
{
  FILE *f = fopen(path, "re");
  if (!f)
    return 0;
  int ok = fgets(line, size, f) != NULL;
  fclose(f);
  if (ok)
    line[strcspn(line, "\n")] = 0;
  return ok;
}

static uint32_t round_up(long long quota, long long period)
{
  if (quota <= 0 || period <= 0)
    return 0;
  long long n = (quota + period - 1) / period;
  return n > WEFT_THREADS_MAX ? WEFT_THREADS_MAX : (uint32_t)n;
}

static uint32_t quota_v2(const char *folder)
{
  char path[PATH_MAX + 32], line[128];
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (!read_line(path, line, sizeof line))
    return 0;
  long long quota = 0, period = 0;
  return sscanf(line, "%lld %lld", &quota, &period) == 2 ? round_up(quota, period) : 0;
}

static uint32_t quota_v1(const char *folder)
{
  char path[PATH_MAX + 32], line[128];
  long long quota = 0, period = 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  if (!read_line(path, line, sizeof line) || sscanf(line, "%lld", &quota) != 1)
    return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  if (!read_line(path, line, sizeof line) || sscanf(line, "%lld", &period) != 1)
    return 0;
  return round_up(quota, period);
}

/* The smallest quota of `own` and its parents: each of them bounds the process. */
static uint32_t smallest(const char *mount, const char *own, uint32_t (*quota)(const char *))
{
  char folder[PATH_MAX];
  uint32_t least = 0;
  size_t n_mount = strlen(mount);
  int n = snprintf(folder, sizeof folder, "%s%s", mount, own);
  if (n < 0 || (size_t)n >= sizeof folder)
    return 0;
  for (;;) {
    uint32_t q = quota(folder);
    if (q && (!least || q < least))
      least = q;
    char *slash = strrchr(folder + n_mount, '/');
    if (!slash)
      return least;
    *slash = 0;
  }
}

/* A line of /proc/self/cgroup is ID:CONTROLLERS:PATH. */
static int has_cpu(const char *controllers, size_t n)
{
  while (n) {
    const char *comma = memchr(controllers, ',', n);
    size_t len = comma ? (size_t)(comma - controllers) : n;
    if (len == 3 && !memcmp(controllers, "cpu", 3))
      return 1;
    if (!comma)
      return 0;
    controllers += len + 1;
    n -= len + 1;
  }
  return 0;
}

uint32_t weft_cpus_quota(const char *root)
{
  char path[PATH_MAX], line[PATH_MAX], mount[PATH_MAX];
  uint32_t least = 0;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *f = fopen(path, "re");
  if (!f)
    return 0;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *own = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!own)
      continue;
    size_t n = (size_t)(own - controllers - 1);
    uint32_t q = 0;
    if (n == 0) {
      snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
      q = smallest(mount, own + 1, quota_v2);
    } else if (has_cpu(controllers + 1, n)) {
      snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
      q = smallest(mount, own + 1, quota_v1);
    }
    if (q && (!least || q < least))
      least = q;
  }
  fclose(f);
  return least;
}

uint32_t weft_cpus_available(void)
{
  const char *text = getenv("WEFT_THREADS");
  if (text && *text) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (!*end && n >= 1 && n <= WEFT_THREADS_MAX)
      return (uint32_t)n;
    weft_host_table()->log(WEFT_LOG_WARNING, "WEFT_THREADS=%.40s: expected a number from 1 to %u; it is not followed", text,
                           WEFT_THREADS_MAX);
  }
  cpu_set_t set;
  uint32_t n = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    n = (uint32_t)CPU_COUNT(&set);
  uint32_t quota = weft_cpus_quota("");
  if (quota && quota < n)
    n = quota;
  if (n > WEFT_THREADS_MAX)
    n = WEFT_THREADS_MAX;
  return n ? n : 1;
}
