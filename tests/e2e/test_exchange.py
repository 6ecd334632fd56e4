# SPDX-License-Identifier: MIT
"""Moved interfaces that change places: which is which never depends on a name. Random permutations of
names among namespaces, applied one over the other, made to fail, killed half way, and destroyed.

NSAPPLY_MOVES: how many (24). NSAPPLY_SEED: run only this one, as a failure prints it.
"""
import os
import random

import pytest
import yaml

from box import NSAPPLY, assert_same_state, differences

SEEDS = [int(os.environ["NSAPPLY_SEED"])] if os.environ.get("NSAPPLY_SEED") else \
    range(int(os.environ.get("NSAPPLY_MOVES", "24")))
NAMES = ["x", "y", "z"]
# Where they are found. The MAC says which is which.
HOMES = {("host", "x"): "02:00:00:00:00:01", ("host", "y"): "02:00:00:00:00:02",
         ("out", "x"): "02:00:00:00:00:03", ("out", "y"): "02:00:00:00:00:04"}
MAKE = """
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip netns add out
ip netns exec out sh -c 'cd /proc/sys/net/ipv6/conf; echo 0 > all/accept_dad; echo 0 > default/accept_dad'
ip link add sw type bridge
ip link add wire type veth peer name wire2
ip link add x address 02:00:00:00:00:01 type veth peer name xx
ip link add y address 02:00:00:00:00:02 type ifb
ip -n out link add x address 02:00:00:00:00:03 type veth peer name xx
ip link add link wire name y address 02:00:00:00:00:04 netns out type macvlan mode bridge
ip link set wire2 master sw  # it keeps its carrier
# The other ends get and lose their link-local addresses with the carrier.
echo 1 > /proc/sys/net/ipv6/conf/xx/disable_ipv6
ip netns exec out sh -c 'echo 1 > /proc/sys/net/ipv6/conf/xx/disable_ipv6'
for i in sw wire wire2 xx; do ip link set $i up; done
ip -n out link set xx up
"""


class RandomMoves:
    def __init__(self, seed):
        self.r = random.Random(seed)
        r = self.r
        lent = r.sample(sorted(HOMES), r.randint(1, 4))
        self.places = {}
        for home in lent:
            free = [(n, i) for n in ["n1", "n2", "host", "out"] for i in NAMES
                    if n != home[0] and (n, i) not in self.places.values()
                    and ((n, i) not in HOMES or (n, i) in lent)]
            self.places[home] = r.choice(free)
        self.namespaces = {n: {} for n in r.choice([["n1", "n2"]] * 3 + [["n1"]])}
        self.namespaces["out"] = {"external": True}
        for _, (namespace, _) in self.places.items():
            self.namespaces.setdefault(namespace, {})
        for number, (home, place) in enumerate(sorted(self.places.items())):
            self._lend(home, place, number)

    def _lend(self, home, place, number):
        r = self.r
        interface = {"from": ":".join(home), "addresses": []}
        net = sorted(HOMES).index(home)
        if r.random() < 0.7:
            interface["addresses"].append(f"10.{net}.{r.randint(0, 1)}.1/24")
        if r.random() < 0.4:
            interface["addresses"].append({"address": f"fd00:{net}::1/64", "dad": False})
        if r.random() < 0.3:
            interface["mtu"] = r.choice([1300, 1400])
        if r.random() < 0.3:
            interface["state"] = "down"
        if r.random() < 0.4:
            interface["sysctl"] = {"ipv4.rp_filter": r.choice([1, 2])}
        namespace = self.namespaces[place[0]]
        namespace.setdefault("interfaces", {})[place[1]] = interface
        if interface["addresses"] and interface.get("state") != "down" and r.random() < 0.5 and \
                isinstance(interface["addresses"][0], str):
            via = interface["addresses"][0].replace(".1/24", ".7")
            namespace.setdefault("routes", []).append(
                {"to": f"10.77.{number}.0/24", "via": via, "dev": place[1]})

    def data(self):
        return {"name": "moves", "namespaces": self.namespaces}

    def text(self, fails=None):
        data = yaml.safe_load(yaml.safe_dump(self.data()))
        if fails == "route":  # refused only when it is added
            data["namespaces"]["out"].setdefault("routes", []).append(
                {"to": "10.99.0.0/16", "via": "198.51.100.1"})
        if fails == "sysctl":
            place = sorted(self.places.values())[-1]
            interface = data["namespaces"][place[0]]["interfaces"][place[1]]
            interface.setdefault("sysctl", {})["ipv6.addr_gen_mode"] = 9
        return yaml.safe_dump(data, sort_keys=False)


def found(seed):
    """How they are before: a script."""
    r = random.Random(seed)
    lines = []
    for number, (namespace, name) in enumerate(sorted(HOMES)):
        ip = "ip" if namespace == "host" else f"ip -n {namespace}"
        run = "" if namespace == "host" else f"ip netns exec {namespace} "
        if r.random() < 0.5:
            lines.append(f"{ip} link set {name} mtu {r.choice([1280, 1350])}")
        if r.random() < 0.5:
            lines.append(f"{run}sh -c 'echo {r.choice([1, 2])} > "
                         f"/proc/sys/net/ipv4/conf/{name}/rp_filter'")
        if r.random() < 0.7:
            lines.append(f"{ip} link set {name} up")
            if r.random() < 0.7:
                lines.append(f"{ip} address add 192.0.{number}.1/24 dev {name}")
                lines.append(f"{ip} address add 2001:db8:{number}::1/64 dev {name} nodad")
                lines.append(f"{ip} route add 203.0.{number}.0/24 via 192.0.{number}.2")
                lines.append(f"{ip} route add 2001:db8:f{number}::/48 via 2001:db8:{number}::2")
    if r.random() < 0.5:
        lines.append("ip link set x master sw")
    return "\n".join(lines) + "\n"


def steady(value):
    """Without what still tells that an interface (or the other end of its cable) was up once."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in ("operstate", "qdisc")}
    return [steady(v) for v in value] if isinstance(value, list) else value


def assert_same(box, before):
    box.assert_same(steady(before), lambda: steady(box.glance()))


def machine(make_box, seed):
    box = make_box()
    box.sh(MAKE + found(seed))
    box.calm()
    return box


def where(box):
    """Which interface is where, by its MAC."""
    macs = {mac: home for home, mac in HOMES.items()}
    return {macs[link["address"]]: (namespace, link["ifname"])
            for namespace in ["host", *box.names()] for link in box.ip(namespace, "link", "show")
            if link["address"] in macs}


def assert_places(box, lab):
    places = {**{home: home for home in HOMES}, **lab.places}
    now = where(box)
    assert now == places, "\n".join(differences(places, now))


@pytest.mark.parametrize("seed", SEEDS)
def test_permutations(make_box, seed):
    print(f"again: NSAPPLY_SEED={seed} tools/test -k test_permutations")
    a, b = RandomMoves(2 * seed), RandomMoves(2 * seed + 1)
    box, fresh = machine(make_box, seed), machine(make_box, seed)
    before = box.snapshot()
    file = box.write("moves.yaml", a.text())
    box.nsapply("-q", file)
    assert_places(box, a)
    box.nsapply("--plan", file)
    stands = box.snapshot()

    for fails in ["route", "sysctl"]:
        file.write_text(b.text(fails))
        box.nsapply("-q", file, status=1)
        assert_places(box, a)
        assert_same(box, stands)

    file.write_text(b.text())
    box.nsapply("-q", file)
    assert_places(box, b)
    box.nsapply("--plan", file)
    fresh.nsapply("-q", fresh.write("moves.yaml", b.text()))
    assert_same_state(fresh, box)

    box.nsapply("-q", "--destroy", file)
    assert_same(box, before)
