/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft-worker: the program that runs one isolated node. Weft starts it with
 * its end of the control channel at descriptor 3 (core/worker/launch.h).
 *
 * No namespace is made here, so the launcher itself becomes the zygote: one
 * process less per node. With a namespace of its own the zygote is the first
 * process in it, and the launcher forks it after weft_enter_limits.
 */
#include "enter.h"
#include "zygote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
  int type = 0;
  socklen_t n = sizeof type;
  if (getsockopt(WEFT_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &n) || type != SOCK_SEQPACKET) {
    fprintf(stderr, "weft-worker is started by weft for a node that runs in a process of its own; see `weft run --help`\n");
    return 2;
  }
  prctl(PR_SET_NAME, "weft-zygote");
  weft_enter_amx();
  int error = weft_enter_limits();
  if (error) {
    fprintf(stderr, "weft-worker: cannot set its limits: %s\n", strerror(error));
    return EXIT_FAILURE;
  }
  static struct weft_zygote zygote = {.control = WEFT_CONTROL_FD, .eventfd = -1};
  int code = weft_zygote_run(&zygote);
  fflush(NULL);
  _exit(code); /* what plugins left for exit() could hang */
}
