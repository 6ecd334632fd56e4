/* SPDX-License-Identifier: MIT */
/* Any bytes as what a raw ICMP or ICMPv6 socket hands out, by the first byte; and whoever it is taken
 * for is told of in words. What we write ourselves must be understood. */
#include "fuzz.h"
#include "probe_internal.h"

#include <string.h>
#include <sys/socket.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* An answer to the request that an error is about, or that a reply is to. */
static void ask_and_answer(uint8_t family, uint32_t token, size_t payload)
{
	uint8_t message[20 + ECHO_HEADER + 256] = {0x45};
	size_t header = family == AF_INET ? 20 : 0;
	size_t n = header + packet_echo(family, token, payload, message + header);
	struct packet packet;

	must(!packet_parse(family, message, n, &packet)); /* a request is no answer */
	message[header] = family == AF_INET ? 0 : 129;
	must(packet_parse(family, message, n, &packet));
	must(!packet.is_error && packet.token == token);
}

static void tell(const struct packet *packet, uint8_t family)
{
	const struct answer answer = {
		.kind = packet->is_error ? ANSWER_ERROR : ANSWER_REPLY,
		.from = {.family = family, .len = family == AF_INET ? 32 : 128},
		.type = packet->type,
		.code = packet->code,
		.mtu = packet->mtu,
	};
	struct model *m = model_new();
	cleanup_buf struct buf text = {0};

	answer_text(&answer, m, &text);
	must(text.n > 0 && !strstr(text.s, "an error"));
	model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t family = size && *data & 1 ? AF_INET6 : AF_INET, *copy;
	struct packet packet;

	if (!size)
		return 0;
	/* A copy of just this size lets the sanitizer see any byte read beyond. */
	copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	if (packet_parse(family, copy, size - 1, &packet)) {
		if (packet.is_error)
			must(packet.to.family == family);
		tell(&packet, family);
	}
	free(copy);
	ask_and_answer(family, (uint32_t)(size * 2654435761u), size % 256);
	return 0;
}
