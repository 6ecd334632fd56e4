/* SPDX-License-Identifier: MIT */
/* The course of all checks: one loop over what comes in and over time.
 *
 * A trial sends, and sends again, until what is stated holds or its time is up.
 * Then, where `via` says which hops there are to be, or where no answer came, the
 * hops are asked for (probe_trace.c). Trials begin at once, as long as there are
 * files to be opened; then one begins when another ends.
 *
 * What is to be reached may be so a moment later (a port that is not forwarding
 * yet, a service that starts): no refusal is final before the time is up. What is
 * not to be reached must be refused, or must have been silent for a while. */
#include "probe_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* Microseconds between one packet and the next: twice as long each time. */
#define AGAIN_MIN 100000
#define AGAIN_MAX 1000000
/* After which there is nobody: a neighbour that did not hear is asked again after a second
 * (net.ipv4.neigh.default.retrans_time_ms). */
#define SILENCE 1500000
#define EVENTS 64

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void probing_wake(struct probing *p, uint64_t when)
{
	if (when < p->due)
		p->due = when;
}

void trial_finish(struct probing *p, struct trial *t, bool holds)
{
	struct ear *ear = t->ear;

	t->outcome->holds = holds;
	t->outcome->limited = ear->errors >= ERRORS_AT_ONCE;
	t->outcome->time = clock_now() - t->start; /* p->now may be of before the packet went out */
	t->phase = PHASE_DONE;
	trial_close(t);
	if (ear->tracing == t)
		ear->tracing = NULL;
	probing_wake(p, p->now); /* others may wait for that */
	ear->users--;
	ear_release(ear);
	p->running--;
}

void trial_again(struct probing *p, struct trial *t)
{
	if (t->ear->tracing == t)
		t->ear->tracing = NULL;
	t->phase = PHASE_TRYING;
	t->again = p->now + t->pause;
	probing_wake(p, p->now); /* others may wait for that */
}

/* --- what was heard ---------------------------------------------------------------------- */

static bool is_to_be_reached(const struct trial *t)
{
	return t->probe->expect == EXPECT_REACHABLE;
}

static void trial_reached(struct probing *p, struct trial *t)
{
	if (!is_to_be_reached(t)) {
		t->replied = true;
		t->asked = 0;
		trial_close(t);
	} else if (t->probe->given & PROBE_BIT("via")) {
		trial_close(t);
		t->phase = PHASE_QUEUED;
		probing_wake(p, p->now);
	} else {
		trial_finish(p, t, true);
	}
}

void trial_heard(struct probing *p, struct trial *t, uint32_t hop, const struct answer *a)
{
	if (t->phase == PHASE_TRACING && hop) {
		trace_heard(p, t, hop, a);
		return;
	}
	if (t->phase != PHASE_TRYING || hop)
		return;
	t->outcome->seen = *a;
	t->answered = true;
	if (a->kind == ANSWER_REPLY) {
		trial_reached(p, t);
		return;
	}
	if (!is_to_be_reached(t)) {
		trial_finish(p, t, true);
		return;
	}
	trial_close(t); /* tried anew when it is time */
}

/* --- trying ------------------------------------------------------------------------------ */

/* Did the packet get lost on the way out, as it may on any wire? */
static bool is_passing(int error)
{
	return error == -ENOBUFS || error == -ENOMEM || error == -EAGAIN || error == -EINTR ||
	       error == -EMFILE || error == -ENFILE;
}

/* The kernel did not take the packet. */
static void trial_unsent(struct probing *p, struct trial *t, int error)
{
	struct answer a = {.kind = ANSWER_LOCAL, .error = -error};

	if (is_passing(error)) {
		t->outcome->seen = a;
		trial_close(t);
		return;
	}
	if (error == -ECONNREFUSED) {
		a.kind = ANSWER_REFUSED;
		a.from = t->probe->address;
	} else if (error == -EMSGSIZE) {
		a.mtu = trial_mtu(p, t);
	}
	trial_heard(p, t, 0, &a);
}

static int trial_try(struct probing *p, struct trial *t)
{
	bool echo = t->probe->protocol == PROBE_ICMP;
	int error;

	t->pause = !t->pause ? AGAIN_MIN : t->pause < AGAIN_MAX / 2 ? 2 * t->pause : AGAIN_MAX;
	t->again = p->now + t->pause;
	probing_wake(p, t->again);
	t->answered = false;
	error = echo ? ear_shoot(p, t->ear, t, 0) : trial_send(p, t);
	if (!error && !t->asked)
		t->asked = p->now;
	if (!error && t->outcome->seen.kind == ANSWER_LOCAL)
		t->outcome->seen = (struct answer){0};
	/* Before so many answers have come that there is no room for them; and one may have come
	 * that tells more than the error. */
	ear_listen(p, t->ear);
	if (error && !t->answered && t->phase == PHASE_TRYING)
		trial_unsent(p, t, error);
	return error;
}

static bool wants_diagnosis(const struct trial *t)
{
	const struct answer *a = &t->outcome->seen;

	if (t->ear->diagnoses >= ERRORS_AT_ONCE)
		return false;
	return a->kind == ANSWER_NONE || (a->kind == ANSWER_ERROR && !a->mtu &&
					  ip_compare(&a->from, &t->probe->address) != 0);
}

/* Its time is up, and it was not reached. */
static void trial_give_up(struct probing *p, struct trial *t)
{
	trial_close(t);
	if (!wants_diagnosis(t)) {
		trial_finish(p, t, false);
		return;
	}
	t->ear->diagnoses++;
	trace_begin(p, t);
}

static void trial_look(struct probing *p, struct trial *t)
{
	uint64_t silence = t->probe->within < SILENCE ? t->probe->within : SILENCE;
	uint64_t quiet = t->asked ? t->asked + silence : UINT64_MAX;

	if (!is_to_be_reached(t) && p->now >= quiet) {
		t->outcome->seen = (struct answer){0};
		trial_finish(p, t, true);
	} else if (p->now >= t->deadline && is_to_be_reached(t)) {
		trial_give_up(p, t);
	} else if (p->now >= t->deadline && (t->replied || !t->asked)) {
		trial_finish(p, t, false);
	} else {
		if (p->now >= t->again)
			trial_try(p, t);
		if (t->phase == PHASE_TRYING) {
			probing_wake(p, t->again);
			probing_wake(p, t->deadline);
			probing_wake(p, is_to_be_reached(t) ? t->deadline : quiet);
		}
	}
}

static void look(struct probing *p, struct trial *t)
{
	switch (t->phase) {
	case PHASE_TRYING:
		trial_look(p, t);
		break;
	case PHASE_QUEUED: /* one at a time: routers answer few (ERRORS_AT_ONCE) */
		if (t->ear->tracing)
			break;
		t->ear->tracing = t;
		trace_begin(p, t);
		break;
	case PHASE_TRACING:
		trace_look(p, t);
		break;
	case PHASE_WAITING:
	case PHASE_DONE:
		break;
	}
}

/* --- the loop ---------------------------------------------------------------------------- */

static int begin_failed(struct probing *p, const struct probe *probe, int error)
{
	diag_error(p->d, error, probe->node->mark, "cannot send packets from namespace %s: %s",
		   probe->from, strerror(-error));
	if (error == -EPERM || error == -EACCES)
		diag_hint(p->d, "this takes root (CAP_NET_RAW)");
	return error;
}

/* -EMFILE: when others have ended. */
static int trial_begin(struct probing *p, struct trial *t)
{
	int error = ear_find(p, t->probe, &t->ear);

	if (error)
		return error;
	p->now = clock_now();
	t->ear->users++;
	t->start = p->now;
	t->deadline = p->now + t->probe->within;
	t->phase = PHASE_TRYING;
	p->running++;
	error = trial_try(p, t);
	if (error != -EMFILE && error != -ENFILE) {
		probing_wake(p, p->now);
		return 0;
	}
	trial_close(t);
	t->ear->users--;
	ear_release(t->ear);
	t->phase = PHASE_WAITING;
	p->running--;
	return error;
}

static int begin_waiting(struct probing *p)
{
	for (; p->waiting < p->trials.n; p->waiting++) {
		struct trial *t = &p->trials.items[p->waiting];
		int error = trial_begin(p, t);

		if ((error == -EMFILE || error == -ENFILE) && p->running)
			return 0;
		if (error)
			return begin_failed(p, t->probe, error);
	}
	return 0;
}

static int wait_for_answers(struct probing *p)
{
	struct epoll_event events[EVENTS];
	uint64_t left = p->due > p->now ? p->due - p->now : 0;
	int n = epoll_wait(p->epoll, events, EVENTS,
			   left > 60000000 ? 60000 : (int)((left + 999) / 1000));

	if (n < 0 && errno != EINTR)
		return diag_error(p->d, -errno, NO_MARK, "cannot wait for answers: %s",
				  strerror(errno));
	p->now = clock_now();
	for (int i = 0; i < n; i++) {
		struct event_source *source = events[i].data.ptr;

		if (source->kind == SOURCE_TRIAL)
			trial_receive(p, (struct trial *)source);
		else if (((struct ear *)source)->fd >= 0)
			ear_listen(p, (struct ear *)source);
	}
	ears_sweep(p, false);
	return 0;
}

static int loop(struct probing *p)
{
	int r = begin_waiting(p);

	while (r >= 0 && p->running) {
		r = wait_for_answers(p);
		if (r >= 0 && p->now >= p->due) {
			p->due = UINT64_MAX;
			array_each(&p->trials, t)
				look(p, t);
		}
		if (r >= 0)
			r = begin_waiting(p);
	}
	return r;
}

int probe_all(struct kernel *k, const struct model *m, outcomes *ret, struct diags *d)
{
	struct probing p = {.kernel = k, .model = m, .d = d, .now = clock_now(), .due = UINT64_MAX};
	int r;

	p.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p.epoll < 0)
		return diag_error(d, -errno, NO_MARK, "cannot wait for answers: %s",
				  strerror(errno));
	p.buffer = xmalloc(BUFFER_SIZE);
	array_each(&m->probes, probe)
		array_push(ret)->probe = *probe;
	for (size_t i = 0; i < ret->n; i++)
		array_add(&p.trials, ((struct trial){.source.kind = SOURCE_TRIAL,
						     .probe = ret->items[i].probe,
						     .outcome = &ret->items[i],
						     .fd = -1}));
	r = loop(&p);
	array_each(&p.trials, t)
		if (t->phase != PHASE_WAITING && t->phase != PHASE_DONE)
			trial_close(t);
	ears_sweep(&p, true);
	array_free(&p.ears);
	array_free(&p.trials);
	free(p.buffer);
	close(p.epoll);
	return r;
}

void outcomes_free(outcomes *o)
{
	array_each(o, i)
		array_free(&i->hops);
	array_free(o);
}

size_t outcomes_failed(const outcomes *o)
{
	size_t n = 0;

	array_each(o, i)
		n += !i->holds;
	return n;
}
