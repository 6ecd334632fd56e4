/* SPDX-License-Identifier: MIT */
/* Just enough route netlink for the floor, by hand: no library, one buffer. */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/* Requests, one behind the other, as they will be sent. */
struct batch {
	char *data;
	size_t n, cap;
	size_t last; /* where the newest request begins */
	uint32_t sequence;
};

_Noreturn void die(const char *what);

int netlink_socket(void);
void batch_begin(struct batch *b, int type, int flags, const void *header, size_t size);
void batch_put(struct batch *b, int type, const void *data, size_t size);
void batch_put_u32(struct batch *b, int type, uint32_t value);
size_t batch_nest(struct batch *b, int type);
void batch_nest_end(struct batch *b, size_t nest);
/* More bytes that belong to what was begun last, padded. */
void batch_append(struct batch *b, const void *data, size_t size);
/* Sends what there is in datagrams as large as a socket takes, waits for the last ack of each,
 * and ends the program should the kernel have refused anything. */
void batch_send(struct batch *b, int socket);

/* Reads and counts all that one dump has, looking at each attribute once, as a reader must. */
size_t dump(int socket, int type, const void *header, size_t size, uint32_t link_mask);
/* Sends what there is in one datagram, and reads `n` answers. */
void ask(struct batch *b, int socket, size_t n);
