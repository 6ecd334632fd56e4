/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Is nsapply to be the init of a process (kernel.h, PROCESS_INIT)? */
bool is_process_init(int argc, char *const argv[]);
/* Is that, until all has ended. Returns an exit status. */
int command_keep(char *const argv[]);
