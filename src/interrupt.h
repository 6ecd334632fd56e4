/* SPDX-License-Identifier: MIT */
/* Being asked to stop: SIGINT and SIGTERM. */
#pragma once

/* They wait from now on. */
void interrupt_hold(void);
/* The signal that has come; 0: none. Where one has, the next one ends the process. */
int interrupt_came(void);
/* A descriptor from which there is something to read when one has come, to be closed; -1: there is
 * none to wait for. */
int interrupt_open(void);
/* Waits for so long, less than a second, unless one comes; then the same. */
int interrupt_wait(long ns);
