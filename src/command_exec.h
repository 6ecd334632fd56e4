/* SPDX-License-Identifier: MIT */
#pragma once

/* Exit codes of nsapply itself where it runs a command of the user's. */
enum { EXIT_EXEC_FAILED = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* --exec: becomes argv[0], run inside the namespace as `ip netns exec` would. Only
 * returns when that failed, having said why on standard error: with an exit code. */
int command_exec(const char *netns, char *const argv[]);
