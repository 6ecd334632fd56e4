/* SPDX-License-Identifier: MIT */
/* veth: a cable. Both ends are made by one request and go together; what there
 * is to say about an end (peer, mtu, mac, ...) every interface can say. */
#include "kind.h"

#include <linux/if_ether.h>

const struct kind kind_veth = {
	.name = "veth",
	.help = "one end of a virtual cable; implied by an entry under links or by peer",
	.table = {.name = "veth", .help = "A virtual cable has no keys of its own."},
	.mtu = ETH_DATA_LEN,
	.is_pair = true,
};
