/* SPDX-License-Identifier: MIT */
/* Being asked to stop: SIGINT and SIGTERM. */
#pragma once

/* They wait from now on. */
void interrupt_hold(void);
/* The signal that has come; 0: none. Where one has, the next one ends the process. */
int interrupt_came(void);
/* Waits for so long, less than a second, unless one comes; then the same. */
int interrupt_wait(long ns);
