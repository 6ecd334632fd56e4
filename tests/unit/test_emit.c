/* SPDX-License-Identifier: MIT */
/* YAML out: scalars that any reader takes for text, and states that come back
 * as they went. */
#include "emit.h"
#include "load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static void expect_scalar(const char *text, const char *expected)
{
	struct buf out = {0};

	emit_scalar(text, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void test_scalars(void **state)
{
	(void)state;
	expect_scalar("eth0", "eth0");
	expect_scalar("net.ipv4.ip_forward", "net.ipv4.ip_forward");
	expect_scalar("10.0.0.1/24", "10.0.0.1/24");
	expect_scalar("10.0.0.1", "10.0.0.1");
	expect_scalar("fe80::1/64", "\"fe80::1/64\"");
	expect_scalar("", "\"\"");
	expect_scalar("no", "\"no\"");
	expect_scalar("Yes", "\"Yes\"");
	expect_scalar("null", "\"null\"");
	expect_scalar("1500", "\"1500\"");
	expect_scalar("1e3", "\"1e3\"");
	expect_scalar("0o17", "\"0o17\"");
	expect_scalar("1:30", "\"1:30\"");
	expect_scalar("~", "\"~\"");
	expect_scalar("<<", "\"<<\"");
	expect_scalar("a: b", "\"a: b\"");
	expect_scalar("a #b", "\"a #b\"");
	expect_scalar("say \"\\\"", "\"say \\\"\\\\\\\"\"");
	expect_scalar("a\n\tb\033", "\"a\\n\\tb\\x1b\"");
	expect_scalar("\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"");
	expect_scalar("\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\x85\\u2028\\ufeff\"");
	expect_scalar("\xf0\x9f\xbf\xbe", "\"\\U0001fffe\"");
	expect_scalar("\xff\xc3", "\"\\xff\\xc3\"");
	expect_scalar("\xed\xa0\x80", "\"\\xed\\xa0\\x80\""); /* a surrogate is no character */
}

/* libyaml reads every scalar back as it was, as a key, as a value and in a flow list. */
static void test_scalars_read_back(void **state)
{
	static const char *const texts[] = {
		"$(reboot)",
		"`x`",
		"'",
		"\"",
		"\\",
		"a,b",
		"[",
		"]",
		"{",
		"}",
		"-",
		"- a",
		"?",
		":",
		"::1",
		"!x",
		"&a",
		"*a",
		"|",
		">",
		"%",
		"@",
		"#",
		"=",
		" a",
		"a ",
		"yes",
		"0x10",
		"\033[31m",
		"\x7f",
		"\xc2\xa0",
		"\xc2\x9b",
		"\xe2\x80\xa9",
		"\xef\xbf\xbd",
		"\xf4\x8f\xbf\xbd",
		"a\r\nb",
		"---",
		"...",
		"%YAML",
		"<<",
		".inf",
		"2001-01-01",
		"1_000",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct document doc = {0};
		struct diags d = {0};
		struct buf out = {0};
		const struct node *value;

		emit_scalar(texts[i], &out);
		buf_puts(&out, ": [");
		emit_scalar(texts[i], &out);
		buf_puts(&out, "]\n");
		if (document_parse(&doc, "test", out.s, out.n, &d) < 0)
			fail_msg("%s: %s", out.s, d.list.items[0].message);
		assert_string_equal(doc.root->pairs[0].key->text, texts[i]);
		value = doc.root->pairs[0].value;
		assert_int_equal(value->n, 1);
		assert_string_equal(value->items[0]->text, texts[i]);
		assert_false(value->items[0]->null);
		document_free(&doc);
		diags_free(&d);
		buf_free(&out);
	}
}

/* --- states ---------------------------------------------------------------------------- */

static void print_problems(const struct diags *d)
{
	diags_print(d, stderr, false);
}

/* Loads text as a state and writes it again. */
static void again(const char *text, struct buf *out)
{
	struct document doc = {0};
	struct diags d = {0};
	struct model *m = NULL;

	if (document_parse(&doc, "state", text, strlen(text), &d) < 0 ||
	    load_state(doc.root, &m, &d) < 0) {
		print_problems(&d);
		fail_msg("state was refused:\n%s", text);
	}
	emit_state(m, out);
	model_free(m);
	document_free(&doc);
	diags_free(&d);
}

static const char full[] =
	"\"10\": {}\n"
	"by_path:\n"
	"  external: {path: \"/proc/1/ns/net\"}\n"
	"by_pid:\n"
	"  external: {pid: 4711}\n"
	"foo:\n"
	"  cookie: 18446744073709551615\n"
	"  forwarding: ipv6\n"
	"  sysctl:\n"
	"    net.ipv4.conf.eth0/10.rp_filter: \"2\"\n"
	"    net.ipv4.ip_local_port_range: \"1024 65535\"\n"
	"    net.ipv4.nosuch: null\n"
	"  interfaces:\n"
	"    br0:\n"
	"      kind: bridge\n"
	"      mac: \"02:00:00:00:00:01\"\n"
	"      stp: true\n"
	"      priority: 4096\n"
	"      addresses:\n"
	"        - 10.0.0.1/24\n"
	"        - {address: 10.0.1.1, peer: 10.0.1.2/30, scope: link, label: \"br0:x\"}\n"
	"        - {address: \"fd00::1/64\", dad: true}\n"
	"        - \"fe80::1/64\"\n"
	"    \"eth0\\\"\":\n"
	"      kind: veth\n"
	"      peer: \"bar:eth1\"\n"
	"      state: down\n"
	"      mtu: 9000\n"
	"      master: br0\n"
	"    nic0:\n"
	"      from: \"host:enp1s0\"\n"
	"  routes:\n"
	"      - {to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2, weight: 3}, {via: 10.0.0.3, dev: "
	"br0}]}\n"
	"      - {to: default, via: 10.0.0.254, metric: 5, proto: bird}\n"
	"      - {to: default, table: 1000, type: blackhole, family: inet}\n"
	"      - {to: default, via: \"fe80::2\", dev: br0, table: 1001, family: inet}\n"
	"      - {to: \"fd01::1\", dev: br0, src: \"fd00::1\", metric: 1024, mtu: 1280}\n"
	"      - {to: default, via: \"fd00::2\", metric: 1024, table: 1000}\n"
	"  ignore:\n"
	"    interfaces:\n"
	"      - \"tap*\"\n"
	"    routes:\n"
	"      - {proto: ospf, dev: br0}\n"
	"      - {table: 7}\n"
	"host: {}\n"
	"there:\n"
	"  external: true\n";

static void test_state(void **state)
{
	struct buf once = {0}, twice = {0};

	(void)state;
	again(full, &once);
	again(once.s, &twice);
	assert_string_equal(buf_text(&once), buf_text(&twice));
	/* nothing is lost: every line is there, if elsewhere */
	for (const char *line = full; *line;) {
		size_t n = strcspn(line, "\n");
		char *wanted = strndup(line, n);

		if (!strstr(once.s, wanted))
			fail_msg("lost: %s\n%s", wanted, once.s);
		free(wanted);
		line += n + 1;
	}
	assert_int_equal(once.n, strlen(full));
	buf_free(&once);
	buf_free(&twice);
}

/* An interface that is known to have no master: that is something to go back to. */
static void test_known_absent(void **state)
{
	struct model *m = model_new();
	struct netns *n = model_add_netns(m, "host", NETNS_HOST);
	struct link *l = netns_add_link(m, n, "eth0");
	struct buf out = {0}, twice = {0};

	(void)state;
	l->given = LINK_BIT("master");
	emit_state(m, &out);
	assert_string_equal(buf_text(&out),
			    "host:\n  interfaces:\n    eth0:\n      master: null\n");
	again(out.s, &twice);
	assert_string_equal(buf_text(&out), buf_text(&twice));
	buf_free(&out);
	buf_free(&twice);
	model_free(m);
}

static void test_empty(void **state)
{
	struct model *m = model_new();
	struct buf out = {0};

	(void)state;
	emit_state(m, &out);
	assert_string_equal(buf_text(&out), "{}\n");
	buf_free(&out);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars), cmocka_unit_test(test_scalars_read_back),
		cmocka_unit_test(test_state),	cmocka_unit_test(test_known_absent),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
