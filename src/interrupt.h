/* SPDX-License-Identifier: MIT */
/* Being asked to stop: SIGHUP, SIGINT and SIGTERM. */
#pragma once

/* They wait from now on. And what is written and cannot be no longer ends the process. */
void interrupt_hold(void);
/* It does again, for another program that the process is about to become. */
void interrupt_restore_actions(void);
/* The signal that has come; 0: none. Where one has, the next SIGINT or SIGTERM ends the process. */
int interrupt_came(void);
/* A descriptor from which there is something to read when one has come, to be closed; -1: there is
 * none to wait for. */
int interrupt_open(void);
/* Waits for so long, less than a second, unless one comes; then the same. */
int interrupt_wait(long ns);
