/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What weft doctor learns of the kernel by asking it. Isolated nodes stand on
 * sealed memfds and pidfds; namespaces, Landlock, seccomp and cgroups are what
 * a sandbox around them can be made of.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#define LANDLOCK_VERSION_FLAG 1u /* LANDLOCK_CREATE_RULESET_VERSION */

static const char weaker[] = "one wall less that a sandbox of third-party plugins can have; a process of their own they have";

void weft_doctor_memfd(WeftDoctor *doctor)
{
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  int fd = memfd_create("weft-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gboolean sealed = fd >= 0 && ftruncate(fd, 4096) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0 && ftruncate(fd, 0) != 0;
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "sealed memory", "%s", sealed ? "memfd can be sealed" : g_strerror(errno));
  if (!sealed)
    weft_check_worse(check, WEFT_CHECK_BROKEN, "nodes cannot run in processes of their own",
                     "Linux 3.17 or newer; a seccomp filter of a container may forbid memfd_create");
  if (fd >= 0)
    close(fd);
}

void weft_doctor_pidfd(WeftDoctor *doctor)
{
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "pidfd", "%s", fd >= 0 ? "offered" : g_strerror(errno));
  if (fd < 0)
    weft_check_worse(check, WEFT_CHECK_BROKEN,
                     "the end of a worker cannot be watched: nodes cannot run in processes of their own",
                     "Linux 5.3 or newer; a seccomp filter of a container may forbid pidfd_open");
  else
    close(fd);
}

/* Tried in a child: the namespace would be this process's for good. Answers errno. */
static int try_namespace(void)
{
  pid_t child = fork();
  if (child == 0)
    _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : errno & 0xFF);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
    return EIO;
  return WEXITSTATUS(status);
}

void weft_doctor_namespaces(WeftDoctor *doctor)
{
  int problem = try_namespace();
  g_autofree char *most = weft_doctor_read(doctor, "/proc/sys/user/max_user_namespaces");
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "user namespaces", "%s (at most %s)",
                                     problem ? g_strerror(problem) : "may be made by this user", most ? most : "unknown");
  if (problem)
    weft_check_worse(check, WEFT_CHECK_ABSENT, weaker,
                     "sysctl user.max_user_namespaces=10000; where the distribution asks for it, "
                     "kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0");
}

void weft_doctor_landlock(WeftDoctor *doctor)
{
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
  if (version > 0) {
    weft_doctor_add(doctor, "sandbox", "landlock", "version %ld", version);
    return;
  }
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "landlock", "%s", g_strerror(errno));
  weft_check_worse(check, WEFT_CHECK_ABSENT, weaker,
                   errno == EOPNOTSUPP ? "start the kernel with lsm=landlock,... among its security modules"
                                       : "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK");
}

void weft_doctor_seccomp(WeftDoctor *doctor)
{
  unsigned action = SECCOMP_RET_KILL_PROCESS;
  gboolean offered = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "seccomp", "%s", offered ? "filters may be set" : g_strerror(errno));
  if (!offered)
    weft_check_worse(check, WEFT_CHECK_ABSENT, weaker, "Linux 4.14 or newer with CONFIG_SECCOMP_FILTER");
}

/* The path of the own cgroup (version 2) below /sys/fs/cgroup; NULL: there is none. */
static char *own_cgroup(const WeftDoctor *doctor)
{
  g_autofree char *text = weft_doctor_read(doctor, "/proc/self/cgroup");
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix(lines[i], "0::"))
      return g_strdup(lines[i] + 3);
  return NULL;
}

void weft_doctor_cgroup(WeftDoctor *doctor)
{
  static const char todo[] = "run under a delegated cgroup: systemd-run --user --scope -p Delegate=yes, or Delegate=yes in "
                             "the unit";
  g_autofree char *own = own_cgroup(doctor);
  if (!own) {
    WeftCheck *check = weft_doctor_add(doctor, "sandbox", "cgroup", "no cgroup of version 2");
    weft_check_worse(check, WEFT_CHECK_ABSENT, weaker, "boot with systemd.unified_cgroup_hierarchy=1");
    return;
  }
  g_autofree char *folder = g_strconcat(doctor->root, "/sys/fs/cgroup", own, NULL);
  g_autofree char *procs = g_build_filename(folder, "cgroup.procs", NULL);
  gboolean delegated = access(folder, W_OK) == 0 && access(procs, W_OK) == 0;
  WeftCheck *check = weft_doctor_add(doctor, "sandbox", "cgroup", "%s, %s", own, delegated ? "delegated" : "not delegated");
  if (!delegated)
    weft_check_worse(check, WEFT_CHECK_ABSENT, "workers cannot be given limits of memory and time of their own", "%s", todo);
}
