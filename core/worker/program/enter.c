/* SPDX-License-Identifier: Apache-2.0 */
#include "enter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* asm/prctl.h of Linux 5.16; older headers lack them. */
#define GET_XCOMP_SUPP 0x1021
#define REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILES 18

/** Descriptors that a worker may hold. */
#define MAX_DESCRIPTORS 256
/** Added to the score by which the kernel picks what to kill when memory runs out (0..1000). */
#define OOM_SCORE "500"

void weft_enter_amx(void)
{
#ifdef __x86_64__
  uint64_t supported = 0;
  if (!syscall(SYS_arch_prctl, GET_XCOMP_SUPP, &supported) && supported >> XFEATURE_TILES & 1)
    syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XFEATURE_TILES);
#endif
}

static void offer_to_oom_killer(void)
{
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  /* A host that is worse off already keeps its score: lowering it takes a privilege. */
  ssize_t n = write(fd, OOM_SCORE, sizeof OOM_SCORE - 1);
  (void)n;
  close(fd);
}

int weft_enter_limits(void)
{
  static const struct rlimit no_core = {0, 0}, descriptors = {MAX_DESCRIPTORS, MAX_DESCRIPTORS};
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return errno;
  if (setrlimit(RLIMIT_CORE, &no_core))
    return errno;
  struct rlimit now;
  if (!getrlimit(RLIMIT_NOFILE, &now) && now.rlim_max > MAX_DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &descriptors))
    return errno;
  offer_to_oom_killer();
  return 0;
}
