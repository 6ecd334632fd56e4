/* SPDX-License-Identifier: MIT */
/* The file's `checks` carried out: packets sent from inside the namespaces, and
 * what came of them. Nothing is changed by it. */
#pragma once

#include "kernel.h"

/* What came back of what was sent. */
enum answer_kind {
	ANSWER_NONE,
	ANSWER_REPLY,	/* from where it was sent to: it is reached */
	ANSWER_REFUSED, /* from there as well: nobody listens on the port */
	ANSWER_ERROR,	/* an ICMP or ICMPv6 error, from anywhere */
	ANSWER_LOCAL,	/* it was not even sent */
};

struct answer {
	enum answer_kind kind;
	struct ip from;	    /* who answered; family 0: nobody, or not known */
	uint8_t type, code; /* ANSWER_ERROR: ICMP's or ICMPv6's own */
	uint32_t mtu;	    /* what was too large for it; 0: not that, or not told */
	int error;	    /* ANSWER_LOCAL: errno */
};

struct outcome {
	const struct probe *probe;
	bool holds;
	struct answer seen; /* the last one; of what `via` is about, that it is reached */
	bool traced;
	/* Where no answer came, what follows the last hop that is known, by the route of who had the
	 * packet there: */
	struct {
		const struct netns *place; /* of who had it; NULL: not known */
		struct next_hop hop;
		bool past; /* it was there before the check began; whether it still is, who knows */
		bool ends; /* the next hop is who has the address that is asked for */
		bool returns; /* the next hop's own is back in `place` */
		int refuses;  /* it has none: errno */
	} next;
	bool limited; /* so many errors were told from there that the next ones may have been kept back */
	/* The hops that were asked for, from the first; the last one is where the way ends. */
	ARRAY(struct answer) hops;
	uint64_t time; /* microseconds that it took */
};
typedef ARRAY(struct outcome) outcomes;

/* Carries out all of m's probes, side by side. The namespaces that they start from are open, and
 * their handles are in m (probe_open()). The outcomes are in the order of the probes; their strings
 * are m's. 0, or a negative errno when it could not be carried out, told in d. */
int probe_all(struct kernel *k, const struct model *m, outcomes *ret, struct diags *d);
void outcomes_free(outcomes *o);
size_t outcomes_failed(const outcomes *o);

/* --- telling ----------------------------------------------------------------------- */

/* What was seen, in one line: "no answer". m: for the names of those who answered. */
void outcome_seen(const struct outcome *o, const struct model *m, struct buf *out);
/* What follows from that for whoever has to mend it; nothing when there is nothing to say. */
void outcome_reason(const struct outcome *o, const struct model *m, struct buf *out);
/* "10.13.37.2 (foo:eth0)", "no answer", with what it said. */
void answer_text(const struct answer *a, const struct model *m, struct buf *out);

void outcomes_text(const outcomes *o, const struct model *m, bool passed, bool color,
		   struct buf *out);
void outcomes_tap(const outcomes *o, const struct model *m, struct buf *out);
void outcomes_junit(const outcomes *o, const struct model *m, struct buf *out);
json_t *outcomes_json(const outcomes *o, const struct model *m); /* a new reference */
