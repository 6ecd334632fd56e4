/* SPDX-License-Identifier: MIT */
/* The walk: what becomes of a check, from the file alone. What the kernel really does is held against
 * more such files (tests/predict) by tests/e2e/test_predict.py. */
#include "load.h"
#include "predict.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct predicted {
	struct document doc;
	struct diags d;
	struct model *m;
	struct predictions p;
	struct buf text;
};

static void predict_text(struct predicted *t, const char *text)
{
	*t = (struct predicted){0};
	assert_int_equal(document_parse(&t->doc, "lab.yaml", text, strlen(text), &t->d), 0);
	if (load_topology(&t->doc, &t->m, &t->d) < 0)
		diags_print(&t->d, stderr, false);
	assert_non_null(t->m);
	predict(t->m, &t->p, &t->d);
}

static void drop(struct predicted *t)
{
	predictions_free(&t->p);
	model_free(t->m);
	diags_free(&t->d);
	document_free(&t->doc);
	buf_free(&t->text);
}

static void predict_format(struct predicted *t, const char *fmt, ...) PRINTF(2, 3);
static void predict_format(struct predicted *t, const char *fmt, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	predict_text(t, buf_text(&text));
	t->text = text;
}

static void assert_check(const struct predicted *t, size_t i, enum verdict verdict, const char *why)
{
	assert_true(i < t->p.list.n);
	assert_int_equal(t->p.list.items[i].verdict, verdict);
	if (why)
		assert_string_equal(t->p.list.items[i].why, why);
	else
		assert_null(t->p.list.items[i].why);
}

static void assert_warning(const struct predicted *t, size_t i, uint32_t line, const char *text)
{
	assert_true(i < t->d.list.n);
	assert_int_equal(t->d.list.items[i].severity, SEVERITY_WARNING);
	assert_int_equal(t->d.list.items[i].mark.line, line);
	assert_string_equal(t->d.list.items[i].message, text);
}

#define THREE_IN_A_ROW(forwarding, last)                                    \
	"name: lab\n"                                                       \
	"namespaces:\n"                                                     \
	"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}},\n"              \
	"      routes: [{to: 10.0.2.0/24, via: 10.0.1.2}]}\n"               \
	"  b: {" forwarding "interfaces: {e: {addresses: [10.0.1.2/24]},\n" \
	"                    f: {addresses: [10.0.2.2/24]}}}\n"             \
	"  c: {interfaces: {e: {addresses: [10.0.2.3/24]}},\n"              \
	"      routes: [" last "]}\n"                                       \
	"links: [[a:e, b:e], [b:f, c:e]]\n"                                 \
	"checks:\n"                                                         \
	"  - {from: a, to: c:e}\n"                                          \
	"  - {from: a, to: c:e, via: [10.0.1.2]}\n"                         \
	"  - {from: a, to: c:e, via: [10.0.2.2]}\n"                         \
	"  - {from: a, to: c:e, expect: unreachable}\n"                     \
	"  - {from: a, to: c:e, protocol: tcp, port: 7}\n"                  \
	"  - {from: a, to: a:e}\n"

static void test_sound(void **state)
{
	struct predicted t;

	(void)state;
	predict_text(&t, THREE_IN_A_ROW("forwarding: true, ", "{to: default, via: 10.0.2.2}"));
	assert_int_equal(t.d.warnings, 0);
	assert_int_equal(t.p.list.n, 6);
	assert_check(&t, 0, VERDICT_HOLDS, NULL);
	assert_check(&t, 1, VERDICT_HOLDS, NULL);
	assert_check(&t, 2, VERDICT_FAILS, "hop 1 is 10.0.1.2 (b), not 10.0.2.2");
	assert_check(&t, 3, VERDICT_FAILS, "it is reached");
	assert_check(&t, 4, VERDICT_UNKNOWN,
		     "the way is there; the file does not say who listens on the port");
	assert_check(&t, 5, VERDICT_HOLDS, NULL);
	assert_int_equal(t.p.count[VERDICT_HOLDS], 3);
	drop(&t);
}

static void test_no_way_back(void **state)
{
	struct predicted t;

	(void)state;
	predict_text(&t, THREE_IN_A_ROW("forwarding: true, ", ""));
	assert_check(&t, 0, VERDICT_FAILS, "c has no route back to 10.0.1.1");
	assert_int_equal(t.p.list.items[0].cause.line, 8);
	assert_check(&t, 3, VERDICT_HOLDS, NULL);
	assert_check(&t, 4, VERDICT_FAILS, "c has no route back to 10.0.1.1");
	assert_warning(
		&t, 0, 8,
		"c has no route back to 10.0.1.1; so what a sends to 10.0.2.3 gets no answer");
	assert_int_equal(t.d.warnings, 1);
	drop(&t);
}

static void test_no_forwarding(void **state)
{
	struct predicted t;

	(void)state;
	predict_text(&t, THREE_IN_A_ROW("", "{to: default, via: 10.0.2.2}"));
	assert_check(&t, 0, VERDICT_FAILS, "b does not forward IPv4");
	assert_int_equal(t.p.list.items[0].cause.line, 5);
	assert_warning(&t, 0, 5,
		       "b does not forward IPv4, and is the gateway of a route of a: "
		       "10.0.2.0/24 via 10.0.1.2");
	assert_int_equal(t.d.warnings, 1); /* once, for both routes */
	drop(&t);
}

static void test_told(void **state)
{
	struct predicted t;

	(void)state;
	predict_text(&t, THREE_IN_A_ROW("forwarding: true, ", ""));
	predictions_tell(&t.p, &t.d);
	assert_int_equal(t.d.errors, 4);
	assert_string_equal(t.d.list.items[1].message,
			    "the check from a to c:e (10.0.2.3) will fail: c has no route back to "
			    "10.0.1.1");
	assert_string_equal(t.d.list.items[1].hint, "see line 8");
	drop(&t);
}

/* Two ways, of which one is no way: which one is taken cannot be told. */
static void test_one_of_two_ways(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}, f: {addresses: "
		"[10.0.2.1/24]}},\n"
		"      routes: [{to: 10.9.0.1, nexthops: [{via: 10.0.1.2}, {via: 10.0.2.2}]},\n"
		"               {to: 10.9.0.2, nexthops: [{via: 10.0.1.2}, {via: 10.0.2.9}]}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24]}, f: {addresses: [10.0.2.2/24]},\n"
		"                   lo: {addresses: [10.9.0.1/32, 10.9.0.2/32]}}}\n"
		"links: [[a:e, b:e], [a:f, b:f]]\n"
		"checks: [{from: a, to: 10.9.0.1}, {from: a, to: 10.9.0.2}]\n";
	struct predicted t;

	(void)state;
	predict_text(&t, lab);
	assert_check(&t, 0, VERDICT_HOLDS, NULL);
	assert_check(&t, 1, VERDICT_UNKNOWN,
		     "one of several ways fails: nobody on the network of a:f has the address "
		     "10.0.2.9");
	drop(&t);
}

/* A spanning tree cuts a circle; without one nothing can be said. */
static void assert_circle(const char *stp, enum verdict verdict, size_t warnings)
{
	cleanup_buf struct buf text = {0};
	struct predicted t;

	buf_printf(&text,
		   "name: lab\n"
		   "namespaces:\n"
		   "  a: {interfaces: {e: {addresses: [10.0.1.1/24]}}}\n"
		   "  b: {interfaces: {e: {addresses: [10.0.1.2/24]}}}\n"
		   "  s: {interfaces: {x: {kind: bridge, stp: %s, ports: [p1, p2, a]},\n"
		   "                   y: {kind: bridge, stp: %s, ports: [q1, q2, b]}}}\n"
		   "links: [[a:e, s:a], [b:e, s:b], [s:p1, s:q1], [s:p2, s:q2]]\n"
		   "checks: [{from: a, to: b:e}]\n",
		   stp, stp);
	predict_text(&t, buf_text(&text));
	assert_int_equal(t.p.list.items[0].verdict, verdict);
	assert_int_equal(t.d.warnings, warnings);
	drop(&t);
}

static void test_circle(void **state)
{
	(void)state;
	assert_circle("true", VERDICT_HOLDS, 0);
	assert_circle("false", VERDICT_UNKNOWN, 1);
}

/* Routes that a daemon is to add are not known to be missing. */
static void test_daemon(void **state)
{
	static const char lab[] = "name: lab\n"
				  "namespaces:\n"
				  "  a: {interfaces: {e: {addresses: [10.0.1.1/24]}}, ignore: "
				  "{routes: [{proto: bird}]}}\n"
				  "  b: {interfaces: {e: {addresses: [10.0.1.2/24]}}}\n"
				  "links: [[a:e, b:e]]\n"
				  "checks: [{from: a, to: b:e}, {from: a, to: 10.0.2.1}]\n";
	struct predicted t;

	(void)state;
	predict_text(&t, lab);
	assert_check(&t, 0, VERDICT_HOLDS, NULL);
	assert_check(&t, 1, VERDICT_UNKNOWN, "not all routes of a are in the file ('ignore')");
	drop(&t);
}

/* Many ways, each twice as many as before: it gives up in time. */
static void test_too_many_ways(void **state)
{
	cleanup_buf struct buf text = {0};
	struct predicted t;

	(void)state;
	buf_puts(&text, "name: lab\nnamespaces:\n");
	for (int i = 0; i <= 20; i++) {
		buf_printf(&text, "  r%d: {forwarding: true, interfaces: {lo: {}", i);
		for (int j = 1; i > 0 && j <= 2; j++)
			buf_printf(&text, ", l%d: {addresses: [10.%d.%d.2/24]}", j, i, j);
		for (int j = 1; i < 20 && j <= 2; j++)
			buf_printf(&text, ", r%d: {addresses: [10.%d.%d.1/24]}", j, i + 1, j);
		buf_puts(&text, "}, routes: [");
		if (i < 19)
			buf_printf(&text,
				   "{to: 10.20.1.0/24, nexthops: [{via: 10.%d.1.2}, "
				   "{via: 10.%d.2.2}]}",
				   i + 1, i + 1);
		buf_printf(&text, "%s", i > 0 && i < 19 ? ", " : "");
		if (i > 0)
			buf_printf(&text,
				   "{to: 10.0.0.0/8, nexthops: [{via: 10.%d.1.1}, "
				   "{via: 10.%d.2.1}]}",
				   i, i);
		buf_puts(&text, "]}\n");
	}
	buf_puts(&text, "links:\n");
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "  - [r%d:r1, r%d:l1]\n  - [r%d:r2, r%d:l2]\n", i, i + 1, i,
			   i + 1);
	buf_puts(&text, "checks: [{from: r0, to: 10.20.1.2}]\n");
	predict_text(&t, buf_text(&text));
	assert_check(&t, 0, VERDICT_UNKNOWN, "there are too many ways that it may take");
	assert_int_equal(t.d.warnings, 0);
	drop(&t);
}

/* --- warnings ------------------------------------------------------------------------------------ */

static void assert_hint(const struct predicted *t, size_t i, const char *text)
{
	assert_true(i < t->d.list.n);
	assert_string_equal(t->d.list.items[i].hint, text);
}

/* One warning is all that is said of this lab. */
static void assert_one_warning(const char *lab, unsigned line, const char *text, const char *hint)
{
	struct predicted t;

	predict_text(&t, lab);
	assert_int_equal(t.d.warnings, 1);
	assert_warning(&t, 0, line, text);
	assert_hint(&t, 0, hint);
	drop(&t);
}

/* Each is sound, however odd it looks. */
static void test_no_warnings(void **state)
{
	static const char *const labs[] = {
		/* what a default route leads to is all that there is */
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}},\n"
		"      routes: [{to: default, via: 10.0.1.2}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24]}, lo: {addresses: "
		"[10.9.0.1/32]}}}\n"
		"links: [[a:e, b:e]]\n",
		/* a daemon of b's may know the way back */
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}},\n"
		"      routes: [{to: default, via: 10.0.1.2}]}\n"
		"  r: {forwarding: true, interfaces: {e: {addresses: [10.0.1.2/24]},\n"
		"                                     f: {addresses: [10.0.2.2/24]}},\n"
		"      routes: [{to: default, via: 10.0.2.3}]}\n"
		"  b: {forwarding: true, interfaces: {e: {addresses: [10.0.2.3/24]}},\n"
		"      ignore: {routes: [{proto: bird}]}}\n"
		"links: [[a:e, r:e], [r:f, b:e]]\n",
		/* b has an address of both networks, and knows what they are */
		"namespaces:\n"
		"  s: {interfaces: {br: {kind: bridge, ports: [a, b, c]}}}\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.2/24]}}}\n"
		"  b: {interfaces: {e: {addresses: [10.0.0.1/16, 10.0.1.1/24]}}}\n"
		"  c: {interfaces: {e: {addresses: [10.0.2.2/16]}}}\n"
		"links: [[a:e, s:a], [b:e, s:b], [c:e, s:c]]\n",
		/* a's length is a host's, and its routes say how everything is reached */
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/32]}},\n"
		"      routes: [{to: 10.9.0.1, nexthops: [{via: 10.0.1.2, dev: e, onlink: true},\n"
		"                                         {via: 10.0.1.3, dev: e, onlink: "
		"true}]}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24, 10.0.1.3/24]}, lo: {addresses: "
		"[10.9.0.1/32]}}}\n"
		"links: [[a:e, b:e]]\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(labs); i++) {
		cleanup_buf struct buf text = {0};
		struct predicted t;

		buf_printf(&text, "name: lab\n%s", labs[i]);
		predict_text(&t, buf_text(&text));
		if (t.d.list.n)
			diags_print(&t.d, stderr, false);
		assert_int_equal(t.d.list.n, 0);
		drop(&t);
	}
}

/* It is on the way back that a router forwards nothing. */
static void test_no_forwarding_back(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}},\n"
		"      routes: [{to: 10.0.2.0/24, via: 10.0.1.2}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.2.9/24]}, f: {addresses: "
		"[10.0.3.9/24]}},\n"
		"      routes: [{to: 10.0.1.0/24, via: 10.0.3.1}]}\n"
		"  r: {forwarding: true, interfaces: {e: {addresses: [10.0.1.2/24]},\n"
		"                                     f: {addresses: [10.0.2.2/24]}}}\n"
		"  t: {interfaces: {e: {addresses: [10.0.3.1/24]}, f: {addresses: "
		"[10.0.1.3/24]}}}\n"
		"  s: {interfaces: {br: {kind: bridge, ports: [a, r, t]}}}\n"
		"links: [[a:e, s:a], [r:e, s:r], [r:f, b:e], [b:f, t:e], [t:f, s:t]]\n";

	(void)state;
	assert_one_warning(lab, 9,
			   "t does not forward IPv4; so what a sends to 10.0.2.9 gets no answer",
			   "add 'forwarding: true' to it, or mend the routes that lead to it");
}

/* A default route states less: only of routers on the way it is told that they know no way back. */
static void test_default_routes(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}},\n"
		"      routes: [{to: default, via: 10.0.1.2}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.9/24]}},\n"
		"      routes: [{to: default, via: 10.0.1.2}]}\n"
		"  s: {interfaces: {br: {kind: bridge, ports: [a, b, r]}}}\n"
		"  r: {forwarding: true, interfaces: {e: {addresses: [10.0.1.2/24]},\n"
		"                                     f: {addresses: [10.0.2.1/24]},\n"
		"                                     g: {addresses: [10.0.3.1/24]}},\n"
		"      routes: [{to: default, via: 10.0.2.2}]}\n"
		"  %s: {%sinterfaces: {e: {addresses: [10.0.2.2/24]%s}, g: {addresses: "
		"[10.0.3.2/24]}},\n"
		"      routes: [%s]}\n"
		"links: [[a:e, s:a], [b:e, s:b], [r:e, s:r], [r:f, '%s:e'], [r:g, '%s:g']]\n";
	cleanup_buf struct buf host = {0}, filters = {0};

	(void)state;
	/* once, though it is true of a and b */
	buf_printf(&host, lab, "host", "", "", "", "host", "host");
	assert_one_warning(
		buf_text(&host), 13,
		"the file gives host no route back to 10.0.1.1, and a default route of a leads "
		"to it",
		"the default route is in line 4");

	buf_printf(&filters, lab, "x", "forwarding: true, ", ", sysctl: {ipv4.rp_filter: 1}",
		   "{to: 10.0.1.0/24, via: 10.0.3.1}", "x", "x");
	assert_one_warning(
		buf_text(&filters), 12,
		"x:e drops what comes from 10.0.1.1: its rp_filter is on, and the way of x to "
		"10.0.1.1 is x:g; so what a sends by its default route gets no answer",
		"the route that leads there is in line 4");
}

/* --- what is not known ----------------------------------------------------------------------------- */

/* Interfaces that are there before: a bridge's stp and an MTU are not known. */
static void test_existing(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  host:\n"
		"    interfaces:\n"
		"      eth0: {addresses: [10.0.5.1/24]}\n"
		"      br0: {}\n"
		"      p1: {master: br0}\n"
		"      p2: {master: br0}\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}}}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24]}}}\n"
		"  s: {interfaces: {br: {kind: bridge, stp: true, ports: [p1, p2, a, b]}}}\n"
		"links: [[a:e, s:a], [b:e, s:b], [s:p1, 'host:p1'], [s:p2, 'host:p2']]\n"
		"checks:\n"
		"  - {from: a, to: b:e}\n"
		"  - {from: host, to: 10.0.5.9, size: 1300}\n";
	struct predicted t;

	(void)state;
	predict_text(&t, lab);
	assert_check(&t, 0, VERDICT_UNKNOWN,
		     "the network of a:e is a circle of bridges without stp");
	assert_check(&t, 1, VERDICT_UNKNOWN, "the file does not say what MTU host:eth0 has");
	drop(&t);
}

/* Its own rp_filter is off, and the one of all interfaces counts. */
static void test_rp_filter_of_all(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24]}, f: {addresses: [10.0.2.1/24]},\n"
		"                   lo: {addresses: [10.9.0.1/32]}},\n"
		"      routes: [{to: 10.9.0.2, via: 10.0.1.2, src: 10.9.0.1}]}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24]}, f: {addresses: [10.0.2.2/24]},\n"
		"                   lo: {addresses: [10.9.0.2/32]}},\n"
		"      routes: [{to: 10.9.0.1, via: 10.0.2.1}],\n"
		"      sysctl: {net.ipv4.conf.e.rp_filter: 0,\n"
		"               net.ipv4.conf.all.rp_filter: 1}}\n"
		"links: [[a:e, b:e], [a:f, b:f]]\n"
		"checks: [{from: a, to: 10.9.0.2}]\n";
	struct predicted t;

	(void)state;
	predict_text(&t, lab);
	assert_check(&t, 0, VERDICT_FAILS,
		     "b:e drops what comes from 10.9.0.1: its rp_filter is on, and the way of b to "
		     "10.9.0.1 is b:f");
	assert_int_equal(t.p.list.items[0].cause.line, 10);
	drop(&t);
}

/* Two with one hardware address behind a bridge: who gets what hangs on whom it has heard last. At the two
 * ends of a cable there is no such question. */
static void test_twins(void **state)
{
	static const char lab[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {e: {addresses: [10.0.1.1/24], mac: '02:00:00:00:00:01'}}}\n"
		"  b: {interfaces: {e: {addresses: [10.0.1.2/24], mac: '02:00:00:00:00:01'},\n"
		"                   f: {addresses: [10.0.2.2/24], mac: '02:00:00:00:00:01'}}}\n"
		"  c: {interfaces: {e: {addresses: [10.0.1.3/24]}, f: {addresses: "
		"[10.0.1.4/24]}}}\n"
		"  d: {interfaces: {f: {addresses: [10.0.2.3/24], mac: '02:00:00:00:00:01'}}}\n"
		"  s: {interfaces: {br: {kind: bridge, ports: [a, b, c, e]}}}\n"
		"links: [[a:e, s:a], [b:e, s:b], [c:e, s:c], [c:f, s:e], [b:f, d:f]]\n"
		"checks:\n"
		"  - {from: c, to: 10.0.1.1}\n"
		"  - {from: a, to: 10.0.1.3}\n"
		"  - {from: b, to: 10.0.2.3}\n"
		"  - {from: c, to: 10.0.1.4}\n";
	struct predicted t;

	(void)state;
	predict_text(&t, lab);
	assert_check(&t, 0, VERDICT_UNKNOWN, "a:e and b:e have the same hardware address");
	assert_check(&t, 1, VERDICT_UNKNOWN, "a:e and b:e have the same hardware address");
	assert_check(&t, 2, VERDICT_HOLDS, NULL);
	assert_check(&t, 3, VERDICT_HOLDS, NULL);
	assert_warning(&t, t.d.list.n - 1, 4,
		       "b:e has the hardware address of a:e, which is on the same network");
	drop(&t);
}

/* A bridge takes what is for a port of its own, but it may have the address of one itself. */
static void test_twin_of_a_port(void **state)
{
	static const struct {
		const char *port, *why;
	} cases[] = {
		{"p1: {mac: '02:00:00:00:00:01'}", "a:e and s:p1 have the same hardware address"},
		{"p2: {mac: '02:00:00:00:00:01'}", "a:e and s:p2 have the same hardware address"},
		{"p2: {mac: '02:00:00:00:00:04'}", NULL},
		{"p1: {mac: '02:00:00:00:00:04'}, p2: {mac: '02:00:00:00:00:04'}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct predicted t;

		predict_format(&t,
			       "name: lab\n"
			       "namespaces:\n"
			       "  a: {interfaces: {e: {addresses: [10.0.1.1/24], mac: "
			       "'02:00:00:00:00:01'}}}\n"
			       "  c: {interfaces: {e: {addresses: [10.0.1.3/24]}}}\n"
			       "  s: {interfaces: {br: {kind: bridge, ports: [p1, p2],\n"
			       "                        mac: '02:00:00:00:00:04',\n"
			       "                        addresses: [10.0.1.4/24]}, %s}}\n"
			       "links: [[a:e, s:p1], [c:e, s:p2]]\n"
			       "checks: [{from: c, to: 10.0.1.1}, {from: c, to: 10.0.1.4}]\n",
			       cases[i].port);
		assert_check(&t, 0, cases[i].why ? VERDICT_UNKNOWN : VERDICT_HOLDS, cases[i].why);
		assert_check(&t, 1, VERDICT_HOLDS, NULL);
		drop(&t);
	}
}

/* However many ports a bridge has that do no harm. */
static void test_twin_of_a_bridge(void **state)
{
	cleanup_buf struct buf text = {0};
	struct predicted t;

	(void)state;
	buf_puts(&text,
		 "name: lab\nnamespaces:\n"
		 "  w: {interfaces: {e: {addresses: [10.0.0.100/24], mac: '02:00:00:00:00:01'}}}\n"
		 "  z: {interfaces: {e: {addresses: [10.0.0.101/24]}}}\n"
		 "  x: {}\n"
		 "  s: {interfaces: {br: {kind: bridge, addresses: [10.0.0.1/24],\n"
		 "      mac: '02:00:00:00:00:01', ports: [w, z, p0, p1, p2, p3, p4, p5, p6, p7, "
		 "p8]}");
	for (unsigned i = 0; i < 9; i++)
		buf_printf(&text, ", p%u: {mac: '02:00:00:00:00:01'}", i);
	buf_puts(&text, "}}\nlinks: [[w:e, s:w], [z:e, s:z]");
	for (unsigned i = 0; i < 9; i++)
		buf_printf(&text, ", [x:e%u, s:p%u]", i, i);
	buf_puts(&text, "]\nchecks: [{from: z, to: 10.0.0.1}]\n");
	predict_text(&t, buf_text(&text));
	assert_check(&t, 0, VERDICT_UNKNOWN, "s:br and w:e have the same hardware address");
	drop(&t);
}

/* A gateway that nobody has is told, unless somebody may have it whom the file does not show. */
static void test_gateway_of_nobody(void **state)
{
	static const struct {
		const char *more;
		size_t warnings;
	} cases[] = {
		{"forwarding: true", 1},
		{"ignore: {interfaces: ['br-*']}", 0},
		{"processes: {vrrp: {command: [keepalived, -n]}}", 0},
		{"external: {path: /run/somewhere}", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct predicted t;

		predict_format(&t,
			       "name: lab\n"
			       "namespaces:\n"
			       "  a: {interfaces: {e: {addresses: [10.0.0.2/24]}},\n"
			       "      routes: [{to: default, via: 10.0.0.254}]}\n"
			       "  r: {interfaces: {e: {addresses: [10.0.0.1/24]}}, %s}\n"
			       "links: [[a:e, r:e]]\n",
			       cases[i].more);
		assert_int_equal(t.d.list.n, cases[i].warnings);
		if (cases[i].warnings)
			assert_warning(&t, 0, 4,
				       "nobody on the network of a:e has the address 10.0.0.254, "
				       "the gateway of a route of a: default via 10.0.0.254");
		drop(&t);
	}
}

/* Who has a whole network has each address of it; a router answers for the first of an IPv6 network. */
static void test_gateway_of_a_network(void **state)
{
	static const struct {
		const char *router, *via;
		size_t warnings;
	} cases[] = {
		{"routes: [{to: 10.0.0.128/25, type: local, dev: e}]", "10.0.0.200", 0},
		{"routes: [{to: 10.0.0.128/25, type: local, dev: e}]", "10.0.0.100", 1},
		{"routes: [{to: 10.0.0.64/26, type: local, dev: e}, "
		 "{to: 10.0.0.128/25, type: local, dev: e}]",
		 "10.0.0.100", 0},
		{"routes: [{to: 10.0.0.0/25, type: local, dev: e}]", "10.0.0.1", 0},
		{"routes: []", "2001:db8::", 0},
		{"routes: []", "2001:db8::9", 1},
		{"routes: []", "2001:db8:1::", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct predicted t;

		predict_format(
			&t,
			"name: lab\n"
			"namespaces:\n"
			"  a: {interfaces: {e: {addresses: [10.0.0.2/24, 2001:db8::2/64]}},\n"
			"      routes: [{to: default, via: '%s', onlink: true, dev: e}]}\n"
			"  r: {interfaces: {e: {addresses: [10.0.0.1/24, 2001:db8::1/64, "
			"'2001:db8:1::1/127']}}, forwarding: true, %s}\n"
			"links: [[a:e, r:e]]\n",
			cases[i].via, cases[i].router);
		assert_int_equal(t.d.list.n, cases[i].warnings);
		drop(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_no_way_back),
		cmocka_unit_test(test_no_forwarding),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_one_of_two_ways),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_too_many_ways),
		cmocka_unit_test(test_no_warnings),
		cmocka_unit_test(test_no_forwarding_back),
		cmocka_unit_test(test_default_routes),
		cmocka_unit_test(test_existing),
		cmocka_unit_test(test_rp_filter_of_all),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_twin_of_a_port),
		cmocka_unit_test(test_twin_of_a_bridge),
		cmocka_unit_test(test_gateway_of_nobody),
		cmocka_unit_test(test_gateway_of_a_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
