/* SPDX-License-Identifier: MIT */
#pragma once

#include "command.h"

/* --run: the lab of the file o->args[0], private, around the command. Returns the command's exit
 * status, or one of command_exec.h. */
int command_run(const struct options *o, char *const command[]);
