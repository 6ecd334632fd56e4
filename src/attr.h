/* SPDX-License-Identifier: MIT */
/* One property, one row.
 *
 * A row (struct attr) says everything about one key of one object, and every
 * consumer walks the rows: parse, validate, diff, plan, apply, read, export,
 * JSON schema, manual. The engines that walk them are attr_types.c (value <->
 * text) and attr_wire.c (value <-> netlink); nothing else knows how a type is
 * stored. Rows are const data with designated initialisers. */
#pragma once

#include "util.h"

#include <linux/if_link.h>

/* --- values as they are stored in objects -------------------------------- */

/* An address or a prefix. family 0: not set. */
struct ip {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t len;	/* prefix length in bits */
	uint8_t bytes[16];
};
struct mac {
	uint8_t bytes[6];
	uint8_t set; /* 0: not set */
};
/* "IFNAME" or "NAMESPACE:IFNAME"; name NULL: not set, netns NULL: the same namespace. */
struct ref {
	const char *netns;
	const char *name;
};
/* An address, or an interface whose address is meant: one of them is set, or neither. */
struct target {
	struct ip ip;
	struct ref ref;
};

unsigned ip_bits(const struct ip *ip);			     /* 32 or 128 */
int ip_compare(const struct ip *a, const struct ip *b);	     /* family, bytes, length */
bool ip_contains(const struct ip *net, const struct ip *ip); /* is ip inside net? */
struct ip ip_network(const struct ip *ip);		     /* host bits cleared */
bool ip_is_link_local(const struct ip *ip);		     /* fe80::/10 */
/* The link-local address that the kernel makes of a MAC (RFC 4291, appendix A). */
struct ip ip_of_mac(const struct mac *mac);
/* "10.0.0.1" and, with_len, "10.0.0.1/24". 0 or -EINVAL. */
int ip_parse(const char *text, bool with_len, struct ip *ret_ip);
#define IP_TEXT_MAX 50
const char *ip_format(const struct ip *ip, bool with_len, char buf[static IP_TEXT_MAX]);

/* --- rows ------------------------------------------------------------------ */

enum attr_type {
	/* Stored as uint32_t. */
	ATTR_BOOL,
	ATTR_UINT,	  /* min..max */
	ATTR_CHOICE,	  /* one of choices */
	ATTR_DURATION,	  /* microseconds, written with a unit: 5s, 500ms; min..max */
	ATTR_NUMBER_NAME, /* min..max, or a name from names */
	/* Stored as const char *, NULL when not set. */
	ATTR_TEXT,
	ATTR_IFNAME,
	ATTR_NETNS, /* a namespace's name */
	/* Stored as the struct of the same name. */
	ATTR_REF,
	ATTR_MAC,
	ATTR_ADDRESS, /* struct ip: an address; a length may be left out where ATTR_LEN_OPTIONAL */
	ATTR_PREFIX,  /* struct ip: ADDRESS/LEN */
	ATTR_TARGET,  /* an address or NAMESPACE:IFNAME */
	/* Not scalars: the loader has a function for each such row. `of` is the
	 * table of what is inside (NULL: free-form), for the schema and the manual. */
	ATTR_OBJECT,
	ATTR_LIST,
	ATTR_MAP,
};

/* How a value travels in a netlink attribute. */
enum wire {
	WIRE_NONE, /* not by this engine: by code that knows the object */
	WIRE_U8,
	WIRE_U16,
	WIRE_U32,
	WIRE_BE16,
	WIRE_BE32,
	WIRE_STRING,
	WIRE_BYTES, /* struct mac, struct ip: its bytes */
	WIRE_FLAG,  /* presence is the value */
};

enum attr_flags {
	ATTR_IDENTITY = 1 << 0, /* says which object it is: never differs */
	ATTR_REQUIRED = 1 << 1,
	ATTR_CREATE_ONLY = 1 << 2,    /* cannot change in place: the object is replaced */
	ATTR_READ_ONLY = 1 << 3,      /* shown, never set */
	ATTR_AUTOMATIC = 1 << 4,      /* the kernel's to choose when absent: then not compared */
	ATTR_SECRET = 1 << 5,	      /* never printed */
	ATTR_REFERENCE = 1 << 6,      /* names another interface: that one comes first */
	ATTR_DEFAULT_OK = 1 << 7,     /* ATTR_PREFIX: "default" is a value */
	ATTR_LEN_OPTIONAL = 1 << 8,   /* ATTR_PREFIX: a bare address is a host's prefix */
	ATTR_SHORTHAND = 1 << 9,      /* the object may be written as this row's scalar alone */
	ATTR_LIST_OF_NAMES = 1 << 10, /* ATTR_LIST: of plain interface names or texts */
	ATTR_AS_FOUND =
		1 << 11, /* what the kernel was found to have, within a file's bounds or not */
	ATTR_LIST_OF_TARGETS = 1 << 12, /* ATTR_LIST: of values of ATTR_TARGET */
};

struct choice {
	const char *name;
	uint32_t value;
};

/* Where names for numbers come from: built in, then iproute2's files. */
enum names { NAMES_NONE, NAMES_TABLE, NAMES_PROTO, NAMES_SCOPE };

struct attr {
	const char *key;
	const char *help; /* one line, without a full stop */
	const char *unit; /* "seconds", "bytes"; for the manual */
	const char *ip;	  /* iproute2's word where it is not the key */
	enum attr_type type;
	uint32_t flags;
	uint32_t min, max;
	uint32_t
		initial; /* what the kernel does when the key is absent (uint32_t types; others: unset) */
	enum names names;
	const struct choice *choices; /* ends with a NULL name */
	const struct attr_table *of;
	uint16_t offset; /* of the value in its object; set by FIELD_* below */
	uint16_t nla;	 /* netlink attribute */
	enum wire wire;
	uint16_t scale; /* the wire carries value * scale; 0 means 1 */
};

struct attr_table {
	const char *name; /* "bridge": singular, for messages and the manual */
	const char *help;
	const struct attr *rows;
	size_t n; /* at most 64: masks are uint64_t */
};

/* FIELD_U32(struct link, mtu): .offset, with the member's type checked. */
#define FIELD_(s, f, t)                                                              \
	.offset = (uint16_t)(offsetof(s, f) +                                        \
			     0 * sizeof(char[_Generic(((s *)NULL)->f, t : 1, default \
						      : -1)]))
#define FIELD_U32(s, f) FIELD_(s, f, uint32_t)
#define FIELD_TEXT(s, f) FIELD_(s, f, const char *)
#define FIELD_IP(s, f) FIELD_(s, f, struct ip)
#define FIELD_MAC(s, f) FIELD_(s, f, struct mac)
#define FIELD_REF(s, f) FIELD_(s, f, struct ref)
#define FIELD_TARGET(s, f) FIELD_(s, f, struct target)

/* Index of the row with that key, or -1. */
int attr_find(const struct attr_table *t, const char *key);
/* The mask bit of a key that is known to exist (asserted). */
uint64_t attr_find_bit(const struct attr_table *t, const char *key);
/* The same for a key that is written out: it is looked for once at each place. */
#define attr_bit(table, key)                                 \
	((uint64_t)({                                        \
		static uint64_t bit_of_key_;                 \
		attr_known_bit(table, "" key, &bit_of_key_); \
	}))
static inline uint64_t attr_known_bit(const struct attr_table *t, const char *key, uint64_t *known)
{
	uint64_t bit = __atomic_load_n(known, __ATOMIC_RELAXED); /* by several threads */

	if (!bit) {
		bit = attr_find_bit(t, key);
		__atomic_store_n(known, bit, __ATOMIC_RELAXED);
	}
	return bit;
}
static inline bool attr_is_scalar(const struct attr *row)
{
	return row->type < ATTR_OBJECT;
}

/* Parses text into the row's field of object; strings go to the arena.
 * On failure returns -EINVAL or -ERANGE and a message and (maybe) a hint, both
 * allocated in the arena, in the words "mtu must be ...". */
int attr_parse(const struct attr *row, const char *text, void *object, struct arena *arena,
	       const char **ret_why, const char **ret_hint);
/* Is this one of the row's values? */
bool attr_accepts(const struct attr *row, const char *text);
/* Appends the value as the file would write it. Unset values append nothing. */
void attr_format(const struct attr *row, const void *object, struct buf *out);
bool attr_equal(const struct attr *row, const void *a, const void *b);
/* Is the value what the kernel does when the key is absent? */
bool attr_is_initial(const struct attr *row, const void *object);
/* Copies a scalar's value; strings are shared. */
void attr_copy(const struct attr *row, const void *from, void *to);
/* Writes the initial values of all scalar rows that are not in `given`. */
void attr_fill(const struct attr_table *t, void *object, uint64_t given);
/* Of all rows, where the object is all zeros still. */
void attr_fill_new(const struct attr_table *t, void *object);

/* Which rows of `want` differ from what is live? Identity and structural rows
 * never do. A row that is automatic and not in want_given does not, nor does one
 * that is absent from both want_given and compare_all. What the kernel did not report
 * (not in have_given) counts as having its initial value. */
uint64_t attr_differences(const struct attr_table *t, const void *want, uint64_t want_given,
			  const void *have, uint64_t have_given, bool compare_all);

/* "rt_tables": the file of iproute2 that has the names; "" for NAMES_NONE. */
const char *names_file(enum names names);
/* The number behind a name of rt_tables, rt_protos or rt_scopes; false when there is none. */
bool names_lookup(enum names names, const char *text, uint32_t *ret_number);
/* The built-in name of a number, or NULL. */
const char *names_name(enum names names, uint32_t number);
