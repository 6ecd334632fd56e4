# SPDX-License-Identifier: MIT
"""An existing interface, moved into a lab by `from`, comes back exactly as it was found: by destroy,
when the file no longer wants it, and when the apply fails after the move."""
import os

import pytest

# The interface itself: one end of a cable, or, of a kind that nsapply does not know, all there is.
# wire has no IPv6: what it would get of its own with its first carrier is not ours to put back.
NICS = {
    "veth": """ip link add nic type veth peer name wire
        echo 1 > /proc/sys/net/ipv6/conf/wire/disable_ipv6
        ip link set wire up""",
    "dummy": "ip link add nic type dummy",
}
SURROUNDINGS = """
ip link add sw type bridge
ip link set sw up
echo 0 > /proc/sys/net/ipv6/conf/nic/accept_dad
"""
# How it is found: a script that makes it so.
FOUND = {
    "down": "",
    "up": "ip link set nic up",
    "mtu": "ip link set nic mtu 1400 up",
    "mac": "ip link set nic address 02:00:00:00:00:09 up",
    "master": "ip link set nic up; ip link set nic master sw",
    "addresses": """ip link set nic up
        ip address add 192.0.2.2/24 dev nic
        ip address add 192.0.2.1/24 dev nic
        ip address add 192.0.2.3/24 dev nic
        ip address add 198.51.100.1/32 peer 198.51.100.2 dev nic label nic:p2p
        ip address add 2001:db8::1/64 dev nic nodad""",
    "addresses with more to them": """ip link set nic up
        ip address add 192.0.2.1/24 brd + dev nic
        ip address add 192.0.3.1/24 brd 192.0.3.7 dev nic metric 50 preferred_lft 0
        ip address add 192.0.4.1/24 dev nic noprefixroute
        ip address add 2001:db8:1::1/64 dev nic nodad noprefixroute
        ip address add 2001:db8:2::1/64 dev nic nodad metric 77 preferred_lft 0 home""",
    "addresses, down": """ip address add 192.0.2.1/24 dev nic
        ip address add 192.0.2.9/32 scope link dev nic""",
    "routes": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add default via 192.0.2.254 metric 100
        ip route add 203.0.113.0/24 via 192.0.2.253 src 192.0.2.1 mtu 1300
        ip route add 198.51.100.0/24 dev nic table 50
        ip route add 10.1.0.0/16 via 192.0.2.9 proto 66
        ip route add 2001:db8:1::/48 via 2001:db8::fe
        ip route add default via 2001:db8::ff""",
    "routes with more to them": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add 10.1.0.0/16 via 192.0.2.9 mtu 1300 window 1000 initcwnd 20 quickack 1
        ip route add 10.2.0.0/16 dev nic mtu lock 1200 advmss 900 congctl reno
        ip route add 10.3.0.0/16 via 192.0.2.9 realm 3
        ip route add 2001:db8:1::/48 via 2001:db8::fe pref high
        ip route add 2001:db8:2::/48 via 2001:db8::fe hoplimit 9 mtu 1400
        ip route add 10.4.0.0/16 encap ip id 7 dst 192.0.2.9 ttl 9 dev nic""",
    # So do NetworkManager, and systemd-networkd: the routes to the networks are their own.
    "routes as of the kernel": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic noprefixroute valid_lft 3600 preferred_lft 3600
        ip route add 192.0.2.0/24 dev nic proto kernel scope link src 192.0.2.1 metric 100
        ip route add default via 192.0.2.254 dev nic proto dhcp src 192.0.2.1 metric 100
        ip address add 2001:db8::1/64 dev nic nodad noprefixroute
        ip route add 2001:db8::/64 dev nic proto kernel metric 100
        ip route add default via 2001:db8::ff dev nic proto static metric 100""",
    "routes as of the kernel beside its own": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip route add 192.0.2.0/24 dev nic proto kernel scope link src 192.0.2.1 table 50
        ip address add 198.51.100.1/24 dev nic noprefixroute
        ip address add 198.51.100.2/24 dev nic
        ip route add 198.51.100.0/24 dev nic proto kernel scope link src 198.51.100.1
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add 2001:db8::/64 dev nic proto kernel table 50""",
    "source of routes elsewhere": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add 10.9.0.0/16 dev sw src 192.0.2.1
        ip route add unreachable 10.8.0.0/16 src 192.0.2.1
        ip route add 2001:db8:9::/48 dev sw src 2001:db8::1""",
    "routes of the last metric": """ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add 10.9.0.0/16 via 192.0.2.254 metric 4294967295
        ip route add 2001:db8:1::/48 via 2001:db8::fe metric 4294967295
        ip route add default via 2001:db8::ff metric 4294967295""",
    "sysctls": """ip link set nic up
        cd /proc/sys/net
        echo 2 > ipv4/conf/nic/rp_filter
        echo 1 > ipv4/conf/nic/arp_ignore
        echo 33 > ipv6/conf/nic/hop_limit
        echo 0 > ipv6/conf/nic/accept_ra
        echo 12 > ipv4/neigh/nic/ucast_solicit""",
    "everything": """ip link set nic mtu 1400 address 02:00:00:00:00:09 up
        ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip route add default via 192.0.2.254
        ip route add 2001:db8:1::/48 via 2001:db8::fe
        echo 2 > /proc/sys/net/ipv4/conf/nic/rp_filter""",
}

LAB = """
name: move
namespaces:
  client:
    interfaces:
      %s: {from: 'host:nic', addresses: [192.0.2.77/24, '2001:db8::77/64'], mtu: 1450}
    routes:
      - {to: default, via: 192.0.2.254}
"""
# The kernel refuses that last route only when it is added: a gateway in an external namespace
# is not looked at beforehand.
FAILS = LAB + """
  other:
    external: true
    routes:
      - {to: 10.0.0.0/8, via: 192.0.2.254}
"""


@pytest.fixture(params=NICS)
def nic(request, box):
    probe = box.run("ip", "link", "add", "nic", "type", request.param, status=None)
    if probe.status:
        pytest.skip(f"no {request.param} in this kernel: {probe.err.strip()}")
    box.sh("ip link delete nic\n" + NICS[request.param] + SURROUNDINGS)
    return box


@pytest.fixture(params=FOUND)
def found(request, nic):
    box = nic
    box.sh(FOUND[request.param])
    box.sh("ip netns add other")
    box.calm()
    return box


@pytest.mark.parametrize("name", ["nic", "eth0"])
def test_comes_back(found, name):
    box, before = found, found.snapshot()
    file = box.write("move.yaml", LAB % name)
    box.nsapply(file)
    assert "nic" not in box.snapshot()["host"]["link"]
    assert box.link("client", name)["mtu"] == 1450
    box.nsapply("--plan", file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_comes_back_after_failure(found):
    box, before = found, found.snapshot()
    file = box.write("move.yaml", FAILS % "eth0")
    failed = box.nsapply(file, status=1)
    assert "other" in failed.err
    box.assert_same(before)


def test_comes_back_when_no_longer_wanted(found):
    box, before = found, found.snapshot()
    file = box.write("move.yaml", LAB % "eth0")
    box.nsapply(file)
    file.write_text("name: move\nnamespaces: {client: {}}\n")
    box.nsapply(file)
    assert [k["ifname"] for k in box.ip("client", "link")] == ["lo"]
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_missing(box):
    before = box.snapshot()
    file = box.write("move.yaml", LAB % "eth0")
    failed = box.nsapply(file, status=None)
    assert failed.status in (1, 3)
    assert "move.yaml:6:20: error:" in failed.err and "nic" in failed.err
    box.assert_same(before)


def test_gone_with_its_namespace(nic):
    """Somebody deleted the namespace, and with it the interface: what to do about it is said."""
    box = nic
    file = box.write("move.yaml", LAB % "eth0")
    box.nsapply(file)
    box.sh("ip netns delete client; while ip link show wire; do sleep 0.02; done"
           if box.ip(None, "link", "show", "type", "veth") else "ip netns delete client; sleep 0.3")
    failed = box.nsapply(file, status=1)
    assert "move.yaml:6:20: error: there is no interface host:nic" in failed.err
    assert "deleted by hand" in failed.err and "destroy the lab" in failed.err
    done = box.nsapply("--destroy", file)
    assert done.err.count("warning: host:nic is not given back") == 1
    assert box.names() == []


@pytest.mark.parametrize("keys", [
    "mtu: 1300, addresses: [10.44.0.1/24], sysctl: {ipv4.rp_filter: 1}, state: down",
    "mtu: 1200", "sysctl: {ipv6.disable_ipv6: 1}"], ids=["down", "small mtu", "no ipv6"])
@pytest.mark.parametrize("how", ["everything", "routes as of the kernel"])
def test_existing_on_the_host(nic, how, keys):
    """An existing interface that stays where it is: what the file names is changed and put back."""
    box = nic
    box.sh(FOUND[how])
    before = box.snapshot()
    file = box.write("host.yaml", f"""
namespaces:
  host:
    forwarding: true
    interfaces:
      nic: {{{keys}}}
""")
    box.nsapply(file)
    assert ("UP" in box.link(None, "nic")["flags"]) == ("state: down" not in keys)
    box.nsapply("--plan", file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_forwarding_puts_back_what_it_drags_along(box):
    box.sh("""ip link add nic type veth peer name wire
        echo 1 > /proc/sys/net/ipv4/conf/nic/forwarding
        echo 1 > /proc/sys/net/ipv4/conf/wire/accept_redirects
        echo 0 > /proc/sys/net/ipv4/conf/nic/accept_redirects
        echo 1 > /proc/sys/net/ipv6/conf/wire/forwarding""")
    before = box.snapshot()
    file = box.write("host.yaml", "namespaces: {host: {forwarding: true}}\n")
    box.nsapply(file)
    assert box.sysctl(None, "net.ipv4.ip_forward") == "1"
    box.nsapply("--destroy", file)
    box.assert_same(before)


# Routes that nsapply cannot set again: a script each, what is said of it, and of which route.
SPECIAL = {
    "tos": ("ip route add 10.9.0.0/16 tos 0x10 via 192.0.2.9", "10.9.0.0/16 via 192.0.2.9", "has a TOS"),
    "source": ("ip -6 route add 2001:db8:9::/48 from 2001:db8:8::/48 via 2001:db8::9 dev nic",
               "2001:db8:9::/48 via 2001:db8::9 metric 1024", "has a source prefix"),
    "nexthop object": ("ip nexthop add id 7 via 192.0.2.9 dev nic; ip route add 10.9.0.0/16 nhid 7",
                       "10.9.0.0/16 via 192.0.2.9", "uses a nexthop object"),
    "appended": ("""ip route add 10.9.0.0/16 via 192.0.2.9
        ip route append 10.9.0.0/16 via 198.51.100.9""",
                 "10.9.0.0/16 via 192.0.2.9", "is one of several of this destination and metric"),
    "tos, next hops": ("""ip route add 10.9.0.0/16 tos 0x10 nexthop via 198.51.100.9 nexthop via 192.0.2.9""",
                       "10.9.0.0/16", "has a TOS"),
    "multicast": ("ip route add multicast 239.1.0.0/16 dev nic", "239.1.0.0/16 dev nic", "is of type multicast"),
    "multicast, IPv6": ("ip -6 route add multicast ff05::/16 dev nic", "ff05::/16 dev nic metric 1024",
                        "is of type multicast"),
    "broadcast": ("ip route add broadcast 203.0.113.0/24 dev nic", "203.0.113.0/24 dev nic table local",
                  "is of a type that there is no key for"),
}


@pytest.mark.parametrize("how", ["{namespaces: {client: {interfaces: {nic: {from: 'host:nic'}}}}}",
                                 "{namespaces: {host: {interfaces: {nic: {state: down}}}}}"],
                         ids=["move", "down"])
@pytest.mark.parametrize("what", SPECIAL)
def test_route_that_could_not_come_back(box, what, how):
    script, route, why = SPECIAL[what]
    box.sh(NICS["veth"] + SURROUNDINGS + """
        ip link set nic up; ip address add 192.0.2.1/24 dev nic
        ip address add 2001:db8::1/64 dev nic nodad
        ip address add 198.51.100.1/24 dev sw""")
    probe = box.sh(script, status=None)
    if probe.status:
        pytest.skip(f"not in this kernel: {probe.err}")
    box.calm()
    before = box.snapshot()
    file = box.write("lab.yaml", "name: lab\n" + how.replace("{", "", 1).removesuffix("}") + "\n")
    for options in [], ["--adopt"], ["--plan"]:
        error = box.nsapply(*options, file, status=1).err
        assert "lab.yaml:2:" in error
        said = f"error: this would cost host:nic the route {route}, which {why}\n"
        assert said in error, error
        assert "hint: nsapply could not set it again: delete it first, or leave this out" in error
    box.assert_same(before)
    box.sh("ip link set nic down; ip link set nic up; ip route flush 10.9.0.0/16")
    box.nsapply(file)
    box.nsapply("--destroy", file)


@pytest.mark.parametrize("then", ["destroy", "apply", "fail", "external"])
def test_what_was_moved_into_a_namespace_that_somebody_renamed(box, then):
    box.sh(NICS["veth"] + "\nip link set nic up; ip address add 192.0.2.1/24 dev nic")
    box.calm()
    box.sh("mkdir -p /run/mount; touch /run/mount/utab")
    before = box.snapshot()
    lab = """name: lab
namespaces:
  a:
    interfaces:
      x: {from: host:nic, addresses: [10.1.1.1/24]}
      v: {kind: veth, peer: host:v, addresses: [10.0.0.1/24]}
    routes: [{to: 10.5.0.0/16, via: 10.1.1.2}]
%s
"""
    file = box.write("lab.yaml", lab % "")
    box.nsapply(file)
    box.sh("touch /run/netns/z; mount --bind /run/netns/a /run/netns/z; umount /run/netns/a; rm /run/netns/a")
    told = "warning: namespace a of lab lab is called z now: it is left alone\n"
    if then == "apply":
        assert "link a:x (from z:x" in box.nsapply("--plan", file, status=2).out
        assert told in box.nsapply(file).err
        assert [l["ifname"] for l in box.ip("z", "link")] == ["lo"]
        assert box.link("a", "x")["operstate"]
        box.nsapply("--plan", file)
    elif then == "external":
        file.write_text("""name: lab
namespaces: {w: {external: {path: /run/netns/z}, interfaces: {x: {from: host:nic}}}}
""")
        box.nsapply(file)
        assert box.link("z", "x")["operstate"]
    elif then == "fail":
        other = box.write("other.yaml", "name: other\nnamespaces: {z: {}}\n")
        assert 'namespace "z" is lab "lab"' in box.nsapply("--adopt", other, status=1).err
        renamed = box.snapshot()
        file.write_text(lab % "    processes: {p: {command: ['false'], ready: {log: never}}}")
        assert "rolling back" in box.nsapply(file, status=1).err
        box.assert_same(renamed)
    done = box.nsapply("--destroy", file)
    assert (told in done.err) == (then in ("destroy", "fail")), "it is a new one, or no longer the lab's, by then"
    box.sh("ip netns delete z; ip link delete v 2>/dev/null || :")
    box.assert_same(before)


def test_routes_that_no_file_can_name_are_left_in_a_namespace_of_the_lab(box):
    file = box.write("lab.yaml", """name: lab
namespaces: {a: {interfaces: {b0: {kind: bridge, addresses: [192.0.2.1/24]}}}}
""")
    box.nsapply(file)
    box.sh("""ip -n a route add 10.9.0.0/16 tos 0x10 via 192.0.2.9
        ip -n a route add multicast 239.1.0.0/16 dev b0
        ip -n a route add 10.8.0.0/16 via 192.0.2.9""")
    done = box.nsapply(file)
    assert "warning: namespace a has a route with a TOS or a source prefix: left alone\n" in done.err
    assert done.err.count("warning") == 1
    assert "0 created, 0 changed, 0 replaced, 1 deleted" in done.out + done.err
    assert {r["dst"] for r in box.ip("a", "route")} == {"192.0.2.0/24", "10.9.0.0/16", "239.1.0.0/16"}


def test_route_that_could_not_come_back_elsewhere(box):
    """What stays where it is may have any routes."""
    box.sh(NICS["veth"] + SURROUNDINGS + "ip address add 192.0.2.1/24 dev sw")
    for script, _, _ in SPECIAL.values():
        box.sh(script.replace("nic", "sw"), status=None)
    file = box.write("lab.yaml", "namespaces: {client: {interfaces: {nic: {from: 'host:nic'}}}}\n")
    box.calm()
    before = box.snapshot()
    box.nsapply(file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_route_that_the_kernel_makes_by_now(box):
    """It was somebody's before, though it said that it was the kernel's."""
    box.sh(NICS["veth"] + """
        ip link set nic up; ip address add 192.0.2.1/24 dev nic noprefixroute
        ip route add 192.0.2.0/24 dev nic proto kernel scope link src 192.0.2.1""")
    file = box.write("lab.yaml", "name: lab\nnamespaces: {host: {interfaces: {nic: {state: down}}}}\n")
    box.nsapply(file)
    box.sh("ip address del 192.0.2.1/24 dev nic; ip address add 192.0.2.1/24 dev nic")
    box.nsapply("--destroy", file)
    assert [r["dst"] for r in box.ip(None, "route")] == ["192.0.2.0/24"]


def test_route_in_whose_place_is_another_by_now(box):
    box.sh(NICS["veth"] + SURROUNDINGS + """
        ip link set nic up; ip address add 192.0.2.1/24 dev nic
        ip address add 198.51.100.1/24 dev sw
        ip route add default via 192.0.2.254 metric 100""")
    file = box.write("lab.yaml", "name: lab\nnamespaces: {host: {interfaces: {nic: {state: down}}}}\n")
    box.nsapply(file)
    box.sh("ip address flush dev nic; ip route add default via 198.51.100.254 metric 100")
    said = box.nsapply("--destroy", file).err
    assert "warning: not put back: route default metric 100 in host: " in said
    assert [r["gateway"] for r in box.ip(None, "route", "show", "default")] == ["198.51.100.254"]


def test_default_route_that_goes_along(box):
    """Who works on another machine may be cut off: it is told before, and only then."""
    box.sh(NICS["veth"] + """
        ip link set nic up
        ip address add 192.0.2.1/24 dev nic
        ip route add default via 192.0.2.254""")
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {interfaces: {up: {from: host:nic}}}}\n")
    told = f"{file}:2:42: warning: host loses its route default via 192.0.2.254 with nic, which is to be moved"
    assert told in box.nsapply("--plan", file, status=2).err
    assert told in box.nsapply(file).err
    assert "warning" not in box.nsapply(file).err + box.nsapply("--destroy", file).err
    box.sh("ip route flush default; ip -6 route add default via fe80::1 dev nic proto ra")
    error = box.nsapply("--plan", file, status=2).err
    assert f"{file}:2:42: warning: host loses the default route that a router advertised to nic, which" in error
    assert error.count("warning") == 1
    box.sh("ip -6 route flush default; ip route add default via 192.0.2.254")
    lab = "name: lab\nnamespaces: {a: {interfaces: {up: {from: host:nic}%s}}%s}\n"
    file.write_text(lab % ("", """, host: {routes: [{to: default, via: 192.0.3.254}],
        interfaces: {sw: {kind: bridge, addresses: [192.0.3.1/24]}}}"""))
    assert "warning" not in box.nsapply("--plan", "--adopt", file, status=2).err, "the file has one itself"
    box.sh("""ip link add other type veth peer name far; ip link set other up; ip link set far up
        ip address add 192.0.4.1/24 dev other
        ip route replace default nexthop via 192.0.2.254 nexthop via 192.0.4.254""")
    file.write_text(lab % (", second: {from: host:other}", ""))
    assert box.nsapply("--plan", file, status=2).err.count("warning") == 1, "of one route"


def test_bridge_that_somebody_made_anew_is_named_without_a_kind(box):
    file = box.write("lab.yaml", "name: lab\nnamespaces: {host: {interfaces: {b0: {kind: bridge}}}}\n")
    box.nsapply(file)
    box.sh("ip link delete b0; ip link add b0 type bridge")
    file.write_text("name: lab\nnamespaces: {host: {interfaces: {b0: {mtu: 1400}}}}\n")
    box.nsapply(file)
    box.nsapply("--destroy", file)
    assert box.link(None, "b0")["mtu"] == 1500


# What the kernel deletes when what it goes by way of moves.
UPPERS = {
    "vxlan": "ip link add tunnel type vxlan id 5 dstport 4789 remote 192.0.2.9 dev nic",
    "macsec": "ip link add link nic name tunnel type macsec",
}


@pytest.mark.parametrize("kind", UPPERS)
def test_what_goes_with_it(box, kind):
    """Not so a macvlan."""
    box.sh(NICS["veth"] + "\nip link set nic up; ip link add over link nic type macvlan")
    if box.run("sh", "-c", UPPERS[kind], status=None).status:
        pytest.skip(f"this kernel has no {kind}")
    box.calm()
    before = box.snapshot()
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {interfaces: {x: {from: 'host:nic'}}}}\n")
    for options in ["--plan"], []:
        error = box.nsapply(*options, file, status=1).err
        assert "lab.yaml:2:" in error and f"delete host:tunnel with it, a {kind}" in error
    # Nor is it saved by being moved itself.
    both = box.write("both.yaml", "name: both\nnamespaces: {a: {interfaces: {x: {from: 'host:nic'}, "
                                  "y: {from: 'host:tunnel'}}}}\n")
    assert f"delete host:tunnel with it, a {kind}" in box.nsapply(both, status=1).err
    box.assert_same(before)
    box.sh("ip link delete tunnel; ip link set nic up")
    before = box.snapshot()
    box.nsapply(file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


ONE = "name: one\nnamespaces: {a: {interfaces: {%s}}}\n"
TWO = "name: two\nnamespaces: {b: {interfaces: {x: {from: 'host:%s'}}}}\n"
TUNNEL = NICS["veth"] + "\nip link set nic up\n" + UPPERS["vxlan"]


def test_what_goes_with_it_and_is_elsewhere(box):
    """Moved by this lab, or by another one, it is deleted all the same."""
    box.sh(TUNNEL)
    box.calm()
    before = box.snapshot()
    one = box.write("one.yaml", ONE % "y: {from: 'host:tunnel'}")
    box.nsapply(one)
    for interfaces in "y: {from: 'host:tunnel'}, x: {from: 'host:nic'}", "x: {from: 'host:nic'}":
        one.write_text(ONE % interfaces)
        assert "delete a:y with it, a vxlan that goes by way" in box.nsapply(one, status=1).err
    one.write_text(ONE % "y: {from: 'host:tunnel'}")
    box.sh("ip link set nic down; ip link set nic name old")
    two = box.write("two.yaml", TWO % "old")
    error = box.nsapply(two, status=1).err
    assert 'delete host:tunnel with it, which lab "one" has moved and which goes by way of it' in error
    assert "destroy that first" in error
    box.sh("ip link set old name nic; ip link set nic up")
    box.nsapply("--plan", one)
    box.nsapply("--destroy", one)
    box.assert_same(before)


def test_what_goes_with_another_by_now(box):
    """It was made anew after it had been moved, or has another one's name beside it."""
    box.sh(TUNNEL + """
        ip link add other type veth peer name end
        ip link set other up""")
    one = box.write("one.yaml", ONE % "y: {from: 'host:tunnel'}")
    box.nsapply(one)
    box.sh("ip -n a link delete y")
    box.sh(UPPERS["vxlan"].replace("dev nic", "dev other"))
    box.nsapply(one)
    two = box.write("two.yaml", TWO % "other")
    assert 'delete host:tunnel with it, which lab "one" has moved' in box.nsapply(two, status=1).err
    box.sh("ip link set nic down; ip link set nic name wires")
    box.sh("ip link set other down; ip link set other name nic; ip link set nic up; ip link set wires name other")
    box.nsapply(two)
    box.nsapply("--destroy", two)
    box.nsapply("--destroy", one)
    assert box.link(None, "tunnel")["linkinfo"]["info_data"]["link"] == "nic"


def test_what_was_made_anew_and_goes_with_nothing(box):
    box.sh(TUNNEL + "\nip link add other type veth peer name end")
    one = box.write("one.yaml", ONE % "y: {from: 'host:tunnel'}")
    box.nsapply(one)
    box.sh("ip -n a link delete y")
    box.sh(UPPERS["vxlan"].replace("dev nic", "dev other"))
    one.write_text(ONE % "y: {from: 'host:tunnel'}, x: {from: 'host:nic'}")
    box.nsapply(one)
    box.nsapply("--destroy", one)
    assert box.link(None, "tunnel")


def test_what_somebody_made_on_top_of_what_was_moved(box):
    """In an external namespace it is theirs, and would go with what only gets another name."""
    box.sh(TUNNEL + "\nip netns add other")
    box.sh("ip link delete tunnel")
    text = "name: lab\nnamespaces: {other: {external: true, interfaces: {%s: {from: 'host:nic'}}}}\n"
    file = box.write("lab.yaml", text % "x")
    box.nsapply(file)
    box.sh("ip -n other " + UPPERS["vxlan"].replace("ip ", "", 1).replace("dev nic", "dev x"))
    file.write_text(text % "xx")
    for options in ["--plan"], []:
        assert "delete other:tunnel with it, a vxlan" in box.nsapply(*options, file, status=1).err
    assert box.link("other", "tunnel")
    box.sh("ip -n other link delete tunnel")
    box.nsapply(file)
    box.nsapply("--destroy", file)


def test_index_of_another_namespace(box):
    """A vxlan in a container names what it sends by with an index of the host."""
    box.sh(NICS["veth"] + """
        ip netns add box
        ip link add tunnel type vxlan id 5 dstport 4789 remote 192.0.2.9 dev nic
        ip link set tunnel netns box""")
    index = box.link(None, "nic")["ifindex"]
    box.sh(f"ip -n box link add own index {index} type veth peer name end")
    file = box.write("lab.yaml", "name: lab\nnamespaces: {box: {external: true}, "
                                 "a: {interfaces: {x: {from: 'box:own'}}}}\n")
    box.nsapply(file)
    box.nsapply("--destroy", file)
    assert box.link("box", "own")


# What somebody does meanwhile to what a route on record goes by.
WAYS = {
    "interface": "ip link delete sw",
    "address": "ip address delete 198.51.100.1/24 dev sw",
    "down": "ip link set sw down",
}


@pytest.mark.parametrize("what", WAYS)
def test_route_whose_way_is_gone(box, what):
    """It is told, and is no reason to keep everything else."""
    box.sh(NICS["veth"] + SURROUNDINGS + """
        ip link set nic up; ip address add 192.0.2.1/24 dev nic
        ip address add 198.51.100.1/24 dev sw
        ip route add 10.9.0.0/16 nexthop via 192.0.2.9 nexthop via 198.51.100.9
        ip route add 10.8.0.0/16 via 192.0.2.9""")
    file = box.write("lab.yaml", "namespaces: {client: {interfaces: {nic: {from: 'host:nic'}}}}\n")
    box.calm()
    routes = box.ip(None, "route")
    box.nsapply(file)
    box.sh(WAYS[what])
    done = box.nsapply("--destroy", file)
    said = done.err.splitlines()
    assert said[1].startswith("nsapply: warning: not put back: route 10.9.0.0/16 nexthop via 192.0.2.9 "), said
    assert done.err.count("warning") == 1 and "was there before the lab" in said[2], said
    gone = {"10.9.0.0/16", "198.51.100.0/24"}
    assert {r["dst"] for r in box.ip(None, "route")} == {r["dst"] for r in routes} - gone
    assert box.names() == [] and box.nsapply("--list").out.strip() == ""


@pytest.mark.parametrize("kind, since", [("bridge", (0, 0)), ("bond", (6, 15))])
def test_what_the_kernel_does_not_move(box, kind, since):
    """Newer kernels say so of any kind; that of a bridge is known."""
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < since:
        pytest.skip("this kernel does not say so")
    if box.sh(f"ip link add nic type {kind}", status=None).status:
        pytest.skip(f"no {kind} in this kernel")
    before = box.snapshot()
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {interfaces: {x: {from: 'host:nic'}}}}\n")
    for options in ["--plan"], []:
        error = box.nsapply("--color=never", *options, file, status=1).err
        assert "lab.yaml:2:41: error: host:nic cannot be moved: the kernel keeps it in its namespace" in error
        assert "rolling back" not in error and "there" in error.splitlines()[-1]
    box.assert_same(before)
