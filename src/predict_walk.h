/* SPDX-License-Identifier: MIT */
/* A walk, as predict_walk.c and predict_hop.c share it. */
#pragma once

#include "predict_internal.h"

struct step {
	const struct nic *in;
};
struct packet {
	struct ip src; /* family 0: to be chosen */
	struct ip dst;
	uint32_t size;
	bool whole;
};
struct walk {
	const struct question *q;
	struct world *w;
	struct packet packet;
	const struct place *origin; /* of this packet */
	ARRAY(struct step) steps;
	size_t begin;	 /* those of this packet begin here */
	size_t requests; /* back: the first ones, of the request */
	bool back, one_way, hairpin;
	size_t left; /* of the patience */
	/* It is lost if it does not get on here, or else further on; that it arrives is not known. */
	const struct cause *doubt;
	struct tally *tally;
};

/* It does not get on. */
void walk_lose(struct walk *walk, struct cause why);
/* It is answered, unless there is a doubt. */
void walk_reach(struct walk *walk);
/* Sends walk->packet from there. */
void walk_from(struct walk *walk, struct place *p);
/* predict_hop.c: answered, after so many routers on the way out: the ones that the check states? */
void walk_answered(struct walk *walk, size_t routers);
