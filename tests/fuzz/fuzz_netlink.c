/* SPDX-License-Identifier: MIT */
/* Any bytes as the kernel's answers: acks and refusals with their texts, dumps of links, addresses
 * and routes, notifications. What was read is planned with and printed.
 *
 * The first byte chooses what is asked, the rest is what comes back (fake_kernel.h). */
#include "emit.h"
#include "fake_kernel.h"
#include "fuzz.h"
#include "load.h"
#include "plan.h"

#include <string.h>

enum { ASK_CHANGES = 1, ASK_INDEX = 2, ASK_WAIT = 4, ASK_STATE = 8 };

static const char topology[] =
	"name: lab\n"
	"namespaces:\n"
	"  host:\n"
	"    interfaces: {br0: {kind: bridge, stp: true, ports: [e0]}}\n"
	"    sysctl: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}\n"
	"  a:\n"
	"    interfaces:\n"
	"      e0: {mtu: 1400, addresses: [10.0.0.1/24, 'fd00::1/64']}\n"
	"      e1: {addresses: [{address: 10.1.0.1, peer: 10.1.0.2/32, label: 'e1:x'}]}\n"
	"    routes:\n"
	"      - {to: default, nexthops: [{via: 10.0.0.2}, {via: 'fd00::2', dev: e0}]}\n"
	"      - {to: 'fd01::/64', via: 'fd00::2', mtu: 1300}\n"
	"links:\n"
	"  - [host:e0, a:e0]\n"
	"  - [a:e1, a:e2]\n";

static struct model *load(struct document *doc)
{
	struct model *m = NULL;
	struct diags d = {0};

	if (document_parse(doc, "lab.yaml", topology, strlen(topology), &d) < 0 ||
	    load_topology(doc, &m, &d) < 0) {
		diags_print(&d, stderr, false);
		abort();
	}
	diags_free(&d);
	array_each(&m->namespaces, n)
		(*n)->handle = (*n)->class == NETNS_HOST ? HANDLE_HOST : 1;
	return m;
}

static void ask_changes(struct kernel *k, const struct model *m, struct diags *d)
{
	refusals refused = {0};

	array_each(&m->namespaces, n) {
		array_each(&(*n)->links, l) {
			const struct link *peer = link_peer(m, *l);

			if (link_is_made(*l) && (!peer || *l < peer))
				kernel_link_add(k, *l, peer, true, *l);
			array_each(&(*l)->addresses, a)
				kernel_address_add(k, *a, false, *a);
		}
		array_each(&(*n)->routes, r)
			kernel_route_add(k, *n, *r, true, *r);
	}
	kernel_flush(k, &refused, d);
	array_each(&refused, r) {
		/* as for a line of text */
		if (!memchr(r->text, '\0', sizeof(r->text)))
			abort();
	}
	array_free(&refused);
}

static void wait_for(struct kernel *k, const struct model *m)
{
	const struct patience patience = {.ms = 1, .stop = -1};
	ARRAY(struct awaited) items = {0};

	array_each(&m->namespaces, n)
		array_each(&(*n)->links, l) {
			(*l)->index = (uint32_t)items.n + 1;
			*array_push(&items) = (struct awaited){
				.what = items.n % 2 ? AWAIT_GONE : AWAIT_LINK, .link = *l};
			array_each(&(*l)->addresses, a)
				if ((*a)->address.family == AF_INET6)
					*array_push(&items) = (struct awaited){
						.what = AWAIT_ADDRESS, .link = *l, .address = *a};
		}
	kernel_wait(k, items.items, items.n, &patience);
	array_free(&items);
}

static void ask_state(struct kernel *k, struct model *m, struct diags *d)
{
	const struct plan_options how = {.adopt = true};
	struct plan *plan = NULL;
	struct model *live;
	cleanup_buf struct buf out = {0};

	if (kernel_read(k, m, true, NULL, &live, d) < 0)
		return;
	emit_state(live, &out);
	if (plan_make(live, m, NULL, &how, &plan, d) >= 0) {
		plan_print_text(plan, &out, false);
		plan_print_ip(plan, &out);
		json_decref(plan_json(plan, "lab"));
	}
	plan_free(plan);
	model_free(live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct document doc;
	struct diags d = {0};
	struct kernel *k;
	struct model *m;

	if (!size)
		return 0;
	m = load(&doc);
	k = fake_kernel_open(data + 1, size - 1);
	if (data[0] & ASK_CHANGES)
		ask_changes(k, m, &d);
	if (data[0] & ASK_INDEX)
		kernel_learn_index(k, m->namespaces.items[0]->links.items[0], &d);
	if (data[0] & ASK_WAIT)
		wait_for(k, m);
	if (data[0] & ASK_STATE)
		ask_state(k, m, &d);
	json_decref(diags_json(&d));
	fake_kernel_close(k);
	model_free(m);
	document_free(&doc);
	diags_free(&d);
	return 0;
}
