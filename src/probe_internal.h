/* SPDX-License-Identifier: MIT */
/* What the files probe*.c share. */
#pragma once

#include "probe.h"

/* --- packets (probe_packet.c) -------------------------------------------------------- */

/* An ICMP or ICMPv6 message, as far as it concerns us. */
struct packet {
	bool is_error;	    /* else an echo reply */
	uint8_t type, code; /* of an error */
	uint32_t mtu;	    /* of an error: what was too large for it */
	uint32_t token;	    /* of an echo reply, or of the request that an error is about */
	/* of an error, what it is about */
	uint8_t protocol; /* IPPROTO_* */
	struct ip to;
	uint16_t source_port, port;
};

#define ECHO_HEADER 8
/* Writes an echo request of `size` bytes of payload; returns how many bytes it is. */
size_t packet_echo(uint8_t family, uint32_t token, size_t size, uint8_t *out);
/* The payload of a probe. */
void packet_fill(uint8_t *out, size_t size);
/* What a raw socket hands out: with the IP header for IPv4, without for IPv6. false: it is not for
 * us. */
bool packet_parse(uint8_t family, const uint8_t *data, size_t n, struct packet *ret);
/* The link of the file that has this address; NULL: none, or not it alone. */
const struct link *probe_only_owner(const struct model *m, const struct ip *ip);
/* The last hop that answered; NULL: none. */
const struct answer *probe_last_known(const struct outcome *o);
/* Did a packet's time to live run out? */
bool answer_is_transit(const struct answer *a);

/* --- sockets (probe_socket.c) -------------------------------------------------------- */

/* So many errors a router tells the same address at once, then one a second (net.ipv4.icmp_ratelimit; the
 * burst is XRLIM_BURST_FACTOR in net/ipv4/icmp.c). */
#define ERRORS_AT_ONCE 6
#define BUFFER_SIZE 65536
#define PORT_BUCKETS 256
#define TTL_DEFAULT (-1)

enum event_kind { SOURCE_EAR, SOURCE_TRIAL };

/* What epoll tells of; the first member of it. */
struct event_source {
	enum event_kind kind;
};

struct trial;

/* An echo request that was sent. */
struct shot {
	struct trial *trial;
	uint32_t hop; /* its time to live; 0: all of the way */
};

/* A raw ICMP or ICMPv6 socket in a namespace, which sends echo requests and hears the answers to
 * whatever is sent from there. A ping socket would take no privilege, but the kernel lets nobody
 * have one in a new namespace (net.ipv4.ping_group_range). */
struct ear {
	struct event_source source;
	const struct netns *netns;
	uint8_t family;
	int fd;		   /* -1: closed */
	int ttl, fragment; /* as they are set */
	uint16_t id;	   /* of the first 65536 requests */
	ARRAY(struct shot) shots;
	size_t users;
	const struct trial *tracing; /* the one that asks the hops for its `via` */
	size_t diagnoses;	     /* how many have asked them for what did not answer */
	size_t errors;		     /* of ERRORS_AT_ONCE: those that were heard */
	struct trial *ports[PORT_BUCKETS];
};

struct trial {
	struct event_source source;
	const struct probe *probe;
	struct outcome *outcome;
	enum phase { PHASE_WAITING, PHASE_TRYING, PHASE_QUEUED, PHASE_TRACING, PHASE_DONE } phase;
	struct ear *ear;
	int fd;			  /* tcp, udp; -1: none */
	uint16_t port;		  /* its own; 0: none */
	struct trial *next_port;  /* in ear->ports */
	uint64_t start, deadline; /* of the trying */
	bool replied;
	bool answered;	     /* whatever it was, since the last try */
	uint64_t asked;	     /* since when no reply has come to what was sent; 0: it has */
	uint64_t again;	     /* when something is to be sent again */
	uint64_t pause;	     /* before that */
	uint64_t until;	     /* of the trace: when to wait no longer */
	uint64_t connecting; /* tcp: since when */
	size_t window;	     /* of the trace: the first hop that is being asked */
};

struct probing {
	struct kernel *kernel;
	const struct model *model;
	struct diags *d;
	int epoll;
	uint64_t now; /* microseconds */
	uint64_t due; /* when the first of the trials has something to do */
	ARRAY(struct trial) trials;
	ARRAY(struct ear *) ears; /* open ones, and closed ones until the events are dealt with */
	size_t waiting;		  /* the first trial that has not begun */
	size_t running;
	uint8_t *buffer; /* BUFFER_SIZE bytes */
};

/* The ear of the trial's namespace and family, opened if need be. */
int ear_find(struct probing *p, const struct probe *probe, struct ear **ret_ear);
void ear_release(struct ear *ear);
void ears_sweep(struct probing *p, bool all); /* frees those that are closed */
/* Sends an echo request with so many hops to live. A negative errno when it was not sent. */
int ear_shoot(struct probing *p, struct ear *ear, struct trial *t, uint32_t hop);
/* Hands over what has come. */
void ear_listen(struct probing *p, struct ear *ear);

/* Sends a datagram, or begins a connection. 0, or a negative errno. */
int trial_send(struct probing *p, struct trial *t);
/* What has come on the trial's own socket. */
void trial_receive(struct probing *p, struct trial *t);
void trial_close(struct trial *t);
/* What the trial's packets may be as a whole from here on, by the route; 0: not known. */
uint32_t trial_mtu(struct probing *p, const struct trial *t);

/* --- the course of a trial (probe.c, probe_trace.c) ------------------------------------ */

/* Something has answered; hop 0: to what went all of the way. */
void trial_heard(struct probing *p, struct trial *t, uint32_t hop, const struct answer *a);
void trial_finish(struct probing *p, struct trial *t, bool holds);
/* It is tried anew when it is time. */
void trial_again(struct probing *p, struct trial *t);
/* It is to be looked at then. */
void probing_wake(struct probing *p, uint64_t when);

void trace_begin(struct probing *p, struct trial *t);
void trace_heard(struct probing *p, struct trial *t, uint32_t hop, const struct answer *a);
void trace_look(struct probing *p, struct trial *t);
