/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin-private.h"

static const char help[] =
    "  install FILE.so...    looks at each file, probes it in a process of its own, and puts it into the catalogue;\n"
    "                        a file that is refused leaves a row with the reason (weft plugin why)\n"
    "  list [PATTERN]        what is installed, and what was refused; PATTERN of the id, with * and ?\n"
    "  show ID[@VERSION]     ports, parameters and manners of a plugin, and what runs have seen of it\n"
    "  why ID|FILE           what happened to it: installed, refused and why, disabled, released, removed, crashed\n"
    "  verify [ID[@VERSION]] whether installed files are what they were: digest, manifest, libraries, probe; all of\n"
    "                        them without ID\n"
    "  disable ID[@VERSION]  pipelines do not find it any more; its files stay\n"
    "  enable ID[@VERSION]   they find it again\n"
    "  release ID[@VERSION]  installs what its probe refused and quarantine keeps: you answer for it\n"
    "  remove ID[@VERSION]   removes the file that holds it, with every plugin in that file\n"
    "  gc                    removes files of the store that nothing names\n\n"
    "  --catalogue DIR       that catalogue alone (install makes it when it is missing), instead of the search order;\n"
    "                        what changes a catalogue takes the first of WEFT_CATALOGUE, or the user's\n"
    "  --json                the same as JSON\n"
    "  --kind KIND           list: only plugins of that kind\n"
    "  --reason TEXT         disable, release: why, for those who ask later\n"
    "  --timeout SECONDS     install, verify: how long a probe may take (default 10, at most 600)\n"
    "  --quick               verify: looks at files and runs no code\n"
    "  --quarantine          gc: also removes what quarantine keeps\n"
    "  --dry-run             gc: only says what it would remove\n\n"
    "exit codes: 0 done; 1 a file was refused or is damaged, or there is no such plugin; 2 options or arguments are\n"
    "            wrong; 4 the catalogue cannot be used\n";

static int run(int argc, char **argv);

const WeftCommand weft_command_plugin = {
    "plugin", "install|list|show|why|verify|disable|enable|release|remove|gc [ARGUMENT...] [OPTION]...",
    "Installs plugins, and tells what is installed.", help, run};

static const WeftAction actions[] = {
    {"install", "--timeout", weft_plugin_install},
    {"list", "--kind", weft_plugin_list},
    {"show", "", weft_plugin_show},
    {"why", "", weft_plugin_why},
    {"verify", "--timeout --quick", weft_plugin_verify},
    {"disable", "--reason", weft_plugin_disable},
    {"enable", "", weft_plugin_enable},
    {"release", "--reason", weft_plugin_release},
    {"remove", "", weft_plugin_remove},
    {"gc", "--dry-run --quarantine", weft_plugin_gc},
};

static int run(int argc, char **argv)
{
  return weft_action_run(&weft_command_plugin, actions, G_N_ELEMENTS(actions), argc, argv);
}
