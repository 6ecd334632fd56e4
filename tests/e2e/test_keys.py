# SPDX-License-Identifier: MIT
"""Each key of the file, changed in a running lab: the plan names exactly that change, apply makes
it, the rest of the lab is not touched, and the way back ends where it began."""
import copy
import pathlib

import pytest
import yaml

from box import comparable, differences, indexes

BASE = """
name: keys
namespaces:
  a:
    interfaces:
      x: {addresses: [10.1.0.1/24, 'fd00:1::1/64']}
      p: {addresses: [10.2.0.1/24]}
      free: {}
    routes:
      - {to: 10.9.0.0/16, via: 10.1.0.2}
      - {to: 'fd00:9::/64', via: 'fd00:1::2'}
  b:
    interfaces:
      y: {addresses: [10.1.0.2/24, 'fd00:1::2/64']}
      p: {addresses: [10.2.0.2/24]}
  sw:
    interfaces:
      br0: {kind: bridge, ports: [p1, p2]}
      br1: {kind: bridge}
  c: {interfaces: {e0: {addresses: [10.3.0.1/24]}}}
  d: {interfaces: {e0: {addresses: [10.3.0.2/24]}}}
links:
  - [a:x, b:y]
  - [a:p, sw:p1]
  - [b:p, sw:p2]
  - [a:free, b:free]
  - [c:e0, d:e0]
"""


class Lab:
    def __init__(self, text=BASE):
        self.data = yaml.safe_load(text)

    def ns(self, name):
        return self.data["namespaces"].setdefault(name, {})

    def link(self, where):
        namespace, name = where.split(":")
        links = self.ns(namespace).setdefault("interfaces", {})
        if links.get(name) is None:
            links[name] = {}
        return links[name]

    def routes(self, namespace="a"):
        return self.ns(namespace).setdefault("routes", [])

    def route(self, number=0, **keys):
        self.routes()[number].update(keys)

    def text(self):
        return yaml.safe_dump(self.data, sort_keys=False)


def address(box, namespace, link, local):
    """The entry of `ip address` for one address, or None."""
    for entry in box.ip(namespace, "address", "show", "dev", link)[0]["addr_info"]:
        if entry["local"] == local:
            return entry
    return None


def route(box, namespace, to, *more):
    family = "-6" if ":" in to else "-4"
    found = box.ip(namespace, family, "route", "show", "table", "all", *more, to)
    return found[0] if len(found) == 1 else found


CASES = []


def case(name, change, expected, check, base=None):
    """change(lab) edits the file; expected: "ACTION OBJECT ID: KEY,KEY" of each change."""
    CASES.append(pytest.param(base, change, expected, check, id=name))


def prepare(*changes):
    """A base lab with some changes made beforehand."""

    def base(lab):
        for change in changes:
            change(lab)

    return base


# --- the top of the file ------------------------------------------------------------------------

case("description", lambda l: l.data.update(description="words"), [], lambda box: True)
case("defaults.interfaces", lambda l: l.data.update(defaults={"interfaces": {"mtu": 1400}}),
     # Not lo; c's cable is tested by the ping, and its MTU changes without a loss.
     [f"change link {i}: mtu" for i in ["a:free", "a:p", "a:x", "b:free", "b:p", "b:y", "c:e0",
                                        "d:e0", "sw:br0", "sw:br1", "sw:p1", "sw:p2"]],
     lambda box: box.link("b", "y")["mtu"] == 1400 and box.link("b", "lo")["mtu"] == 65536)
case("defaults.sysctl",
     lambda l: l.data.update(defaults={"sysctl": {"net.ipv4.tcp_ecn": 1}}),
     [f"change sysctl {n} net.ipv4.tcp_ecn: value" for n in ["a", "b", "c", "d", "sw"]],
     lambda box: all(box.sysctl(n, "net.ipv4.tcp_ecn") == "1" for n in box.names()))
case("namespaces, one more", lambda l: l.ns("new"),
     ["create namespace new"],
     lambda box: "new" in box.names() and "UP" in box.link("new", "lo")["flags"])
case("links, one more", lambda l: l.data["links"].append(["a:n1", "b:n2"]), ["create link a:n1"],
     lambda box: box.link("a", "n1")["operstate"] == "UP")
case("links, one fewer",
     lambda l: (l.data["links"].pop(3), l.ns("a")["interfaces"].pop("free")),
     ["delete link a:free"],
     lambda box: [k["ifname"] for k in box.ip("b", "link")] == ["lo", "y", "p"] or True)
case("links, endpoints", lambda l: l.data["links"].__setitem__(3, ["a:free", "b:other"]),
     ["replace link a:free"],
     lambda box: box.link("b", "other")["operstate"] == "UP")
case("links, mtu",
     lambda l: l.data["links"].__setitem__(3, {"endpoints": ["a:free", "b:free"], "mtu": 2000}),
     ["change link a:free: mtu", "change link b:free: mtu"],
     lambda box: box.link("a", "free")["mtu"] == box.link("b", "free")["mtu"] == 2000)
case("links, state",
     lambda l: l.data["links"].__setitem__(3, {"endpoints": ["a:free", "b:free"],
                                               "state": "down"}),
     ["change link a:free: state", "change link b:free: state"],
     lambda box: "UP" not in box.link("a", "free")["flags"] + box.link("b", "free")["flags"])

# --- namespaces ---------------------------------------------------------------------------------


def forwards(box, v4, v6):
    return (box.sysctl("a", "net.ipv4.ip_forward") == v4 and
            box.sysctl("a", "net.ipv6.conf.all.forwarding") == v6)


V4 = "change sysctl a net.ipv4.ip_forward: value"
V6 = "change sysctl a net.ipv6.conf.all.forwarding: value"
case("forwarding true", lambda l: l.ns("a").update(forwarding=True), [V4, V6],
     lambda box: forwards(box, "1", "1"))
case("forwarding ipv4", lambda l: l.ns("a").update(forwarding="ipv4"), [V4],
     lambda box: forwards(box, "1", "0"))
case("forwarding ipv6", lambda l: l.ns("a").update(forwarding="ipv6"), [V6],
     lambda box: forwards(box, "0", "1"))
case("forwarding false", lambda l: l.ns("a").update(forwarding=False), [V4, V6],
     lambda box: forwards(box, "0", "0"), prepare(lambda l: l.ns("a").update(forwarding=True)))
case("sysctl", lambda l: l.ns("a").update(sysctl={"net.ipv4.ip_default_ttl": 99}),
     ["change sysctl a net.ipv4.ip_default_ttl: value"],
     lambda box: box.sysctl("a", "net.ipv4.ip_default_ttl") == "99")
case("sysctl, with slashes",
     lambda l: l.ns("a").update(sysctl={"net/ipv4/conf/x/rp_filter": "0x2"}),
     ["change sysctl a net.ipv4.conf.x.rp_filter: value"],
     lambda box: box.sysctl("a", "net.ipv4.conf.x.rp_filter") == "2")
case("routes, one more", lambda l: l.routes("b").append({"to": "10.8.0.0/16", "via": "10.1.0.1"}),
     ["create route b 10.8.0.0/16"],
     lambda box: route(box, "b", "10.8.0.0/16")["gateway"] == "10.1.0.1")
case("routes, one fewer", lambda l: l.routes().pop(0),
     ["delete route a 10.9.0.0/16"],
     lambda box: route(box, "a", "10.9.0.0/16") == [])

# --- interfaces ---------------------------------------------------------------------------------

case("interfaces, one more", lambda l: l.link("sw:br2").update(kind="bridge"),
     ["create link sw:br2"],
     lambda box: box.link("sw", "br2")["linkinfo"]["info_kind"] == "bridge")
case("interfaces, one fewer", lambda l: l.ns("sw")["interfaces"].pop("br1"),
     ["delete link sw:br1"],
     lambda box: "br1" not in [k["ifname"] for k in box.ip("sw", "link")])
case("kind",
     lambda l: (l.link("sw:br1").update(kind="veth", peer="b:br1")),
     ["replace link b:br1"],     # a cable goes by its first end
     lambda box: box.link("sw", "br1")["linkinfo"]["info_kind"] == "veth")
case("peer", lambda l: l.link("a:inline").update(peer="b:other"), ["replace link a:inline"],
     lambda box: box.link("b", "other")["operstate"] == "UP",
     prepare(lambda l: l.link("a:inline").update(peer="b:one")))
case("state", lambda l: l.link("a:free").update(state="down"), ["change link a:free: state"],
     lambda box: "UP" not in box.link("a", "free")["flags"])
case("mtu", lambda l: l.link("a:x").update(mtu=1400), ["change link a:x: mtu"],
     lambda box: box.link("a", "x")["mtu"] == 1400)
case("mac", lambda l: l.link("a:x").update(mac="02:00:00:00:00:07"), ["change link a:x: mac"],
     lambda box: box.link("a", "x")["address"] == "02:00:00:00:00:07",
     prepare(lambda l: l.link("a:x").update(mac="02:00:00:00:00:06")))
case("master, none", lambda l: l.link("sw:br0")["ports"].remove("p2"),
     ["change link sw:p2: master"], lambda box: "master" not in box.link("sw", "p2"))
case("master, another",
     lambda l: (l.link("sw:br0")["ports"].remove("p2"), l.link("sw:p2").update(master="br1")),
     ["change link sw:p2: master"], lambda box: box.link("sw", "p2")["master"] == "br1")
case("ports", lambda l: (l.link("sw:br0").update(ports=["p1"]),
                         l.link("sw:br1").update(ports=["p2"])),
     ["change link sw:p2: master"], lambda box: box.link("sw", "p2")["master"] == "br1")
case("interface sysctl", lambda l: l.link("a:x").update(sysctl={"ipv4.rp_filter": 2}),
     ["change sysctl a net.ipv4.conf.x.rp_filter: value"],
     lambda box: box.sysctl("a", "net.ipv4.conf.x.rp_filter") == "2")
case("interface sysctl, ipv6", lambda l: l.link("a:x").update(sysctl={"ipv6.hop_limit": 9}),
     ["change sysctl a net.ipv6.conf.x.hop_limit: value"],
     lambda box: box.sysctl("a", "net.ipv6.conf.x.hop_limit") == "9")
case("lo, address", lambda l: l.link("a:lo").update(addresses=["10.255.0.1/32"]),
     ["create address a:lo 10.255.0.1/32"],
     lambda box: address(box, "a", "lo", "10.255.0.1"))

# --- bridges ------------------------------------------------------------------------------------

for key, value, word, wire in [
        ("stp", True, "stp_state", 1), ("priority", 100, "priority", 100),
        ("forward_delay", 4, "forward_delay", 400), ("hello_time", 3, "hello_time", 300),
        ("max_age", 10, "max_age", 1000), ("ageing_time", 60, "ageing_time", 6000),
        ("mcast_snooping", False, "mcast_snooping", 0),
        ("group_fwd_mask", 8, "group_fwd_mask", "0x8")]:
    case(f"bridge, {key}", lambda l, k=key, v=value: l.link("sw:br1").update({k: v}),
         [f"change link sw:br1: {key}"],
         lambda box, w=word, v=wire: box.link("sw", "br1")["linkinfo"]["info_data"][w] == v,
         # so that its ports are soon ready
         prepare(lambda l: l.link("sw:br1").update(forward_delay=2)) if key == "stp" else None)

# --- addresses ----------------------------------------------------------------------------------


def addresses(*entries, link="a:free"):
    return lambda l: l.link(link).update(addresses=list(entries))


case("addresses, one more", addresses("10.5.0.1/24"), ["create address a:free 10.5.0.1/24"],
     lambda box: address(box, "a", "free", "10.5.0.1")["prefixlen"] == 24)
case("addresses, IPv6", addresses("fd00:5::1/64"), ["create address a:free fd00:5::1/64"],
     lambda box: "tentative" not in address(box, "a", "free", "fd00:5::1"))
case("addresses, one fewer", lambda l: l.link("b:p").pop("addresses"),
     ["delete address b:p 10.2.0.2/24"], lambda box: not address(box, "b", "p", "10.2.0.2"))
case("addresses, link-local gone", addresses("fd00:5::1/64"), ["delete address a:free fe80::5/64"],
     lambda box: not address(box, "a", "free", "fe80::5"),
     prepare(addresses("fd00:5::1/64", "fe80::5/64")))
case("address, peer", addresses({"address": "10.5.0.1", "peer": "10.5.0.9/32"}),
     ["create address a:free 10.5.0.1/32 peer 10.5.0.9", "delete address a:free 10.5.0.1/32"],
     lambda box: address(box, "a", "free", "10.5.0.1")["address"] == "10.5.0.9",
     prepare(addresses("10.5.0.1/32")))
case("address, scope", addresses({"address": "10.5.0.1/24", "scope": "link"}),
     ["replace address a:free 10.5.0.1/24: scope"],
     lambda box: address(box, "a", "free", "10.5.0.1")["scope"] == "link",
     prepare(addresses("10.5.0.1/24")))
case("address, label", addresses({"address": "10.5.0.1/24", "label": "free:old"}),
     ["replace address a:free 10.5.0.1/24: label"],
     lambda box: address(box, "a", "free", "10.5.0.1")["label"] == "free:old",
     prepare(addresses("10.5.0.1/24")))
case("address, dad", addresses({"address": "fd00:5::1/64", "dad": True}),
     ["create address a:free fd00:5::1/64",
      "change sysctl a net.ipv6.conf.free.accept_dad: value"],
     lambda box: not address(box, "a", "free", "fd00:5::1").get("nodad"))
case("address, dad of one that is there", addresses({"address": "fd00:5::1/64", "dad": True}),
     ["change address a:free fd00:5::1/64: dad",
      "change sysctl a net.ipv6.conf.free.accept_dad: value"],
     lambda box: not address(box, "a", "free", "fd00:5::1").get("nodad"),
     prepare(addresses("fd00:5::1/64")))
case("address, length of IPv6", addresses("fd00:5::1/48"),
     ["replace address a:free fd00:5::1/48: address"],
     lambda box: address(box, "a", "free", "fd00:5::1")["prefixlen"] == 48,
     prepare(addresses("fd00:5::1/64")))

# --- routes -------------------------------------------------------------------------------------

R4, R6 = "a 10.9.0.0/16", "a fd00:9::/64"
to4 = "10.9.0.0/16"
case("route, to", lambda l: l.route(to="10.10.0.0/16"),
     ["create route a 10.10.0.0/16", f"delete route {R4}"],
     lambda box: route(box, "a", "10.10.0.0/16")["gateway"] == "10.1.0.2")
case("route, to default", lambda l: l.route(to="default"),
     ["create route a default", f"delete route {R4}"],
     lambda box: route(box, "a", "default")["gateway"] == "10.1.0.2")
case("route, via", lambda l: l.route(via="10.1.0.3"),
     ["change route a 10.9.0.0/16: via"],
     lambda box: route(box, "a", to4)["gateway"] == "10.1.0.3")
case("route, via IPv6", lambda l: l.route(via="fd00:1::2"),
     ["change route a 10.9.0.0/16: via"],
     lambda box: route(box, "a", to4)["via"]["host"] == "fd00:1::2")
case("route, via, of IPv6", lambda l: l.route(1, via="fd00:1::3"),
     ["change route a fd00:9::/64: via"],
     lambda box: route(box, "a", "fd00:9::/64")["gateway"] == "fd00:1::3")
case("route, dev", lambda l: l.route(dev="p", via="10.2.0.2"),
     ["change route a 10.9.0.0/16: via,dev"],
     lambda box: route(box, "a", to4)["dev"] == "p")
case("route, src", lambda l: l.route(src="10.2.0.1"), [f"change route {R4}: src"],
     lambda box: route(box, "a", to4)["prefsrc"] == "10.2.0.1")
case("route, metric", lambda l: l.route(metric=50),
     [f"create route {R4}", f"delete route {R4}"],
     lambda box: route(box, "a", to4)["metric"] == 50)
case("route, metric of IPv6", lambda l: l.route(1, metric=50),
     [f"create route {R6}", f"delete route {R6}"],
     lambda box: route(box, "a", "fd00:9::/64")["metric"] == 50)
case("route, table", lambda l: l.route(table=77),
     [f"create route {R4}", f"delete route {R4}"],
     lambda box: route(box, "a", to4)["table"] == "77")
case("route, type", lambda l: l.routes().__setitem__(0, {"to": to4, "type": "unreachable"}),
     ["change route a 10.9.0.0/16: via,type"],
     lambda box: route(box, "a", to4)["type"] == "unreachable")
case("route, scope", lambda l: l.route(-1, scope="global"),
     ["change route a 10.8.0.0/16: scope"],
     lambda box: route(box, "a", "10.8.0.0/16")["scope"] == "global",
     prepare(lambda l: l.routes().append({"to": "10.8.0.0/16", "dev": "x"})))
case("route, onlink", lambda l: l.route(via="172.16.0.1", dev="x", onlink=True),
     ["change route a 10.9.0.0/16: via,onlink"],
     lambda box: "onlink" in route(box, "a", to4)["flags"])
case("route, mtu", lambda l: l.route(mtu=1300), [f"change route {R4}: mtu"],
     lambda box: route(box, "a", to4)["metrics"][0]["mtu"] == 1300)
case("route, advmss", lambda l: l.route(advmss=1200), [f"change route {R4}: advmss"],
     lambda box: route(box, "a", to4)["metrics"][0]["advmss"] == 1200)
case("route, proto", lambda l: l.route(proto=77), [f"change route {R4}: proto"],
     lambda box: route(box, "a", to4)["protocol"] == "77")
case("route, nexthops",
     lambda l: l.routes().__setitem__(
         0, {"to": to4, "nexthops": [{"via": "10.1.0.2", "weight": 3}, {"via": "10.2.0.2"}]}),
     ["change route a 10.9.0.0/16: via,nexthops"],
     lambda box: [h["weight"] for h in route(box, "a", to4)["nexthops"]] == [3, 1])
case("route, nexthops, weight",
     lambda l: l.routes()[0]["nexthops"][0].update(weight=9),
     ["change route a 10.9.0.0/16: nexthops"],
     lambda box: [h["weight"] for h in route(box, "a", to4)["nexthops"]] == [9, 1],
     prepare(lambda l: l.routes().__setitem__(
         0, {"to": to4, "nexthops": [{"via": "10.1.0.2"}, {"via": "10.2.0.2"}]})))
case("route, family",
     lambda l: l.routes().append({"to": "default", "type": "blackhole", "family": "inet6"}),
     ["create route a ::/0"],
     lambda box: box.ip("a", "-6", "route", "show", "type", "blackhole")[0]["dst"] == "default")


# --- the test -----------------------------------------------------------------------------------


def describe(change):
    text = f"{change['action']} {change['object']} {change['id']}"
    if change["object"] == "route":
        # Without what tells it from other routes to the same destination.
        text = " ".join(text.split()[:4]).replace(" 0.0.0.0/0", " default")
    if change["before"] is not None and change["after"] is not None:
        keys = [k for k in change["after"] if change["after"][k] != change["before"].get(k)]
        text += ": " + ",".join(keys) if keys else ""
    return text


def matches(expected, found):
    """A replacement may, but need not, name the keys that made it necessary."""
    if sorted(expected) == sorted(found):
        return True
    short = [f.split(": ")[0] if f.startswith("replace ") else f for f in found]
    return sorted(expected) == sorted(short)


def touched(expected):
    """The links that a plan makes, replaces or deletes (the other end of a cable goes with it)."""
    return {e.split()[2].rstrip(":") for e in expected
            if e.split()[1] == "link" and not e.startswith("change")}


@pytest.mark.parametrize("base, change, expected, check", CASES)
def test_key(box, base, change, expected, check):
    lab = Lab()
    if base:
        base(lab)
    file = box.write("keys.yaml", lab.text())
    box.nsapply(file)
    start = box.snapshot()

    changed = copy.deepcopy(lab)
    change(changed)
    box.write("keys.yaml", changed.text())
    plan = box.nsapply("--plan", "--format", "json", file, status=2 if expected else 0).json()
    found = [describe(c) for c in plan["changes"]]
    assert matches(expected, found), found
    assert all(c["reason"] for c in plan["changes"] if c["action"] == "replace")

    stop = box.start_ping("c", "10.3.0.2")
    box.nsapply(file)
    sent, received = stop()
    assert sent == received, "an untouched cable lost packets"
    assert check(box)
    box.nsapply("--plan", file)
    after = box.snapshot()
    ours = touched(expected)
    gone = {}
    for (namespace, name), index in indexes(start).items():
        if indexes(after).get((namespace, name)) != index:
            gone[f"{namespace}:{name}"] = start[namespace]["link"][name].get("link", name)
    assert not gone or ours, f"other interface indexes: {gone}"
    assert len(gone) <= 2 * len(ours), f"other interface indexes: {gone}"

    # The way back.
    box.write("keys.yaml", lab.text())
    box.nsapply(file)
    want = comparable(start)
    box.assert_same(want, lambda: comparable(box.glance()))
    assert list(differences(want, comparable(box.snapshot()))) == []


def test_ignore_interfaces(box):
    lab = Lab()
    file = box.write("keys.yaml", lab.text())
    box.nsapply(file)
    box.sh("ip -n a link add tap-x type bridge")
    plan = box.nsapply("--plan", "--format", "json", file, status=2).json()
    assert [describe(c) for c in plan["changes"]] == ["delete link a:tap-x"]
    lab.ns("a")["ignore"] = {"interfaces": ["tap-*"]}
    box.write("keys.yaml", lab.text())
    box.nsapply("--plan", file)


@pytest.mark.parametrize("ignore", [{"proto": 77}, {"table": 50}, {"dev": "free"},
                                    {"proto": 77, "table": 50, "dev": "free"}], ids=str)
def test_ignore_routes(box, ignore):
    lab = Lab()
    file = box.write("keys.yaml", lab.text())
    box.nsapply(file)
    box.sh("ip -n a route add 10.7.0.0/16 dev free proto 77 table 50")
    plan = box.nsapply("--plan", "--format", "json", file, status=2).json()
    assert [(c["action"], c["object"]) for c in plan["changes"]] == [("delete", "route")]
    lab.ns("a")["ignore"] = {"routes": [ignore]}
    box.write("keys.yaml", lab.text())
    box.nsapply("--plan", file)
    lab.ns("a")["ignore"] = {"routes": [dict(ignore, proto=78)]}
    box.write("keys.yaml", lab.text())
    box.nsapply("--plan", file, status=2)


def test_external(box):
    """An existing `ip netns` namespace: only what the file names is touched, and put back."""
    box.sh("""ip netns add ext; ip -n ext link set lo up
        ip -n ext link add keep type bridge; ip -n ext link set keep up
        ip -n ext address add 10.66.0.1/24 dev keep""")
    before = box.snapshot()
    file = box.write("ext.yaml", """
namespaces:
  ext:
    external: true
    forwarding: true
    sysctl: {net.ipv4.ip_default_ttl: 50}
    interfaces:
      keep: {mtu: 1400, addresses: [10.66.0.2/24]}
      plug: {addresses: [10.67.0.1/24]}
  mine: {interfaces: {plug: {addresses: [10.67.0.2/24]}}}
links: [[ext:plug, mine:plug]]
""")
    box.nsapply(file)
    box.nsapply("--plan", file)
    assert box.link("ext", "keep")["mtu"] == 1400
    assert address(box, "ext", "keep", "10.66.0.1") and address(box, "ext", "keep", "10.66.0.2")
    box.ping("mine", "10.67.0.1")
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_external_path(box):
    box.sh("ip netns add ext")
    before = box.snapshot()
    file = box.write("ext.yaml", """
namespaces:
  there:
    external: {path: /run/netns/ext}
    interfaces: {plug: {addresses: [10.67.0.1/24]}}
  mine: {interfaces: {plug: {addresses: [10.67.0.2/24]}}}
links: [[there:plug, mine:plug]]
""")
    box.nsapply(file)
    box.nsapply("--plan", file)
    box.ping("mine", "10.67.0.1")
    assert box.names() == ["ext", "mine"]
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_long_value(box):
    """Longer than what is read at first, and compared to its end."""
    ports = ",".join(str(port) for port in range(2001, 3001, 2))
    file = box.write("long.yaml", f"""
namespaces:
  a: {{sysctl: {{net.ipv4.ip_local_reserved_ports: '{ports}'}}}}
""")
    box.nsapply(file)
    assert box.sysctl("a", "net.ipv4.ip_local_reserved_ports") == ports
    box.nsapply("--plan", file)
    file.write_text(file.read_text().replace("2999", "3999"))
    assert "3999" in box.nsapply("--plan", file, status=2).out


def test_site_local_address(box):
    """The scope is not asked for; the kernel gives it, and it is no difference."""
    file = box.write("site.yaml", "namespaces: {a: {interfaces: {lo: {addresses: ['fec0::1/64']}}}}\n")
    box.nsapply(file)
    address = box.ip("a", "-6", "address", "show", "dev", "lo", "scope", "site")[0]["addr_info"][0]
    assert address["local"] == "fec0::1"
    box.nsapply("--plan", file)


@pytest.mark.parametrize("namespace", ["host", "a"])
def test_value_that_was_empty(box, namespace):
    """It stands in the record, and is put back."""
    path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
    before = box.snapshot()
    text = "namespaces: {host: {}, a: {}, %s: {sysctl: {net.ipv4.ip_local_reserved_ports: 8080}}}\n"
    text = text.replace(f"{namespace}: {{}}, ", "") % namespace
    file = box.write("empty.yaml", text)
    box.nsapply(file)
    assert box.inside(namespace, lambda: open(path).read()) == "8080\n"
    box.nsapply("--plan", file)
    file.write_text("namespaces: {a: {}}\n")
    box.run("sh", input=box.nsapply("--plan", "--format", "ip", file, status=2).out)
    assert box.inside(namespace, lambda: open(path).read()) == "\n"
    box.inside(namespace, lambda: pathlib.Path(path).write_text("8080"))
    box.nsapply(file)
    assert box.inside(namespace, lambda: open(path).read()) == "\n"
    box.nsapply("--plan", file)
    box.nsapply("--destroy", file)
    box.assert_same(before)
