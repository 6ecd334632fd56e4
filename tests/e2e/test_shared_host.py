# SPDX-License-Identifier: MIT
"""Several labs hold things of one host. Whatever they agree on stays while one of them stands, in
whatever order they come and go; the last one puts back what was there before the first."""
import itertools
import os
import random
import signal
import subprocess
import time

import pytest
import yaml

from box import NSAPPLY

LINKS = """
ip link add nic type veth peer name wire
ip link add spare type veth peer name wire2
ip link add port type veth peer name wire3
ip link add sw type bridge mcast_snooping 0
n=10
for l in nic wire spare wire2 port wire3 sw; do
    n=$((n + 1))
    echo 1 > /proc/sys/net/ipv6/conf/$l/addr_gen_mode
    echo 0 > /proc/sys/net/ipv6/conf/$l/accept_dad
    ip link set $l address 02:00:00:00:88:$n up
done
ip link set port master sw
"""
CONTENTS = """
ip address add 10.50.0.9/24 dev nic
ip address add 10.54.0.9/24 dev nic
ip route add 10.70.9.0/24 dev nic
ip address add 10.51.0.1/24 dev spare
ip address add 2001:db8:51::1/64 dev spare nodad
ip route add 10.71.0.0/24 via 10.51.0.9
ip -6 route add 2001:db8:71::/48 via 2001:db8:51::9
cd /proc/sys/net
echo 33 > ipv6/conf/spare/ra_defrtr_metric
echo 9 > ipv6/neigh/spare/mcast_solicit
echo 1 > ipv4/conf/wire/forwarding
echo 1 > ipv6/conf/wire/forwarding
echo 2 > ipv4/conf/wire/rp_filter
"""


@pytest.fixture
def host(box):
    box.sh(LINKS)
    while any(link["operstate"] != "UP" for link in box.ip(None, "link", "show", "up")
              if link["ifname"] != "lo"):
        time.sleep(0.02)
    box.sh(CONTENTS)
    # An IPv6 address has its local route a moment later, even without duplicate address detection.
    while not box.ip(None, "-6", "route", "show", "table", "local", "2001:db8:51::1"):
        time.sleep(0.02)
    box.calm()
    return box


def steady(box):
    """A snapshot, once IPv6 addresses have their routes, which come a moment later."""
    now = None
    while now != (now := box.snapshot()):
        time.sleep(0.2)
    return now


def lab(box, name, **namespaces):
    return box.write(f"{name}.yaml", yaml.safe_dump({"name": name, "namespaces": namespaces}))


# --- what several labs may hold ------------------------------------------------------------------

SHARED = {
    "forwarding": {"forwarding": True},
    "forwarding off": {"forwarding": False},
    "ipv6 forwarding": {"forwarding": "ipv6"},
    "sysctl": {"sysctl": {"net.ipv4.ip_default_ttl": 99}},
    "sysctl of all new interfaces": {"sysctl": {"net.ipv4.conf.default.rp_filter": 1}},
    "sysctl for all": {"sysctl": {"net.ipv6.conf.all.ignore_routes_with_linkdown": 1}},
    "sysctl of an interface": {"interfaces": {"nic": {"sysctl": {"ipv4.rp_filter": 1}}}},
    "mtu": {"interfaces": {"nic": {"mtu": 1400}}},
    "mac": {"interfaces": {"nic": {"mac": "02:00:00:00:88:77"}}},
    "master": {"interfaces": {"wire": {"master": "sw"}}},
    "ports": {"interfaces": {"sw": {"ports": ["wire"]}}},
    "down": {"interfaces": {"spare": {"state": "down"}}},
    "ipv6 off": {"interfaces": {"spare": {"sysctl": {"ipv6.disable_ipv6": 1}}}},
    "ipv6 off for all": {"sysctl": {"net.ipv6.conf.all.disable_ipv6": 1}},
    "as it is": {"interfaces": {"nic": {"mtu": 1500, "state": "up"}},
                 "sysctl": {"net.ipv4.conf.wire.rp_filter": 2}},
}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("what", SHARED)
def test_two_labs(host, what, first):
    before = host.snapshot()
    files = [lab(host, name, host=SHARED[what]) for name in ("one", "two")]
    host.nsapply(files[0])
    between = host.snapshot()
    host.nsapply("--plan", files[1])
    host.nsapply(files[1])
    host.nsapply("--destroy", files[first])
    host.assert_same(between)
    host.nsapply("--plan", files[1 - first])
    host.nsapply("--destroy", files[1 - first])
    host.assert_same(before)


@pytest.mark.parametrize("what", SHARED)
def test_key_goes(host, what):
    """The same where a key goes from the file: it is the other lab's then, and comes back late."""
    before = host.snapshot()
    one, two = lab(host, "one", host=SHARED[what]), lab(host, "two", host=SHARED[what])
    host.nsapply(one)
    between = host.snapshot()
    host.nsapply(two)
    lab(host, "one", host=None)
    host.nsapply("--plan", one)
    host.nsapply(one)
    host.assert_same(between)
    host.nsapply("--plan", two)
    lab(host, "two", host=None)
    host.nsapply(two)
    host.nsapply("--destroy", "one")
    host.nsapply("--destroy", "two")
    host.assert_same(before)


@pytest.mark.parametrize("what, value, held", [
    ({"forwarding": False}, "0", "1"),
    ({"sysctl": {"net.ipv4.conf.all.forwarding": 0}}, "0", "1"),
    ({"interfaces": {"nic": {"mtu": 1300}}}, "1300", "1400"),
    ({"interfaces": {"nic": {"master": "sw2"}}}, "sw2", "sw"),
    ({"interfaces": {"nic": {"state": "up"}}}, "up", "down"),
], ids=["switch", "alias", "mtu", "master", "state"])
def test_labs_that_disagree(host, what, value, held):
    host.sh("ip link add sw2 type bridge")
    first = lab(host, "first", host={"forwarding": True, "interfaces": {
        "nic": {"mtu": 1400, "state": "down", "master": "sw"}}})
    host.nsapply(first)
    before = host.snapshot()
    second = lab(host, "second", host=what)
    for options in [], ["--adopt"], ["--plan"]:
        failed = host.nsapply(*options, second, status=1)
        assert f' is to be {value}, but lab "first" holds it at {held}' in failed.err
        assert "hint: " in failed.err and "destroy" in failed.err
    host.assert_same(before)
    host.nsapply("--destroy", first)
    host.nsapply(second)


def test_one_value_in_two_units(host):
    host.nsapply(lab(host, "first", host={"sysctl": {"net.ipv4.neigh.nic.retrans_time": 200}}))
    second = lab(host, "second", host={"sysctl": {"net.ipv4.neigh.nic.retrans_time_ms": 2000}})
    assert 'is lab "first"\'s' in host.nsapply(second, status=1).err


def test_explicit_value_under_anothers_switch(host):
    """What a switch drags along and another lab names is as that one wants it, whoever comes first."""
    before = host.snapshot()
    switch = lab(host, "switch", host={"forwarding": True})
    named = lab(host, "named", host={"sysctl": {"net.ipv4.conf.nic.forwarding": 0,
                                                "net.ipv6.conf.spare.forwarding": 1}})
    for first, second in (switch, named), (named, switch):
        for gone in first, second:
            for file in first, second:
                host.nsapply(file)
            for file in first, second:
                host.nsapply("--plan", file)
            assert host.sysctl(None, "net.ipv4.conf.nic.forwarding") == "0"
            assert host.sysctl(None, "net.ipv4.conf.wire2.forwarding") == "1"
            host.nsapply("--destroy", gone)
            host.nsapply("--plan", switch if gone == named else named)
            left = host.sysctl(None, "net.ipv4.conf.nic.forwarding")
            assert left == ("1" if gone == named else "0")
            host.nsapply("--destroy", switch if gone == named else named)
            host.assert_same(before)


def test_explicit_value_under_its_own_switch_goes(host):
    """It follows the switch again, as it would had it never been named."""
    before = host.snapshot()
    file = lab(host, "lab", host={"forwarding": True,
                                  "sysctl": {"net.ipv4.conf.nic.forwarding": 0}})
    host.nsapply(file)
    lab(host, "lab", host={"forwarding": True})
    host.nsapply(file)
    assert host.sysctl(None, "net.ipv4.conf.nic.forwarding") == "1"
    host.nsapply("--plan", file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_failed_apply_claims_nothing(host):
    before = host.snapshot()
    shared = {"forwarding": True, "interfaces": {"nic": {"mtu": 1400}},
              "sysctl": {"net.ipv4.conf.wire2.forwarding": 0}}
    one = lab(host, "one", host=shared)
    host.nsapply(one)
    between = host.snapshot()
    fails = {**shared, "sysctl": {"net.ipv4.conf.wire2.forwarding": 0,
                                  "net.ipv6.conf.all.forwarding": 1},
             "routes": [{"to": "10.8.0.0/16", "via": "192.0.2.1"}]}
    two = lab(host, "two", host=fails, ns=None)
    host.nsapply(two, status=1)
    host.assert_same(between)
    assert "two" not in host.nsapply("--list").out
    host.nsapply("--plan", one)
    host.nsapply("--destroy", one)
    host.assert_same(before)


# --- what only one lab may hold -------------------------------------------------------------------

@pytest.mark.parametrize("what", [
    {"interfaces": {"nic": {"addresses": ["10.1.0.1/24"]}}},
    {"routes": [{"to": "10.9.0.0/16", "dev": "nic"}]},
    {"interfaces": {"br": {"kind": "bridge"}}},
], ids=["address", "route", "interface"])
def test_made_by_another_lab(host, what):
    host.nsapply(lab(host, "first", host=what))
    before = host.snapshot()
    for options in [], ["--adopt"]:
        failed = host.nsapply(*options, lab(host, "second", host=what), status=1)
        assert 'is lab "first"\'s' in failed.err and 'destroy "first" first' in failed.err
    host.assert_same(before)


def test_namespace_of_another_lab(host):
    host.nsapply(lab(host, "first", ns=None))
    for options in [], ["--adopt"]:
        failed = host.nsapply(*options, lab(host, "second", ns=None), status=1)
        assert 'namespace "ns" is lab "first"\'s' in failed.err
    host.nsapply("--destroy", "first")
    host.nsapply(lab(host, "second", ns=None))


def test_namespace_of_a_lab_that_lost_it(host):
    """Somebody deleted it by hand and made another: that one is not the lab's."""
    host.nsapply(lab(host, "first", ns=None))
    host.sh("ip netns delete ns; ip netns add ns")
    second = lab(host, "second", ns=None)
    assert "--adopt" in host.nsapply(second, status=1).err
    host.nsapply("--adopt", second)
    host.nsapply("--destroy", "first")
    host.nsapply("--plan", second)


@pytest.mark.parametrize("order", [("owner", "guest"), ("guest", "owner")])
def test_external_namespace_of_another_lab(host, order):
    before = host.snapshot()
    host.nsapply(lab(host, "owner", ns={"sysctl": {"net.ipv4.tcp_ecn": 1}}))
    guest = host.write("guest.yaml", """
name: guest
namespaces:
  ns:
    external: true
    sysctl: {net.ipv4.ip_default_ttl: 70}
    interfaces: {e0: {addresses: [10.3.0.1/24]}, lo: {mtu: 1500}}
    routes: [{to: 10.4.0.0/16, via: 10.3.0.2}]
  own: {interfaces: {e0: {addresses: [10.3.0.2/24]}}}
links: [[ns:e0, own:e0]]
""")
    host.nsapply(guest)
    host.nsapply("--plan", guest)
    for name in order:
        host.nsapply("--destroy", name)
    host.assert_same(before)


@pytest.mark.parametrize("cable", [True, False], ids=["cable", "alone"])
def test_what_a_guest_made_goes_with_the_owners(host, cable):
    """A lab may do what it likes in a namespace of its own. What that costs another is told, once."""
    def owner(**interfaces):
        if cable:
            interfaces["eth0"] = {"peer": "host:eth0"}
        return lab(host, "owner", ns={"ignore": {"interfaces": ["y*"]}, "interfaces": interfaces})

    def apply_guest():
        host.nsapply(lab(host, "guest", own=None, x={"external": {"path": "/run/netns/ns"}, "interfaces": {
            "y0": {"peer": "own:y1", "master": "br"}}}))

    file = owner(br={"kind": "bridge"})
    host.nsapply(file)
    apply_guest()
    assert "warning" not in host.nsapply("--plan", file).err
    owner()
    for verb in [["--plan"], []]:
        done = host.nsapply(*verb, file, status=None)
        assert done.status == (2 if verb else 0) and done.err.count("warning: ") == 1
        assert 'warning: ns:br is deleted, with what lab "guest" has there' in done.err
    host.nsapply(owner(br={"kind": "bridge"}))
    apply_guest()
    done = host.nsapply("--destroy", "owner")
    assert done.err.count("warning: ") == 1
    assert 'warning: namespace ns is deleted, with what lab "guest" has there' in done.err
    host.nsapply("--destroy", "guest")


@pytest.mark.parametrize("cable", [True, False], ids=["cable", "alone"])
def test_what_a_guest_moved_there_does_not_go(host, cable):
    """It is neither lab's own, and would be lost."""
    before = host.snapshot()
    content = {"ignore": {"interfaces": ["y*"]}}
    if cable:
        content["interfaces"] = {"eth0": {"peer": "host:eth0"}}
    file = lab(host, "owner", ns=content)
    host.nsapply(file)
    host.nsapply(lab(host, "guest", x={"external": {"path": "/run/netns/ns"}, "interfaces": {
        "y0": {"from": "host:nic", "addresses": ["10.3.0.1/24"]}}}))
    stands = host.snapshot()
    assert "warning" not in host.nsapply("--plan", file).err
    del content["ignore"]
    lab(host, "owner", ns=content)
    refused = 'error: ns:y0 is not the lab\'s to delete: lab "guest" has moved it there\n'
    for arguments in itertools.product([[], ["--plan"], ["--destroy"]], [[], ["--adopt"]]):
        failed = host.nsapply(*sum(arguments, []), file, status=1)
        assert refused in failed.err and 'destroy "guest" first' in failed.err
        assert "warning" not in failed.err
    host.assert_same(stands)
    host.nsapply("--destroy", "guest")
    host.nsapply("--destroy", "owner")
    host.assert_same(before)


def test_what_somebody_moved_there(host):
    """By a lab that cannot tell any more: its record is damaged, or gone."""
    file = lab(host, "owner", ns=None)
    host.nsapply(file)
    host.nsapply(lab(host, "guest", ns={"external": True, "interfaces": {"y0": {"from": "host:nic"}}}))
    host.sh("echo nonsense > /run/nsapply/guest/record")
    stands = host.snapshot()
    failed = host.nsapply(file, status=1)
    assert "error: ns:y0 is not the lab's to delete: another lab has moved it there\n" in failed.err
    assert "or let it be deleted with --adopt" in failed.err and failed.err.count(": error: ") == 1
    host.assert_same(stands)
    assert "warning" not in host.nsapply("--adopt", file).err
    host.nsapply("--destroy", file)


def test_moving_what_another_lab_names(host):
    host.nsapply(lab(host, "first", host={"interfaces": {"nic": {"mtu": 1400}},
                                          "sysctl": {"net.ipv6.conf.wire.forwarding": 0},
                                          "routes": [{"to": "10.9.0.0/16", "dev": "spare"}]}))
    for nic in "nic", "spare", "wire":
        second = lab(host, "second", host=None, ns={"interfaces": {"e": {"from": f"host:{nic}"}}})
        failed = host.nsapply(second, status=1)
        assert f'host:{nic} cannot be moved away: lab "first" uses it' in failed.err
    assert host.link(None, "nic")["mtu"] == 1400


def test_moving_the_way_of_another_labs_route(host):
    """One of several next hops is a use as well."""
    host.nsapply(lab(host, "first", host={"routes": [
        {"to": "10.60.0.0/16", "nexthops": [{"dev": "nic"}, {"dev": "sw"}]}]}))
    before = host.snapshot()
    second = lab(host, "second", inside={"interfaces": {"taken": {"from": "host:nic"}}})
    failed = host.nsapply(second, status=1)
    assert 'host:nic cannot be moved away: lab "first" uses it' in failed.err
    host.assert_same(before)


def test_moving_the_source_of_another_labs_route(host):
    host.nsapply(lab(host, "first", host={"routes": [
        {"to": "10.60.0.0/16", "dev": "sw", "src": "10.51.0.1"}]}))
    before = host.snapshot()
    second = lab(host, "second", inside={"interfaces": {"taken": {"from": "host:spare"}}})
    failed = host.nsapply(second, status=1)
    assert 'host:spare cannot be moved away: lab "first" uses it' in failed.err
    host.assert_same(before)


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")], ids=" ".join)
def test_route_by_interfaces_that_two_labs_take(host, order):
    """It goes with the first interface, and is back with the last, of whatever lab that is."""
    host.sh("""
        ip route add 10.60.0.0/16 nexthop via 10.50.0.8 weight 2 nexthop via 10.51.0.8
        ip -6 address add 2001:db8:50::1/64 dev nic nodad
        ip -6 route add 2001:db8:60::/48 nexthop via 2001:db8:50::8 nexthop via 2001:db8:51::8""")
    host.calm()
    before = steady(host)
    for name, nic in [("first", "nic"), ("second", "spare")]:
        host.nsapply(lab(host, name, **{f"of-{name}": {"interfaces": {"x": {"from": f"host:{nic}"}}}}))
    for name in order:
        assert "warning" not in host.nsapply("--destroy", name).err
    host.assert_same(before)


GATEWAYS = {
    "IPv4": {"to": "10.60.0.0/16", "via": "10.51.0.9"},
    "IPv6": {"to": "2001:db8:60::/48", "via": "2001:db8:51::9"},
    "IPv4 ways": {"to": "10.60.0.0/16", "nexthops": [{"via": "10.51.0.8"}, {"via": "10.51.0.9"}]},
    "IPv6 ways": {"to": "2001:db8:60::/48", "nexthops": [{"via": "2001:db8:51::8"}, {"via": "2001:db8:51::9"}]},
}


@pytest.mark.parametrize("how", ["down", "moved"])
@pytest.mark.parametrize("route", GATEWAYS)
def test_what_holds_the_gateway_of_another_labs_route(host, route, how):
    """By what interface the gateway is reached, that lab's file does not say."""
    host.nsapply(lab(host, "first", host={"routes": [GATEWAYS[route]]}))
    before = host.snapshot()
    second = lab(host, "second", **{
        "down": {"host": {"interfaces": {"spare": {"state": "down"}}}},
        "moved": {"inside": {"interfaces": {"taken": {"from": "host:spare"}}}}}[how])
    error = host.nsapply(second, status=1).err
    assert {"down": 'this would take routes off host:spare, which lab "first" has there',
            "moved": 'host:spare cannot be moved away: lab "first" uses it'}[how] in error
    host.assert_same(before)


@pytest.mark.parametrize("how", ["destroyed", "replaced"])
@pytest.mark.parametrize("held", [
    {"routes": [{"to": "10.79.0.0/16", "via": "10.78.0.2"}]},
    {"routes": [{"to": "10.79.0.0/16", "dev": "cable"}]},
    {"routes": [{"to": "10.79.0.0/16", "nexthops": [{"via": "10.78.0.2"}, {"via": "10.78.0.3"}]}]},
    {"interfaces": {"cable": {"addresses": ["10.79.0.1/24"]}}},
    {"routes": [{"to": "10.79.0.0/16", "dev": "sw", "src": "10.78.0.1"}]},
], ids=["gateway", "dev", "gateways", "address", "source"])
def test_what_another_lab_has_on_an_interface_that_goes(host, held, how):
    """What a lab made it may take away. What goes along is told, once."""
    def cable(end):
        return lab(host, "first", ns=None, host={"interfaces": {
            "cable": {"peer": f"ns:{end}", "addresses": ["10.78.0.1/24"]}}})

    host.nsapply(cable("one"))
    second = lab(host, "second", host=held)
    host.nsapply(second)
    assert "10.79.0.0/" in str(host.ip(None, "route"))
    file = cable("one" if how == "destroyed" else "two")
    verb = ["--destroy"] if how == "destroyed" else []
    told = "host:cable is " + ("deleted" if verb else "replaced") + ', with what lab "second" has there'
    done = host.nsapply(*verb, file)
    assert done.err.count("warning: ") == 1 and "warning: " + told in done.err
    assert "10.79.0.0/" not in str(host.ip(None, "route"))
    host.nsapply(cable("one"))
    host.nsapply(second)
    assert "10.79.0.0/" in str(host.ip(None, "route"))
    host.nsapply("--destroy", "second")
    assert "warning: " not in host.nsapply("--destroy", "first").err


def test_a_port_of_another_lab_on_a_bridge_that_goes(host):
    bridge = {"kind": "bridge", "mac": "02:00:00:00:00:10"}
    host.nsapply(lab(host, "first", host={"interfaces": {"b": bridge}}))
    host.nsapply(lab(host, "second", ns=None, host={"interfaces": {"t": {"peer": "ns:t", "master": "b"}}}))
    del bridge["mac"]
    file = lab(host, "first", host={"interfaces": {"b": bridge}})
    for verb, how in (([], "replaced"), (["--destroy"], "deleted")):
        assert f'warning: host:b is {how}, with what lab "second" has there' in host.nsapply(*verb, file).err
    host.nsapply("--destroy", "second")


def test_what_another_lab_has_on_an_interface_that_comes_home(host):
    host.sh("ip netns add ext")
    before = host.snapshot()
    ext = {"external": True}
    first = lab(host, "first", ext={**ext, "interfaces": {"away": {"from": "host:spare", "addresses": ["10.78.0.1/24"]}}})
    host.nsapply(first)
    host.nsapply(lab(host, "second", ext={**ext, "routes": [GATEWAYS["IPv4"] | {"via": "10.78.0.2"}]}))
    done = host.nsapply("--destroy", first)
    assert done.err.count("warning: ") == 1
    assert 'warning: ext:away is moved, with what lab "second" has there' in done.err
    host.nsapply("--destroy", "second")
    host.assert_same(before)


@pytest.mark.parametrize("held, found, made, what", [
    ({"routes": [{"to": "10.79.0.0/16", "via": "10.78.0.2"}]},
     "ip address flush dev nic", {"addresses": ["10.78.0.1/24"]}, "routes"),
    ({"routes": [{"to": "10.79.0.0/16", "nexthops": [{"via": "10.78.0.2"}, {"via": "10.78.0.3"}]}]},
     "ip address flush dev nic", {"addresses": ["10.78.0.1/24"]}, "routes"),
    ({"routes": [{"to": "2001:db8:79::/64", "via": "2001:db8:78::2"}]},
     "ip link set nic down", {"state": "up", "addresses": ["2001:db8:78::1/64"]}, "routes"),
    ({"routes": [{"to": "10.79.0.0/16", "type": "blackhole", "src": "10.78.0.1"}]},
     "true", {"addresses": ["10.78.0.1/24"]}, "routes"),
    ({"interfaces": {"nic": {"addresses": ["2001:db8:78::2/64"]}}},
     "sysctl -q net.ipv6.conf.nic.disable_ipv6=1", {"sysctl": {"ipv6.disable_ipv6": 0}}, "addresses"),
], ids=["network", "network of several", "up", "source", "IPv6 on"])
@pytest.mark.parametrize("how", ["destroyed", "key goes"])
def test_what_another_lab_has_thanks_to_this_one(host, held, found, made, what, how):
    host.sh(found)
    before = host.snapshot()
    first = lab(host, "first", host={"interfaces": {"nic": made}})
    host.nsapply(first)
    host.nsapply(lab(host, "second", host=held))
    lab(host, "first", host=None)
    done = host.nsapply(*(["--destroy"] if how == "destroyed" else []), first)
    assert done.err.count("warning: ") == 1
    where = "host" if "blackhole" in str(held) else "host:nic"
    assert f'this takes {what} off {where}, which lab "second" has there' in done.err
    host.nsapply("--destroy", "second")
    if how == "key goes":
        host.nsapply("--destroy", "first")
    host.assert_same(before)


def test_one_namespace_under_two_names(host):
    """A namespace is what it is, not what a file calls it."""
    host.sh("ip netns add ext; ip -n ext link add b0 type bridge")
    before = host.snapshot()
    held = {"interfaces": {"b0": {"mtu": 1400}}, "sysctl": {"net.ipv4.ip_default_ttl": 70}}
    host.nsapply(lab(host, "first", ext={"external": True, **held}))
    path = {"external": {"path": "/run/netns/ext"}}
    disagrees = lab(host, "second", other={**path, "sysctl": {"net.ipv4.ip_default_ttl": 71}})
    assert 'lab "first" holds it at 70' in host.nsapply(disagrees, status=1).err
    host.nsapply(lab(host, "second", other={**path, **held}))
    host.nsapply("--destroy", "first")
    assert host.link("ext", "b0")["mtu"] == 1400
    host.nsapply("--destroy", "second")
    host.assert_same(before)


def test_another_namespace_of_the_name(host):
    """What was held in a namespace that is no more is not put back into the next of its name."""
    host.sh("ip netns add ext")
    file = lab(host, "first", ext={"external": True, "sysctl": {"net.ipv4.ip_default_ttl": 70}})
    host.nsapply(file)
    host.sh("ip netns delete ext; ip netns add ext; ip netns exec ext "
            "sh -c 'echo 80 > /proc/sys/net/ipv4/ip_default_ttl'")
    before = host.snapshot()["ext"]
    host.nsapply("--destroy", "first")
    assert host.snapshot()["ext"] == before
    host.nsapply(file)
    host.sh("ip netns delete ext; ip netns add ext")
    host.nsapply("--plan", file, status=2)
    host.nsapply(file)
    host.nsapply("--plan", file)


def test_a_name_that_is_given_to_another_namespace(host):
    """Both are there: what was changed in the first would be forgotten."""
    host.sh("ip netns add a; ip netns add b")
    held = {"sysctl": {"net.ipv4.ip_default_ttl": 70}}
    file = lab(host, "first", x={"external": {"path": "/run/netns/a"}, **held})
    host.nsapply(file)
    lab(host, "first", x={"external": {"path": "/run/netns/b"}, **held})
    assert '"x" is another namespace now' in host.nsapply(file, status=1).err
    host.nsapply("--destroy", "first")
    assert host.sysctl("a", "net.ipv4.ip_default_ttl") == "64"


# --- taking over what was there --------------------------------------------------------------------

ADOPTED = {
    "address": {"interfaces": {"nic": {"addresses": ["10.50.0.9/24"]}}},
    "address, other attributes": {"interfaces": {"nic": {"addresses": [
        {"address": "10.50.0.9/24", "label": "nic:l"}]}}},
    "ipv6 address": {"interfaces": {"spare": {"addresses": [
        {"address": "2001:db8:51::1/64", "dad": False}]}}},
    "route": {"routes": [{"to": "10.70.9.0/24", "dev": "nic"}]},
    "route, other attributes": {"routes": [{"to": "10.70.9.0/24", "dev": "nic", "mtu": 1300}]},
    "bridge": {"interfaces": {"sw": {"kind": "bridge", "mcast_snooping": False}}},
    "bridge, other values": {"interfaces": {"sw": {"kind": "bridge", "stp": True, "forward_delay": 2,
                                                   "mtu": 1400, "mac": "02:00:00:00:88:66"}}},
    "cable": {"interfaces": {"nic": {"peer": "host:wire"}}},
    "cable, other values": {"interfaces": {"nic": {"peer": "host:wire", "mtu": 1400}}},
}


@pytest.mark.parametrize("what", ADOPTED)
def test_adopted_is_remembered(host, what):
    before = host.snapshot()
    file = lab(host, "lab", host=ADOPTED[what])
    host.nsapply(file, status=1)
    host.assert_same(before)
    host.nsapply("--adopt", file)
    host.nsapply("--plan", file)
    between = host.snapshot()
    host.nsapply(file)
    host.assert_same(between)
    lab(host, "lab", host=None)
    host.nsapply(file)
    host.assert_same({**before, "run": ["nsapply"]})
    file = lab(host, "lab", host=ADOPTED[what])
    host.nsapply(file, status=1)
    host.nsapply("--adopt", file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_adopted_key_goes(host):
    """Of a bridge that was taken over, a key that the file loses gets its old value."""
    before = host.snapshot()
    bridge = {"kind": "bridge", "mcast_snooping": False, "mac": "02:00:00:00:88:66"}
    file = lab(host, "lab", host={"interfaces": {"sw": bridge}})
    host.nsapply("--adopt", file)
    del bridge["mac"]
    lab(host, "lab", host={"interfaces": {"sw": bridge}})
    host.nsapply(file)
    host.nsapply("--plan", file)
    host.assert_same({**before, "run": ["nsapply"]})


def test_adopted_is_not_replaced(host):
    file = lab(host, "lab", host={"interfaces": {"nic": {"peer": "host:wire"}}})
    host.nsapply("--adopt", file)
    before = host.snapshot()
    lab(host, "lab", host={"interfaces": {"nic": {"peer": "host:new"}}})
    assert "was taken over and is not to be replaced" in host.nsapply(file, status=1).err
    host.assert_same(before)


def test_adopted_and_gone(host):
    """What somebody removed in the meantime is not missed."""
    file = lab(host, "lab", host={
        "interfaces": {"nic": {"addresses": ["10.50.0.9/24"]},
                       "sw": {"kind": "bridge", "mcast_snooping": False}},
        "routes": [{"to": "10.70.9.0/24", "dev": "nic"}]})
    host.nsapply("--adopt", file)
    host.sh("ip link delete sw; ip link add sw type veth peer name sw1; ip link delete nic")
    before = host.snapshot()
    host.nsapply("--destroy", "lab")
    before["run"] = []
    host.assert_same(before)


def test_adopted_cable_whose_other_end_was_moved(host):
    """It is another cable by now, and left alone; as what it was the lab could not put it back."""
    file = lab(host, "lab", host={"interfaces": {"nic": {"peer": "host:wire", "mtu": 1400}}})
    host.nsapply("--adopt", file)
    host.sh("ip netns add elsewhere; ip link set wire netns elsewhere")
    before = host.snapshot()
    assert "its peer is not host:wire" in host.nsapply(file, status=1).err
    host.nsapply("--destroy", "lab")
    host.assert_same({**before, "run": []})


def test_adopted_namespace_with_its_cable(host):
    """The cable of a namespace that was taken over goes with it, which is said in time."""
    host.sh("ip netns add ns; ip link add e0 type veth peer name e1 netns ns")
    file = host.write("lab.yaml", "namespaces: {ns: {}}\nlinks: [[host:e0, ns:e1]]\n")
    for verb in ["--plan"], []:
        done = host.nsapply("--adopt", *verb, file, status=None)
        assert done.status == (2 if verb else 0) and done.err.count("warning: ") == 2
        assert "host:e0 goes with namespace ns when that is deleted: its other end is in it" in done.err
    assert "warning" not in host.nsapply("--plan", file).err
    host.nsapply("--destroy", file)
    assert "e0" not in [link["ifname"] for link in host.ip(None, "link")]


def test_what_is_pruned_of_another_lab_is_told(host):
    file = lab(host, "one", a={"interfaces": {"y": {"kind": "veth", "peer": "b:y"}}}, b={})
    host.nsapply(file)
    other = lab(host, "two", a={"external": True, "interfaces": {"y": {"addresses": ["10.6.0.1/24"]}}, "routes": [
        {"to": "10.67.0.0/16", "via": "10.6.0.2"}, {"to": "10.68.0.0/16", "type": "blackhole"}]})
    host.nsapply(other)
    for verb, status in (["--plan"], 2), ([], 0):
        error = host.nsapply(*verb, file, status=status).err
        for what in "addresses off a:y", "routes off a:y", "routes off a":
            assert error.count(f'warning: this takes {what}, which lab "two" has there\n') == 1
    assert "warning" not in host.nsapply(other).err + host.nsapply("--destroy", "two").err
    host.nsapply("--destroy", "one")


def test_adopted_namespaces_are_told(host):
    """Also where nothing in them is to be changed: destroy deletes them, unlike all else."""
    names = ["n%d" % i for i in range(7)]
    host.sh("".join(f"ip netns add {name}; ip -n {name} link set lo up\n" for name in names))
    file = host.write("lab.yaml", "namespaces: {n3: {}}\n")
    told = f"{file}:1:14: warning: namespace n3 is there already, and will be the lab's: destroy deletes it\n"
    for verb in ["--plan"], []:
        assert told in host.nsapply("--adopt", *verb, file).err
    assert "warning" not in host.nsapply("--adopt", file).err
    file.write_text("namespaces: {%s}\n" % ", ".join(f"{name}: {{}}" for name in names))
    error = host.nsapply("--adopt", "--plan", file).err
    assert "warning: namespaces n0, n1, n2, n4, n5 and 1 more are there already, and will be the lab's: " in error
    assert "warning" not in host.nsapply(file, status=1).err
    host.nsapply("--destroy", file)
    assert "n3" not in host.sh("ip netns").out


def test_owned_namespace_becomes_external(host):
    """What the lab then claims in it is on record as that of any external one."""
    file = lab(host, "lab", ns={"sysctl": {"net.ipv4.tcp_ecn": 1}})
    host.nsapply(file)
    host.sh("ip -n ns address add 10.8.0.1/24 dev lo")
    lab(host, "lab", ns={"external": True, "sysctl": {"net.ipv4.tcp_ecn": 1}, "interfaces": {
        "lo": {"addresses": ["10.8.0.1/24"]}}})
    host.nsapply("--adopt", file)
    host.nsapply("--plan", file)
    host.nsapply("--destroy", file)
    assert host.names() == ["ns"]
    assert host.sysctl("ns", "net.ipv4.tcp_ecn") == "2"
    assert "10.8.0.1" in str(host.ip("ns", "address"))


def test_route_by_a_network_that_stays(host):
    """Somebody else's route goes with the only IPv4 address, which another of its network replaces."""
    host.sh("ip link add bare up type veth peer name bare1; ip link set bare1 up")
    file = lab(host, "lab", host={"interfaces": {"bare": {"addresses": ["10.77.0.1/24"]}}})
    host.nsapply(file)
    host.sh("ip route add 10.78.0.0/16 via 10.77.0.9")
    before = host.ip(None, "route", "show", "10.78.0.0/16")
    lab(host, "lab", host={"interfaces": {"bare": {"addresses": ["10.77.0.2/24"]}}})
    assert "-/+ route 10.78.0.0/16 via 10.77.0.9" in host.nsapply("--plan", file, status=2).out
    host.nsapply(file)
    host.nsapply("--plan", file)
    assert before == host.ip(None, "route", "show", "10.78.0.0/16") != []


@pytest.mark.parametrize("how", [{"state": "down"}, {"sysctl": {"ipv6.disable_ipv6": 1}}], ids=["down", "no IPv6"])
def test_another_labs_loss_is_told_once(host, how):
    """That its addresses would go says enough: its routes and sysctls are not told as well."""
    host.nsapply(lab(host, "one", host={
        "interfaces": {"nic": {"addresses": ["2001:db8:77::1/64"], "sysctl": {"ipv6.hop_limit": 9}}},
        "routes": [{"to": "2001:db8:78::/64", "via": "2001:db8:77::9"}]}))
    before = host.snapshot()
    file = lab(host, "two", host={"interfaces": {"nic": how}})
    said = [line for line in host.nsapply(file, status=1).err.splitlines() if "error: " in line]
    assert len(said) == 1 and said[0].endswith(
        'error: this would take addresses off host:nic, which lab "one" has there')
    host.assert_same(before)


def test_move_that_a_lab_begins_with_later(host):
    """Also a lab that had nothing to do with others until now looks at what they hold."""
    host.nsapply(lab(host, "one", host={"interfaces": {"nic": {"addresses": ["10.77.0.1/24"]}}}))
    file = lab(host, "two", ns={})
    host.nsapply(file)
    before = host.snapshot()
    lab(host, "two", ns={"interfaces": {"nic": {"from": "host:nic"}}})
    assert 'host:nic cannot be moved away: lab "one" uses it' in host.nsapply(file, status=1).err
    host.assert_same(before)


def test_what_a_lab_owns_is_met_by_its_path(host):
    """The namespace is the same one, whatever another lab calls it."""
    host.nsapply(lab(host, "one", ns={"interfaces": {"e": {"kind": "bridge", "mtu": 1400}}}))
    before = host.snapshot()
    file = lab(host, "two", x={"external": {"path": "/run/netns/ns"}, "interfaces": {"e": {"mtu": 1300}}})
    assert 'mtu of x:e is to be 1300, but lab "one" holds it at 1400' in host.nsapply(file, status=1).err
    host.assert_same(before)


def test_own_address_is_no_loss(host):
    """An address of the lab's own that goes when the interface is set down was put back by destroy."""
    before = host.snapshot()
    file = lab(host, "lab", host={"interfaces": {"spare": {
        "addresses": [{"address": "2001:db8:9::1/64", "dad": False}]}}})
    host.nsapply(file)
    lab(host, "lab", host={"interfaces": {"spare": {"state": "down"}}})
    host.nsapply(file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_moved_away_and_named_at_home_again(host):
    before = host.snapshot()
    file = lab(host, "lab", host=None, ns={"interfaces": {"e": {"from": "host:spare"}}})
    host.nsapply(file)
    lab(host, "lab", host={"interfaces": {"spare": {"mtu": 1400}}}, ns=None)
    host.nsapply(file)
    host.nsapply("--plan", file)
    assert host.link(None, "spare")["mtu"] == 1400
    host.nsapply("--destroy", file)
    host.assert_same(before)


@pytest.mark.parametrize("switch", [
    {"forwarding": True}, {"sysctl": {"net.ipv6.conf.all.disable_ipv6": 1}}])
def test_failure_beside_a_new_interface(host, switch):
    """Its value hangs on a switch, and there was none before: going back wrote what was not there."""
    before = host.snapshot()
    file = host.write("fails.yaml", yaml.safe_dump({"name": "fails", "namespaces": {
        "ns": None, "host": {
            **switch,
            "interfaces": {"end": {"sysctl": {"ipv6.forwarding": 0, "ipv6.disable_ipv6": 0}}},
            "routes": [{"to": "10.77.0.0/24", "via": "10.99.0.1", "dev": "nic"}]}},
        "links": [["host:end", "ns:e0"]]}))
    host.nsapply(file, status=1)
    host.assert_same(before)


def test_interface_comes_home_while_a_switch_is_held(host):
    """It was away when the other lab took the switch, which therefore knows nothing of it."""
    before = host.snapshot()
    away = lab(host, "away", ns={"interfaces": {"e": {"from": "host:wire"}}})
    off = lab(host, "off", host={"forwarding": False})
    host.nsapply(away)
    host.nsapply(off)
    host.nsapply("--destroy", away)
    assert host.sysctl(None, "net.ipv6.conf.wire.forwarding") == "1"
    host.nsapply("--destroy", off)
    host.assert_same(before)


@pytest.mark.parametrize("own", [True, False])
def test_interface_comes_home_while_new_ones_start_otherwise(host, own):
    """It does not start anew as others do, neither with another lab's values nor with the lab's."""
    before = host.snapshot()
    moves = {"ns": {"interfaces": {"e": {"from": "host:spare"}}}}
    other = {"host": {"sysctl": {"net.ipv4.conf.default.forwarding": 1,
                                 "net.ipv6.conf.default.hop_limit": 44}}}
    away = lab(host, "away", **moves, **(other if own else {}))
    host.nsapply(away)
    if not own:
        host.nsapply(lab(host, "other", **other))
    lab(host, "away", ns=None, **(other if own else {}))
    host.nsapply(away)
    assert host.sysctl(None, "net.ipv4.conf.spare.forwarding") == "0"
    assert host.sysctl(None, "net.ipv6.conf.spare.hop_limit") == "64"
    host.nsapply("--destroy", "away")
    if not own:
        host.nsapply("--destroy", "other")
    host.assert_same(before)


# --- names of one value ------------------------------------------------------------------------------

def test_aliases(host):
    before = host.snapshot()
    file = lab(host, "lab", host={"forwarding": "ipv4", "sysctl": {
        "net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": 1,
        "net/ipv4/conf/all/forwarding": "0x1"}})
    host.nsapply(file)
    host.nsapply("--plan", file)
    lab(host, "lab", host={"forwarding": "ipv4"})
    host.nsapply("--plan", file)
    lab(host, "lab", host=None)
    host.nsapply(file)
    host.assert_same({**before, "run": ["nsapply"]})


def test_a_switch_for_all_puts_back_what_it_drags_along(host):
    """conf.all and conf.default change those of interfaces, too."""
    host.sh("""echo 1 > /proc/sys/net/ipv6/conf/wire/ignore_routes_with_linkdown
        echo 0 > /proc/sys/net/ipv4/conf/nic/arp_accept""")
    before = host.snapshot()
    named = lab(host, "named", host={"sysctl": {"net.ipv4.conf.wire2.rp_filter": 2}})
    file = lab(host, "lab", host={"sysctl": {
        "net.ipv6.conf.all.ignore_routes_with_linkdown": 1,
        "net.ipv4.conf.default.arp_accept": 1, "net.ipv4.conf.default.rp_filter": 1}})
    host.nsapply(file)
    host.nsapply(named)
    host.nsapply("--destroy", file)
    host.nsapply("--plan", named)
    host.nsapply("--destroy", named)
    host.assert_same(before)


@pytest.mark.parametrize("what", ["ipv6 off", "ipv6 off for all", "down"])
def test_losses_come_back_after_a_failure(host, what):
    before = host.snapshot()
    fails = {"to": "10.77.0.0/24", "via": "10.99.0.1", "dev": "nic"}
    file = lab(host, "lab", host={**SHARED[what], "routes": [fails]})
    host.nsapply(file, status=1)
    host.assert_same(before)


LOSSES = {
    "down": {"interfaces": {"wire": {"state": "down"}}},
    "mtu": {"interfaces": {"wire": {"mtu": 1200}}},
    "off": {"interfaces": {"wire": {"sysctl": {"ipv6.disable_ipv6": 1}}}},
    "off for all": {"sysctl": {"net.ipv6.conf.all.disable_ipv6": 1}},
}


@pytest.mark.parametrize("held, what", [
    *itertools.product(["address", "route", "gateway", "gateways"], LOSSES), ("sysctl", "mtu")])
def test_what_costs_another_lab_its_own_is_refused(host, held, what):
    host.sh("""echo 0 > /proc/sys/net/ipv6/conf/wire/addr_gen_mode
        ip address add 2001:db8:62::1/64 dev wire nodad""")
    before = steady(host)
    theirs = lab(host, "theirs", host={
        "address": {"interfaces": {"wire": {"addresses": [
            {"address": "2001:db8:60::1/64", "dad": False}]}}},
        "route": {"routes": [{"to": "2001:db8:61::/64", "dev": "wire"}]},
        "gateway": {"routes": [{"to": "2001:db8:61::/64", "via": "2001:db8:62::2"}]},
        "gateways": {"routes": [{"to": "2001:db8:61::/64", "nexthops": [
            {"via": "2001:db8:62::2"}, {"via": "2001:db8:62::3"}]}]},
        "sysctl": {"interfaces": {"wire": {"sysctl": {"ipv6.hop_limit": 33}}}}}[held])
    host.nsapply(theirs)
    between = steady(host)
    mine = lab(host, "mine", host=LOSSES[what])
    error = host.nsapply(mine, status=1).err
    assert "mine.yaml:" in error and 'lab "theirs" has there' in error
    host.assert_same(between)
    host.nsapply("--destroy", theirs)
    host.nsapply(mine)
    host.nsapply("--destroy", mine)
    host.assert_same(before)


@pytest.mark.parametrize("what", [
    {"sysctl": {"net.ipv6.conf.all.disable_ipv6": 1}}, {"interfaces": {"lo": {"state": "down"}}}])
def test_ipv6_routes_that_lead_nowhere_are_los(host, what):
    host.sh("""ip -6 route add unreachable 2001:db8:73::/48 metric 5
        ip -6 route add blackhole 2001:db8:74::/48 table 77
        ip address add 2001:db8:99::7/128 dev lo nodad""")
    before = steady(host)
    file = lab(host, "lab", host=what)
    host.nsapply(file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_mtu_that_makes_room_for_ipv6(host):
    host.sh("ip link set wire mtu 1200")
    before = host.snapshot()
    file = lab(host, "lab", host={"interfaces": {"wire": {
        "mtu": 1400, "sysctl": {"ipv6.hop_limit": 33, "ipv6.addr_gen_mode": 1},
        "addresses": [{"address": "2001:db8:60::1/64", "dad": False}]}}})
    host.nsapply(file)
    assert host.sysctl(None, "net.ipv6.conf.wire.hop_limit") == "33"
    host.nsapply("--plan", file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


@pytest.mark.parametrize("more", [{}, {"state": "down"}], ids=["up", "down"])
@pytest.mark.parametrize("key, value", [
    ("addr_gen_mode", 0), ("addr_gen_mode", 1), ("stable_secret", "2001:db8::5"),
    ("disable_ipv6", 1)])
def test_mtu_too_small_for_ipv6(host, key, value, more):
    """The interface is none of IPv6's any more: its IPv6 sysctls go as well, and decide about its
    link-local address when they come back."""
    host.sh(f"echo {value} > /proc/sys/net/ipv6/conf/spare/{key}")
    if key == "stable_secret":  # has no address until asked for
        host.sh("for mode in 1 2; do echo $mode > /proc/sys/net/ipv6/conf/spare/addr_gen_mode; done")
    before = steady(host)
    small = {"interfaces": {"spare": {"mtu": 1200, **more}}}
    files = [lab(host, name, host=small) for name in ("one", "two")]
    for file in files:
        host.nsapply(file)
    for file in files:
        host.nsapply("--destroy", file)
    host.assert_same(before)
    fails = {"to": "10.77.0.0/24", "via": "10.99.0.1", "dev": "nic"}
    host.nsapply(lab(host, "one", host={**small, "routes": [fails]}), status=1)
    host.assert_same(before)


# What takes IPv6's values off an interface, or all: it starts anew when it comes back.
LENT = {"mtu": {"host": {"interfaces": {"spare": {"mtu": 1200}}}},
        "moved": {"ns": {"interfaces": {"e": {"from": "host:spare"}}}}}
INITIAL = {"net.ipv4.conf.default.rp_filter": 1, "net.ipv6.conf.default.hop_limit": 33,
           "net.ipv6.conf.default.addr_gen_mode": 1}


@pytest.fixture
def started(host):
    """spare is as new interfaces are, and has the link-local address of such."""
    host.sh("echo 0 > /proc/sys/net/ipv6/conf/spare/addr_gen_mode")
    return host


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("lent", LENT)
def test_initial_values_are_set_when_it_comes_back(started, lent, bare):
    """By the very plan that brings it back."""
    host = started
    if bare:
        host.sh("""ip link delete spare; ip link add spare type veth peer name wire2
            for l in spare wire2; do
                echo 0 > /proc/sys/net/ipv6/conf/$l/accept_dad; ip link set $l up
            done""")
    before = steady(host)
    file = lab(host, "lab", **LENT[lent])
    host.nsapply(file)
    lab(host, "lab", host={"sysctl": INITIAL})
    host.nsapply(file)
    host.nsapply("--plan", file)
    for key, value in ("hop_limit", "64"), ("addr_gen_mode", "0"):
        assert host.sysctl(None, f"net.ipv6.conf.spare.{key}") == value
    # As what has always been there: IPv4's go along, but not where it ever had an address.
    assert host.sysctl(None, "net.ipv4.conf.spare.rp_filter") == ("1" if bare else "0")
    host.nsapply("--destroy", file)
    host.assert_same(before)


@pytest.mark.parametrize("lent", LENT)
@pytest.mark.parametrize("order", ["before", "meanwhile"])
@pytest.mark.parametrize("first", [0, 1])
def test_initial_values_of_another_lab(started, lent, order, first):
    host, before = started, steady(started)
    files = [lab(host, "lender", **LENT[lent]), lab(host, "initial", host={"sysctl": INITIAL})]
    for file in files[::-1] if order == "before" else files:
        host.nsapply(file)
    host.nsapply("--destroy", files[first])
    host.nsapply("--plan", files[1 - first])
    host.nsapply("--destroy", files[1 - first])
    host.assert_same(before)


def test_initial_values_that_an_interface_has_already(started):
    """It is as new ones are only for as long as another lab wants those so."""
    host = started
    host.sh("""cd /proc/sys/net; echo 1 > ipv6/conf/spare/addr_gen_mode
        echo 33 > ipv6/conf/spare/hop_limit; ip address flush dev spare scope link""")
    before = steady(host)
    initial = lab(host, "initial", host={"sysctl": INITIAL})
    for lent in LENT.values():
        file = lab(host, "lab", **lent)
        host.nsapply(initial)
        host.nsapply(file)
        host.nsapply("--destroy", initial)
        host.nsapply("--destroy", file)
        host.assert_same(before)


@pytest.mark.parametrize("how", [{"mtu": 1200}, {"state": "down"}, {"mtu": 1200, "state": "down"}],
                         ids=["mtu", "down", "both"])
def test_what_was_taken_over_gets_back_what_it_lost(host, how):
    host.sh("""ip address add 10.52.0.1/24 dev sw; ip address add 2001:db8:52::1/64 dev sw nodad
        ip route add 10.72.0.0/24 via 10.52.0.9; ip -6 route add 2001:db8:72::/48 via 2001:db8:52::9
        echo 33 > /proc/sys/net/ipv6/conf/sw/hop_limit""")
    before = steady(host)
    adopted = {"interfaces": {"sw": {"kind": "bridge", **how}}}
    fails = {"to": "10.77.0.0/24", "via": "10.99.0.1", "dev": "nic"}
    host.nsapply("--adopt", lab(host, "lab", host={**adopted, "routes": [fails]}), status=1)
    host.assert_same(before)
    file = lab(host, "lab", host=adopted)
    host.nsapply("--adopt", file)
    host.nsapply("--plan", file)
    host.nsapply("--destroy", file)
    host.assert_same(before)


# --- what goes along with the lab's own ----------------------------------------------------------

def bare(box):
    """An interface without addresses, with routes that need none."""
    box.sh("""ip address flush dev nic
        ip route add 10.70.1.0/24 dev nic
        ip route add 10.70.2.0/24 via inet6 fe80::1 dev nic
        ip route add 10.70.3.0/24 via 10.9.9.9 dev nic onlink
        ip route add 10.70.4.0/24 nexthop dev nic nexthop via 10.70.1.1 dev nic
        ip route add 10.70.5.0/24 dev nic table 77""")


@pytest.mark.parametrize("how", ["destroy", "key goes", "fails"])
def test_routes_that_go_with_the_last_address(host, how):
    bare(host)
    before = host.snapshot()
    file = lab(host, "lab", host={"interfaces": {"nic": {"addresses": ["10.60.0.1/24"]}}})
    host.nsapply(file)
    if how == "key goes":
        lab(host, "lab", host=None)
        host.nsapply(file)
    elif how == "fails":
        between = host.snapshot()
        lab(host, "lab", host={"routes": [{"to": "10.77.0.0/24", "via": "10.99.0.1", "dev": "nic"}]})
        host.nsapply(file, status=1)
        host.assert_same(between)
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_route_that_needs_the_last_address(host):
    """Somebody's route by way of the lab's network cannot stay."""
    bare(host)
    before = host.snapshot()
    file = lab(host, "lab", host={"interfaces": {"nic": {"addresses": ["10.60.0.1/24"]}}})
    host.nsapply(file)
    host.sh("""ip route add 10.71.1.0/24 via 10.60.0.9
        ip route add 10.71.2.0/24 dev nic src 10.60.0.1""")
    host.nsapply("--destroy", file)
    host.assert_same(before)


def test_secondary_address_of_another_lab(host):
    """With a primary address the kernel removes the secondary ones of its network."""
    before = host.snapshot()
    one, two = (lab(host, name, host={"interfaces": {"nic": {"addresses": [address]}}})
                for name, address in [("one", "10.60.0.1/24"), ("two", "10.60.0.2/24")])
    host.nsapply(one)
    host.nsapply(two)
    host.sh("ip address add 10.60.0.3/24 dev nic; ip route add 10.71.3.0/24 dev nic src 10.60.0.3")
    plan = host.nsapply("--destroy", "--format", "json", one).json()
    assert {(c["action"], c["object"]) for c in plan["changes"]} == {
        ("delete", "address"), ("replace", "address"), ("replace", "route")}
    host.nsapply("--plan", two)
    assert host.ip(None, "route", "show", "10.71.3.0/24")
    host.sh("ip address del 10.60.0.3/24 dev nic")
    host.nsapply("--destroy", two)
    host.assert_same(before)


# --- records that are not as they should be ----------------------------------------------------------

def test_damaged_record_of_another_lab(host):
    held = {"forwarding": True}
    before = host.snapshot()
    mine = lab(host, "mine", host=held)
    host.nsapply(mine)
    host.nsapply(lab(host, "theirs", host={"sysctl": {"net.ipv4.ip_default_ttl": 70}}))
    host.sh("echo '{' > /run/nsapply/theirs/record")
    assert "record of lab theirs" in host.nsapply(mine, status=1).err
    # What concerns nobody else is not stopped by it.
    host.nsapply(lab(host, "alone", alone=None), status=1)
    done = host.nsapply("--destroy", "mine")
    assert "warning: cannot read the record of lab theirs" in done.err
    host.sh("rm -r /run/nsapply; echo 64 > /proc/sys/net/ipv4/ip_default_ttl")
    host.assert_same(before)


def test_killed(host):
    """No claim is lost by a kill: destroying both labs afterwards is all it takes."""
    before = host.snapshot()
    held = {"forwarding": True, "interfaces": {
        "nic": {"mtu": 1400, "addresses": ["10.1.0.1/24"]}, "spare": {"state": "down"}}}
    shared = {"forwarding": True, "interfaces": {"nic": {"mtu": 1400}, "spare": {"state": "down"}}}
    one, two = lab(host, "one", host=held), lab(host, "two", host=shared)
    r = random.Random(1)
    for _ in range(25):
        for args in [one], [two], ["--destroy", one], [one], ["--destroy", two]:
            child = host.spawn(NSAPPLY, *args, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            time.sleep(r.random() * 0.012)
            child.send_signal(signal.SIGKILL)
            child.wait()
        for file in r.sample([one, two], 2):
            host.nsapply("--destroy", file)
        host.assert_same(before)


# --- any sequence ----------------------------------------------------------------------------------

# NSAPPLY_SEQUENCES: how many (25). NSAPPLY_SEED: only this one, as a failure prints it.
SEEDS = [int(os.environ["NSAPPLY_SEED"])] if os.environ.get("NSAPPLY_SEED") else \
    range(int(os.environ.get("NSAPPLY_SEQUENCES", "25")))
VALUES = {
    "net.ipv4.ip_forward": ["1", "0"],
    "net.ipv6.conf.all.forwarding": ["1", "0"],
    "net.ipv4.ip_default_ttl": ["64", "70"],
    "net.ipv4.conf.all.accept_redirects": ["0", "1"],
    "net.ipv4.conf.nic.forwarding": ["0", "1"],
    "net.ipv6.conf.wire.forwarding": ["1", "0"],
    "net.ipv4.conf.default.rp_filter": ["1", "0"],
    "net.ipv4.conf.wire2.rp_filter": ["2", "0"],
    "net.ipv6.conf.default.hop_limit": ["33", "64"],
    "net.ipv6.conf.default.addr_gen_mode": ["1", "0"],
}
ROWS = {("nic", "mtu"): [1400, 1500], ("nic", "mac"): ["02:00:00:00:88:71", "02:00:00:00:88:11"],
        ("wire", "master"): ["sw"], ("wire", "mtu"): [1450], ("spare", "state"): ["down", "up"],
        ("spare", "mtu"): [1200], ("wire2", "mtu"): [1000, 1500]}
ADDRESSES = [("nic", "10.50.0.9/24"), ("nic", "10.50.0.8/24"), ("nic", "10.52.0.1/24"),
             ("wire2", "10.53.0.1/24")]
ROUTES = ["10.70.9.0/24", "10.70.8.0/24"]
BRIDGES = ["sw", "br"]
MOVED = ["wire3"]


class HeldByLab:
    """What one lab's file names; single: what nobody else may name then."""

    def __init__(self, r):
        self.values, self.rows, self.single = {}, {}, set()
        calm = r.random() < 0.7  # mostly labs agree
        for name, values in VALUES.items():
            if r.random() < 0.3:
                self.values[name] = values[0] if calm else r.choice(values)
        for row, values in ROWS.items():
            if r.random() < 0.3:
                self.rows[row] = values[0] if calm else r.choice(values)
        for pool, odds in (ADDRESSES, 0.2), (ROUTES, 0.2), (BRIDGES, 0.15), (MOVED, 0.25):
            self.single |= {one for one in pool if r.random() < odds}

    def text(self, name):
        interfaces = {}
        for (link, key), value in self.rows.items():
            interfaces.setdefault(link, {})[key] = value
        for link, address in sorted(s for s in self.single if isinstance(s, tuple)):
            interfaces.setdefault(link, {}).setdefault("addresses", []).append(address)
        for bridge in sorted(self.single & {*BRIDGES}):
            interfaces.setdefault(bridge, {}).update(kind="bridge", mcast_snooping=False)
        routes = [{"to": to, "dev": "nic"} for to in sorted(self.single & {*ROUTES})]
        host = {"sysctl": self.values, "interfaces": interfaces, "routes": routes}
        own = {"interfaces": {link: {"from": f"host:{link}"} for link in self.single & {*MOVED}}}
        return yaml.safe_dump({"name": name, "namespaces": {"host": host, f"ns-{name}": own},
                               "links": [[f"host:{name}", f"ns-{name}:e0"]]})

    def conflicts(self, other):
        return (any(other.values.get(k, v) != v for k, v in self.values.items())
                or any(other.rows.get(k, v) != v for k, v in self.rows.items())
                or bool(self.single & other.single))

    def check(self, box):
        for name, value in self.values.items():
            assert box.sysctl(None, name) == value, name
        links = {l["ifname"]: l for l in box.ip(None, "address")}
        words = {"mtu": lambda l: l["mtu"], "mac": lambda l: l["address"],
                 "master": lambda l: l.get("master"),
                 "state": lambda l: "up" if "UP" in l["flags"] else "down"}
        for (link, key), value in self.rows.items():
            assert words[key](links[link]) == value, (link, key)
        for link, address in (s for s in self.single if isinstance(s, tuple)):
            assert address in [f"{a['local']}/{a['prefixlen']}" for a in links[link]["addr_info"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_sequence(host, seed):
    print(f"again: NSAPPLY_SEED={seed} tools/test -k test_any_sequence")
    r, before, standing = random.Random(seed), host.snapshot(), {}
    for _ in range(14):
        name = r.choice(["one", "two", "three"])
        others = [lab for other, lab in standing.items() if other != name]
        if name in standing and r.random() < 0.4:
            host.nsapply("--destroy", name)
            del standing[name]
        else:
            held = HeldByLab(r)
            file = host.write(f"{name}.yaml", held.text(name))
            refused = any(held.conflicts(other) for other in others)
            result = host.nsapply("--adopt", file, status=1 if refused else 0)
            if refused:
                assert 'lab "' in result.err or "no interface host:wire3 to be moved" in result.err
                if name in standing:
                    host.write(f"{name}.yaml", standing[name].text(name))
            else:
                standing[name] = held
        for other, lab_held in standing.items():
            host.nsapply("--plan", f"{other}.yaml")
            lab_held.check(host)
    for name in r.sample(sorted(standing), len(standing)):
        host.nsapply("--destroy", name)
    host.assert_same(before)
