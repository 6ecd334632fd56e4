/* SPDX-License-Identifier: MIT */
/* Model -> YAML, by walking the rows. One line for each thing, never folded; the
 * same model gives the same bytes. Only rows that are set are written, and what
 * says which object it is.
 *
 * Strings are written so that no reader of YAML 1.1 or 1.2 takes them for
 * anything else. YAML holds no bytes that are not UTF-8: those are shown
 * as \xNN, which is a character and not the byte again; a name from a file
 * never has any. */
#include "emit.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* --- scalars --------------------------------------------------------------------- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A word that is text to every reader, and means nothing in a flow collection. */
static bool is_plain_word(const char *s)
{
	static const char *const taken[] = {"y",     "n",  "yes", "no",	 "true",
					    "false", "on", "off", "null"};

	if (!is_letter(*s))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (!strcasecmp(s, taken[i]))
			return false;
	for (; *s; s++)
		if (!is_letter(*s) && !strchr("0123456789_./-", *s))
			return false;
	return true;
}

static bool is_ipv4(const char *s)
{
	struct ip ip;

	return ip_parse(s, strchr(s, '/'), &ip) == 0 && ip.family == AF_INET;
}

/* Decodes one character of UTF-8; 0: not one. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = size == 1 ? s[0] : (uint32_t)(s[0] & (0x7f >> size));

	if (!size || s[0] > 0xf4 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return size;
}

/* May it stand in a double-quoted scalar as it is? YAML 1.1 section 5.1, less the line breaks. */
static bool is_printable(uint32_t c)
{
	if (c < 0xa0)
		return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
	return c != 0x2028 && c != 0x2029 && c != 0xfeff && (c & 0xfffe) != 0xfffe;
}

static void emit_escape(uint32_t c, struct buf *out)
{
	if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", (int)c);
	else if (c == '\n')
		buf_puts(out, "\\n");
	else if (c == '\t')
		buf_puts(out, "\\t");
	else if (c < 0x100)
		buf_printf(out, "\\x%02x", c);
	else if (c < 0x10000)
		buf_printf(out, "\\u%04x", c);
	else
		buf_printf(out, "\\U%08x", c);
}

void emit_scalar(const char *text, struct buf *out)
{
	size_t left = strlen(text);

	if (is_plain_word(text) || is_ipv4(text)) {
		buf_puts(out, text);
		return;
	}
	buf_putc(out, '"');
	while (left) {
		uint32_t c = (unsigned char)*text;
		size_t n = decode((const unsigned char *)text, left, &c);

		if (n && is_printable(c))
			buf_add(out, text, n);
		else
			emit_escape(c, out);
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	buf_putc(out, '"');
}

/* --- rows ------------------------------------------------------------------------- */

/* The value of a row; what is a number or a word to the row is written bare. */
static void emit_value(const struct attr *row, const void *object, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	attr_format(row, object, &text);
	if (row->type > ATTR_NUMBER_NAME && attr_is_initial(row, object))
		buf_puts(out, "null"); /* known to be unset: an interface without a master */
	else if (row->type <= ATTR_CHOICE)
		buf_puts(out, buf_text(&text));
	else if (row->type == ATTR_NUMBER_NAME && text.n && text.s[0] >= '0' && text.s[0] <= '9')
		buf_puts(out, text.s);
	else
		emit_scalar(buf_text(&text), out);
}

static bool is_written(const struct attr *row, bool given, const void *object)
{
	if (!attr_is_scalar(row) || row->offset == UINT16_MAX)
		return false;
	return given || (row->flags & ATTR_IDENTITY && !attr_is_initial(row, object));
}

/* "key: value, key: value", for inside of { }. */
static void emit_flow(const struct attr_table *t, const void *object, uint64_t given,
		      struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < t->n; i++) {
		if (!is_written(&t->rows[i], given >> i & 1, object))
			continue;
		buf_printf(out, first ? "%s: " : ", %s: ", t->rows[i].key);
		emit_value(&t->rows[i], object, out);
		first = false;
	}
}

/* "key: value", a line each. */
static void emit_block(const struct attr_table *t, const void *object, uint64_t given,
		       struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!is_written(&t->rows[i], given >> i & 1, object))
			continue;
		buf_printf(out, "      %s: ", t->rows[i].key);
		emit_value(&t->rows[i], object, out);
		buf_putc(out, '\n');
	}
}

/* --- addresses and routes ---------------------------------------------------------- */

static void emit_address(const struct address *a, struct buf *out)
{
	const uint64_t address = attr_bit(&address_table, "address");
	const struct found_address *found = address_found(a);
	uint64_t given = a->given & ~address;
	char text[IP_TEXT_MAX];

	buf_puts(out, "        - ");
	if (!given && !found->given) {
		emit_scalar(ip_format(&a->address, true, text), out);
		buf_putc(out, '\n');
		return;
	}
	buf_puts(out, "{address: ");
	/* With a peer the length is the peer's, and stands there. */
	emit_scalar(ip_format(&a->address, !a->peer.family, text), out);
	for (size_t i = 0; i < address_table.n; i++) {
		const struct attr *row = &address_table.rows[i];

		if (!(given >> i & 1) || !is_written(row, true, a))
			continue;
		buf_printf(out, ", %s: ", row->key);
		emit_value(row, a, out);
	}
	if (found->given) {
		buf_puts(out, ", ");
		emit_flow(&found_address_table, found, found->given, out);
	}
	buf_puts(out, "}\n");
}

/* Do src or via, as they are written, tell the family of a default route? */
static bool family_shows(const struct route *r)
{
	if (r->given & attr_bit(&route_table, "src") && r->src.family)
		return r->src.family == r->to.family;
	return r->given & attr_bit(&route_table, "via") && r->via.family == r->to.family;
}

static void emit_route(const struct route *r, struct buf *out)
{
	const uint64_t family = attr_bit(&route_table, "family");
	struct route written = *r;
	uint64_t given = r->given & ~family;

	written.family = 0;
	if (!r->to.len && !family_shows(r)) {
		written.family = r->to.family;
		given |= family;
	}
	buf_puts(out, "      - {");
	emit_flow(&route_table, &written, given, out);
	if (r->nexthops.n) {
		buf_puts(out, ", nexthops: [");
		array_each(&r->nexthops, hop) {
			buf_puts(out, hop == r->nexthops.items ? "{" : ", {");
			emit_flow(&nexthop_table, hop, hop->given, out);
			buf_putc(out, '}');
		}
		buf_putc(out, ']');
	}
	if (r->found) {
		buf_puts(out, ", ");
		emit_flow(&found_route_table, r, UINT64_MAX, out);
	}
	buf_puts(out, "}\n");
}

/* --- interfaces and namespaces ------------------------------------------------------ */

static void emit_link(const struct link *l, struct buf *out)
{
	const char *kind = l->kind ? l->kind->name : l->kind_name;
	cleanup_buf struct buf body = {0};
	address_list addresses = link_ranked_addresses(l);
	/* However a cable was written, it is its ends' to tell. */
	uint64_t given = l->given & ~(LINK_BIT("peer") | LINK_BIT("from"));

	given |= (l->peer.name ? LINK_BIT("peer") : 0) | (l->from.name ? LINK_BIT("from") : 0);
	if (kind && *kind) {
		buf_puts(&body, "      kind: ");
		emit_scalar(kind, &body);
		buf_putc(&body, '\n');
	}
	if (l->index)
		buf_printf(&body, "      index: %u\n", l->index);
	if (l->away) {
		if (l->home)
			buf_printf(&body, "      home: %u\n", l->home);
		buf_printf(&body, "      away: %u\n", l->away);
		if (l->lower)
			buf_printf(&body, "      lower: %u\n", l->lower);
	}
	emit_block(&link_table, l, given, &body);
	if (l->kind && l->data)
		emit_block(&l->kind->table, l->data, l->kind_given, &body);
	if (l->addresses.n)
		buf_puts(&body, "      addresses:\n");
	array_each(&addresses, a)
		emit_address(*a, &body);
	ranked_addresses_free(l, &addresses);
	buf_puts(out, "    ");
	emit_scalar(l->name, out);
	buf_puts(out, body.n ? ":\n" : ": {}\n");
	buf_puts(out, buf_text(&body));
}

static void emit_external(const struct netns *n, struct buf *out)
{
	switch (n->class) {
	case NETNS_OWNED:
	case NETNS_HOST: /* by its name */
		break;
	case NETNS_NAMED:
		buf_puts(out, "  external: true\n");
		break;
	case NETNS_PID:
		buf_printf(out, "  external: {pid: %u}\n", n->pid);
		break;
	case NETNS_PATH:
		buf_puts(out, "  external: {path: ");
		emit_scalar(n->path ? n->path : "", out);
		buf_puts(out, "}\n");
		break;
	}
}

static void emit_sysctls(const struct netns *n, struct buf *out)
{
	if (n->sysctls.n)
		buf_puts(out, "  sysctl:\n");
	array_each(&n->sysctls, s) {
		cleanup_buf struct buf name = {0};

		sysctl_name((*s)->path, &name);
		buf_puts(out, "    ");
		emit_scalar(buf_text(&name), out);
		buf_puts(out, ": ");
		if ((*s)->missing || !(*s)->value) /* there was no such file */
			buf_puts(out, "null");
		else
			emit_scalar((*s)->value, out);
		buf_putc(out, '\n');
	}
}

static void emit_ignore(const struct netns *n, struct buf *out)
{
	if (!n->ignore_links.n && !n->ignore_routes.n)
		return;
	buf_puts(out, "  ignore:\n");
	if (n->ignore_links.n)
		buf_puts(out, "    interfaces:\n");
	array_each(&n->ignore_links, glob) {
		buf_puts(out, "      - ");
		emit_scalar(*glob, out);
		buf_putc(out, '\n');
	}
	if (n->ignore_routes.n)
		buf_puts(out, "    routes:\n");
	array_each(&n->ignore_routes, r) {
		buf_puts(out, "      - {");
		emit_flow(&ignore_route_table, r, r->given, out);
		buf_puts(out, "}\n");
	}
}

static void emit_netns(const struct netns *n, struct buf *out)
{
	const struct attr *forwarding = &netns_table.rows[attr_find(&netns_table, "forwarding")];

	emit_external(n, out);
	if (n->cookie)
		buf_printf(out, "  cookie: %llu\n", (unsigned long long)n->cookie);
	if (n->forwarding_given) {
		buf_puts(out, "  forwarding: ");
		emit_value(forwarding, n, out);
		buf_putc(out, '\n');
	}
	emit_sysctls(n, out);
	if (n->links.n)
		buf_puts(out, "  interfaces:\n");
	array_each(&n->links, l)
		emit_link(*l, out);
	if (n->routes.n)
		buf_puts(out, "  routes:\n");
	array_each(&n->routes, r)
		emit_route(*r, out);
	emit_ignore(n, out);
}

void emit_state(const struct model *m, struct buf *out)
{
	if (!m->namespaces.n)
		buf_puts(out, "{}\n");
	array_each(&m->namespaces, n) {
		cleanup_buf struct buf body = {0};

		emit_netns(*n, &body);
		emit_scalar((*n)->name, out);
		buf_puts(out, body.n ? ":\n" : ": {}\n");
		buf_puts(out, buf_text(&body));
	}
}

/* --- processes ---------------------------------------------------------------------- */

static void emit_process(const struct process *p, struct buf *out)
{
	const uint64_t scalars = p->given & ~attr_bit(&process_table, "ready");

	buf_puts(out, "- {namespace: ");
	emit_scalar(p->netns, out);
	buf_puts(out, ", name: ");
	emit_scalar(p->name, out);
	buf_printf(out, ", pid: %u, started: \"%llu\", space: \"%llu\", %scommand: [", p->pid,
		   (unsigned long long)p->started, (unsigned long long)p->space,
		   p->ends ? "ends: true, " : "");
	array_each(&p->command, word) {
		buf_puts(out, word == p->command.items ? "" : ", ");
		emit_scalar(*word, out);
	}
	buf_puts(out, p->env.n ? "], env: {" : "]");
	array_each(&p->env, v) {
		buf_puts(out, v == p->env.items ? "" : ", ");
		emit_scalar(v->name, out);
		buf_puts(out, ": ");
		emit_scalar(v->value, out);
	}
	buf_puts(out, p->env.n ? "}" : "");
	for (size_t i = 0; i < process_table.n; i++) {
		const struct attr *row = &process_table.rows[i];

		if (!is_written(row, scalars >> i & 1, p))
			continue;
		buf_printf(out, ", %s: ", row->key);
		emit_value(row, p, out);
	}
	buf_puts(out, "}\n");
}

void emit_started(const struct model *m, struct buf *out)
{
	array_each(&m->processes, p)
		emit_process(*p, out);
}
