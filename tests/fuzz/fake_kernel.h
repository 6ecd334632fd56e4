/* SPDX-License-Identifier: MIT */
/* Below kernel_*.c: namespaces that are only numbers, and sockets that give what an input says. */
#pragma once

#include "kernel_internal.h"

/* The stream of answers: frames, each a header and so many bytes. */
struct frame {
	uint16_t size;
	uint8_t kind; /* enum frame_kind */
	uint8_t unused;
};

enum frame_kind {
	FRAME_DATAGRAM,
	FRAME_STRANGER, /* a datagram from another process */
	FRAME_CUT,	/* a datagram larger than the buffer */
	FRAME_LOST,	/* the receive buffer overflowed */
	FRAME_KINDS
};

/* nlmsg_seq in the stream counts from that of the request sent last, so that inputs do not depend
 * on how many came before. */
struct kernel *fake_kernel_open(const uint8_t *stream, size_t size);
void fake_kernel_close(struct kernel *k);
