# SPDX-License-Identifier: MIT
"""A default route that a router advertised is lost when IPv6 forwarding is turned on, and cannot be
put back: it is not lost by an accident of the file."""
import socket
import struct
import time

import pytest

ALL_NODES = "ff02::1"
ROUTER_ADVERTISEMENT = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)


def advertise():
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        s.sendto(ROUTER_ADVERTISEMENT, (ALL_NODES, 0, 0, socket.if_nametoindex("wire")))


def defaults(box):
    return [route["gateway"] for route in box.ip("host", "-6", "route", "show", "default")]


@pytest.fixture
def uplink(box):
    """A host whose nic has its default route from a router."""
    box.sh("""
        ip netns add router
        ip link add nic type veth peer name wire netns router
        ip -n router link set wire address 02:00:00:00:00:01
        sysctl -qw net.ipv6.conf.nic.accept_dad=0
        ip netns exec router sysctl -qw net.ipv6.conf.wire.accept_dad=0
        ip link set nic up; ip -n router link set wire up
    """)
    box.calm()
    for _ in range(600):  # it is enough that it comes at all
        try:
            box.inside("router", advertise)
        except OSError:
            pass  # the router has no address yet
        time.sleep(0.03)
        if defaults(box):
            break
    assert defaults(box) == ["fe80::ff:fe00:1"]
    return box


SWITCHES = {
    "forwarding": ("{host: {forwarding: true}}", "{host: {forwarding: true, "),
    "ipv6 only": ("{host: {forwarding: ipv6}}", "{host: {forwarding: ipv6, "),
    "sysctl": ("{host: {sysctl: {net.ipv6.conf.all.forwarding: 1}}}",
               "{host: {sysctl: {net.ipv6.conf.all.forwarding: 1}, "),
    "of an interface": ("{host: {interfaces: {lo: {sysctl: {ipv6.forwarding: 1}}}}}", None),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_is_refused(uplink, switch):
    before = uplink.snapshot()
    plain, kept = SWITCHES[switch]
    file = uplink.write("lab.yaml", f"name: lab\nnamespaces: {plain}\n")
    for options in ([], ["--plan"]):
        done = uplink.nsapply(*options, file, status=1)
        assert "lose the default route that a router advertised to host:nic" in done.err
        assert "lab.yaml:2:" in done.err and "ipv6.accept_ra: 2" in done.err
    uplink.assert_same(before)
    if not kept:
        return
    # As the hint says; the order of the two matters, and the file does not say it.
    file.write_text(f"name: lab\nnamespaces: {kept}"
                    "interfaces: {nic: {sysctl: {ipv6.accept_ra: 2}}}}}\n")
    uplink.nsapply(file)
    assert defaults(uplink) == ["fe80::ff:fe00:1"]
    uplink.nsapply("--plan", file)
    uplink.nsapply("--destroy", "lab")
    uplink.assert_same(before)


def test_accept_ra_stands_at_2_already(uplink):
    uplink.sh("sysctl -qw net.ipv6.conf.nic.accept_ra=2")
    before = uplink.snapshot()
    file = uplink.write("lab.yaml", "name: lab\nnamespaces: {host: {forwarding: true}}\n")
    uplink.nsapply(file)
    assert defaults(uplink) == ["fe80::ff:fe00:1"]
    uplink.nsapply("--destroy", "lab")
    uplink.assert_same(before)


@pytest.mark.parametrize("text", ["{host: {forwarding: ipv4}}", "{host: {forwarding: false}}",
                                  "{host: {sysctl: {net.ipv6.conf.default.forwarding: 1}}}"])
def test_what_does_no_harm(uplink, text):
    before = uplink.snapshot()
    file = uplink.write("lab.yaml", f"name: lab\nnamespaces: {text}\n")
    uplink.nsapply(file)
    assert defaults(uplink) == ["fe80::ff:fe00:1"]
    uplink.nsapply("--destroy", "lab")
    uplink.assert_same(before)


def test_route_of_a_program(box):
    """What systemd-networkd or NetworkManager takes from a router is as any route to the kernel."""
    box.sh("""
        ip link add nic type veth peer name wire; sysctl -qw net.ipv6.conf.nic.accept_ra=0
        ip link set nic up; ip link set wire up
        ip -6 route add default via fe80::1 dev nic proto ra
    """)
    before = box.snapshot()
    file = box.write("lab.yaml", "name: lab\nnamespaces: {host: {forwarding: true}}\n")
    box.nsapply(file)
    assert defaults(box) == ["fe80::1"]
    box.nsapply("--destroy", "lab")
    box.assert_same(before)


def test_interface_that_leaves(uplink):
    """Its routes go with it anyway."""
    file = uplink.write("lab.yaml", "name: lab\nnamespaces: {host: {forwarding: true},\n"
                        "  a: {interfaces: {nic: {from: 'host:nic'}}}}\n")
    uplink.nsapply(file)
    uplink.nsapply("--plan", file)
    uplink.nsapply("--destroy", "lab")
    assert uplink.link("host", "nic")["operstate"] == "UP"
