/* SPDX-License-Identifier: MIT */
/* How libFuzzer changes an input that is a stream of netlink messages: as any other, and then most
 * of the time the lengths are made to fit again, or the parsers would hardly get past the first. */
#include "fake_kernel.h"
#include "fuzz.h"

#include <linux/rtnetlink.h>
#include <string.h>

enum { NOTHING, ATTRIBUTES, NEXTHOPS };

static size_t fit(size_t size, size_t least, size_t left)
{
	return size < least || size > left ? left : size;
}

/* What is inside the attribute of that type, of that message; outer: what it is inside of. */
static int inside(uint16_t message, uint16_t outer, uint16_t type)
{
	if (message == RTM_NEWLINK &&
	    (!outer ? type == IFLA_LINKINFO : outer == IFLA_LINKINFO && type == IFLA_INFO_DATA))
		return ATTRIBUTES;
	if (message == RTM_NEWROUTE && !outer && type == RTA_MULTIPATH)
		return NEXTHOPS;
	if (message == RTM_NEWROUTE && !outer && type == RTA_METRICS)
		return ATTRIBUTES;
	return NOTHING;
}

static void fit_nexthops(uint8_t *data, size_t left);

static void fit_attributes(uint8_t *data, size_t left, uint16_t message, uint16_t outer)
{
	while (left >= NLA_HDRLEN) {
		struct nlattr nla;
		size_t size, step;
		int what;

		memcpy(&nla, data, sizeof(nla));
		size = fit(nla.nla_len, NLA_HDRLEN, left);
		nla.nla_len = (uint16_t)size;
		memcpy(data, &nla, sizeof(nla));
		what = inside(message, outer, nla.nla_type & NLA_TYPE_MASK);
		if (what == ATTRIBUTES)
			fit_attributes(data + NLA_HDRLEN, size - NLA_HDRLEN, message,
				       nla.nla_type & NLA_TYPE_MASK);
		if (what == NEXTHOPS)
			fit_nexthops(data + NLA_HDRLEN, size - NLA_HDRLEN);
		step = NLA_ALIGN(size);
		if (step >= left)
			return;
		data += step;
		left -= step;
	}
}

static void fit_nexthops(uint8_t *data, size_t left)
{
	while (left >= sizeof(struct rtnexthop)) {
		struct rtnexthop hop;
		size_t step;

		memcpy(&hop, data, sizeof(hop));
		hop.rtnh_len = (uint16_t)fit(hop.rtnh_len, sizeof(hop), left);
		memcpy(data, &hop, sizeof(hop));
		fit_attributes(data + sizeof(hop), hop.rtnh_len - sizeof(hop), 0, 0);
		step = RTNH_ALIGN((size_t)hop.rtnh_len);
		if (step >= left)
			return;
		data += step;
		left -= step;
	}
}

static size_t header_size(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
		return sizeof(struct rtmsg);
	case RTM_NEWNSID:
	case RTM_NEWNETCONF:
		return NLMSG_ALIGN(1);
	case NLMSG_ERROR:
		return sizeof(struct nlmsgerr);
	}
	return SIZE_MAX;
}

static void fit_messages(uint8_t *data, size_t left)
{
	while (left >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t skip, step;

		memcpy(&h, data, sizeof(h));
		h.nlmsg_len = (uint32_t)fit(h.nlmsg_len, sizeof(h), left);
		memcpy(data, &h, sizeof(h));
		skip = header_size(h.nlmsg_type);
		if (skip < h.nlmsg_len - sizeof(h))
			fit_attributes(data + sizeof(h) + skip, h.nlmsg_len - sizeof(h) - skip,
				       h.nlmsg_type, 0);
		step = NLMSG_ALIGN((size_t)h.nlmsg_len);
		if (step >= left)
			return;
		data += step;
		left -= step;
	}
}

static void fit_frames(uint8_t *data, size_t left)
{
	while (left >= sizeof(struct frame)) {
		struct frame frame;
		size_t room = left - sizeof(frame);

		memcpy(&frame, data, sizeof(frame));
		frame.size = (uint16_t)fit(frame.size, 0, room < UINT16_MAX ? room : UINT16_MAX);
		frame.kind %= FRAME_KINDS;
		memcpy(data, &frame, sizeof(frame));
		fit_messages(data + sizeof(frame), frame.size);
		data += sizeof(frame) + frame.size;
		left -= sizeof(frame) + frame.size;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 4 && size)
		fit_frames(data + 1, size - 1);
	return size;
}
