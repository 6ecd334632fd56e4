# SPDX-License-Identifier: MIT
"""Random labs of routers and hosts, from a seed, whose routes are right to begin with; then some
things in them are broken, on purpose. With checks of who reaches whom."""
import collections
import ipaddress
import random

import yaml


class WalkLab:
    def __init__(self, seed, checks=60, sound=False):
        self.r = random.Random(seed)
        self.namespaces, self.links, self.segments = {}, [], []
        self.taken = collections.Counter()
        self._plug_in()
        for family in (4, 6):
            self._route(family)
        self.broken = [self._break() for _ in range(0 if sound else self.r.choice([0, 1, 1, 2, 3, 5]))]
        self._tidy()
        self.checks = [self._check() for _ in range(checks)]

    def chance(self, probability):
        return self.r.random() < probability

    # --- what is sound -------------------------------------------------------------------------

    def _plug_in(self):
        r = self.r
        routers = [f"r{i}" for i in range(r.randint(1, 5))]
        hosts = [f"h{i}" for i in range(r.randint(2, 5))]
        if self.chance(0.3):
            hosts[0] = "host"
        for name in routers + hosts:
            self.namespaces[name] = {"interfaces": {}, "routes": []}
            if name in routers:
                self.namespaces[name]["forwarding"] = True
        for first, second in zip(routers, routers[1:]):
            self._segment([first, second])
        for _ in range(r.randint(0, 2)):
            if len(routers) > 1:
                self._segment(r.sample(routers, r.randint(2, min(3, len(routers)))))
        for host in hosts:
            if self.segments and self.chance(0.5):
                self._join(host, r.choice(self.segments))
            else:
                self._segment([host, r.choice(routers)])
        for name in self.namespaces:
            if name != "host" and self.chance(0.3):
                number = len(self.namespaces[name]["interfaces"]) + 10 * list(self.namespaces).index(name)
                self.namespaces[name]["interfaces"]["lo"] = {
                    "addresses": [f"10.255.0.{number}/32", f"2001:db8:ffff::{number:x}/128"]}

    def _segment(self, members):
        number = len(self.segments)
        segment = {"number": number, "members": {}, "switch": None,
                   "mtu": self.r.choice([None, None, None, 1400, 9000]),
                   4: f"10.1.{number}.", 6: f"2001:db8:{number:x}::"}
        self.segments.append(segment)
        if len(members) != 2 or self.chance(0.3):
            self._make_switch(segment)
        for name in members:
            self._join(name, segment)

    def _make_switch(self, segment):
        """A bridge; sometimes two, joined by a cable."""
        switch = segment["switch"] = f"s{segment['number']}"
        self.namespaces[switch] = {"interfaces": {"br0": {"kind": "bridge", "ports": []}}}
        if self.chance(0.3):
            self.namespaces[switch]["interfaces"]["br1"] = {"kind": "bridge", "ports": []}
            self._cable(segment, (switch, "x0"), (switch, "x1"))
            self._bridge(switch, "br0").append("x0")
            self._bridge(switch, "br1").append("x1")

    def _bridge(self, switch, name):
        return self.namespaces[switch]["interfaces"][name]["ports"]

    def _cable(self, segment, a, b):
        cable = {"endpoints": [":".join(a), ":".join(b)]}
        if segment["mtu"]:
            cable["mtu"] = segment["mtu"]
        self.links.append(cable)

    def _join(self, name, segment):
        if name in segment["members"]:
            return
        if not segment["switch"] and len(segment["members"]) == 2:
            self._segment([name, next(iter(segment["members"]))])
            return
        self.taken[name] += 1
        port = f"e{self.taken[name]}"
        number = len(segment["members"]) + 1
        lengths = {4: 24, 6: 64}
        addresses = [f"{segment[f]}{number}/{lengths[f]}" for f in (4, 6)]
        if name == "host":
            addresses[1] = {"address": addresses[1], "dad": False}
        self.namespaces[name]["interfaces"][port] = {"addresses": addresses}
        segment["members"][name] = (port, number)
        if segment["switch"]:
            bridges = [k for k, v in self.namespaces[segment["switch"]]["interfaces"].items()
                       if v.get("kind") == "bridge"]
            plug = f"p{number}"
            self._bridge(segment["switch"], self.r.choice(bridges)).append(plug)
            self._cable(segment, (segment["switch"], plug), (name, port))
        elif number == 2:
            other = next(iter(segment["members"]))
            self._cable(segment, (other, segment["members"][other][0]), (name, port))

    def _steps(self, name):
        """The segments, and who forwards on them."""
        for segment in self.segments:
            if name in segment["members"]:
                for other, (port, number) in segment["members"].items():
                    if other != name:
                        yield segment, other, number

    def _distances(self, target):
        """From the segment, or the namespace, in hops."""
        distance = {}
        queue = [target] if isinstance(target, str) else list(target["members"])
        for name in queue:
            distance[name] = 0
        while queue:
            name = queue.pop(0)
            if name != target and not self.namespaces[name].get("forwarding"):
                continue
            for _, other, _ in self._steps(name):
                if other not in distance:
                    distance[other] = distance[name] + 1
                    queue.append(other)
        return distance

    def _route(self, family):
        targets = [(s, f"{s[family]}{'0/24' if family == 4 else '/64'}") for s in self.segments]
        for name, namespace in self.namespaces.items():
            for address in namespace["interfaces"].get("lo", {}).get("addresses", []):
                if (":" in address) == (family == 6):
                    targets.append((name, address.split("/")[0]))
        for target, prefix in targets:
            distance = self._distances(target)
            for name in self.namespaces:
                self._route_to(name, target, prefix, distance, family)
        for name, namespace in self.namespaces.items():
            if not namespace.get("forwarding") and namespace.get("routes") and self.chance(0.5):
                self._default(namespace, family)

    def _route_to(self, name, target, prefix, distance, family):
        if not distance.get(name) or name not in distance:
            return
        vias = [f"{s[family]}{number}" for s, other, number in self._steps(name)
                if distance.get(other) == distance[name] - 1
                and (other == target or self.namespaces[other].get("forwarding"))]
        if not vias:
            return
        # Several ways make source addresses that differ: only sometimes.
        if len(vias) > 1 and self.chance(0.3):
            self.namespaces[name]["routes"].append(
                {"to": prefix, "nexthops": [{"via": v} for v in sorted(vias)]})
        else:
            self.namespaces[name]["routes"].append({"to": prefix, "via": self.r.choice(vias)})

    def _default(self, namespace, family):
        vias = [r["via"] for r in namespace["routes"]
                if "via" in r and (":" in r["via"]) == (family == 6)]
        # A neighbour's own address, or what is behind a router?
        leads_on = any(r.get("via") in vias and "/" in r["to"] for r in namespace["routes"])
        if len(set(vias)) == 1 and leads_on:
            namespace["routes"] = [r for r in namespace["routes"] if r.get("via") != vias[0]]
            namespace["routes"].append({"to": "default", "via": vias[0]})

    # --- what is broken ------------------------------------------------------------------------

    def _any_route(self):
        found = [(n, r) for n, v in self.namespaces.items() for r in v.get("routes", [])]
        return self.r.choice(found) if found else (None, None)

    def _any_port(self):
        found = [(n, p, v) for n, s in self.namespaces.items() for p, v in s["interfaces"].items()
                 if p.startswith("e")]
        return self.r.choice(found)

    def _break(self):
        how = self.r.choice([self._no_route, self._no_forwarding, self._blackhole, self._rp_filter,
                             self._wrong_length, self._duplicate, self._mtu, self._detour, self._down,
                             self._metric, self._second_address, self._src, self._no_default,
                             self._mute, self._direct, self._two_cables,
                             self._port_mtu])
        return how.__name__, how()

    def _no_route(self):
        name, route = self._any_route()
        if name:
            self.namespaces[name]["routes"].remove(route)
        return name, route

    _no_default = _no_route

    def _no_forwarding(self):
        routers = [n for n, v in self.namespaces.items() if v.get("forwarding")]
        if not routers:
            return None
        name = self.r.choice(routers)
        self.namespaces[name]["forwarding"] = self.r.choice([False, "ipv4", "ipv6"])
        return name

    def _blackhole(self):
        name, route = self._any_route()
        if name and route["to"] != "default":
            self.namespaces[name]["routes"].remove(route)
            self.namespaces[name]["routes"].append(
                {"to": route["to"], "type": self.r.choice(["blackhole", "unreachable", "prohibit", "throw"])})
        return name, route

    def _rp_filter(self):
        name, _, port = self._any_port()
        value = self.r.choice(["1", "2"])
        if self.chance(0.5):
            port["sysctl"] = {"ipv4.rp_filter": value}
        else:
            self.namespaces[name]["sysctl"] = {"net.ipv4.conf.all.rp_filter": value}
        return name, value

    def _wrong_length(self):
        name, _, port = self._any_port()
        length = self.r.choice(["28", "30", "16", "25"])
        port["addresses"][0] = port["addresses"][0].split("/")[0] + "/" + length
        return name, length

    def _duplicate(self):
        a, b = self._any_port(), self._any_port()
        if a[0] != b[0]:
            b[2]["addresses"][0] = a[2]["addresses"][0]
        return a[0], b[0]

    def _mtu(self):
        name, port, value = self._any_port()
        value["mtu"] = self.r.choice([1300, 1500, 2000])
        return name, port

    def _detour(self):
        """A route by another neighbour than the best one: often there and back again."""
        name, route = self._any_route()
        if name and "via" in route:
            family = 6 if ":" in route["via"] else 4
            vias = [f"{s[family]}{number}" for s, _, number in self._steps(name)]
            route["via"] = self.r.choice(vias)
        return name, route

    def _down(self):
        if len(self.links) < 2:
            return None
        switches = [n for n in self.namespaces if n.startswith("s")]
        if not switches:
            return None
        name = self.r.choice(switches)
        ports = self._bridge(name, "br0")
        if ports:
            self.namespaces[name]["interfaces"][self.r.choice(ports)] = {"state": "down"}
        return name

    def _metric(self):
        name, route = self._any_route()
        if name and "via" in route:
            family = 6 if ":" in route["via"] else 4
            vias = [f"{s[family]}{number}" for s, _, number in self._steps(name)]
            self.namespaces[name]["routes"].append(
                dict(route, via=self.r.choice(vias), metric=self.r.choice([5, 2000])))
        return name

    def _second_address(self):
        name, _, port = self._any_port()
        number = self.r.randint(100, 120)
        port["addresses"].insert(self.r.randint(0, 2), f"{self.r.choice(self.segments)[4]}{number}/24")
        return name

    def _src(self):
        name, route = self._any_route()
        if name:
            family = 6 if ":" in str(route.get("via", route["to"])) else 4
            own = [a.split("/")[0] for p in self.namespaces[name]["interfaces"].values()
                   for a in p.get("addresses", []) if isinstance(a, str) and (":" in a) == (family == 6)]
            if own and "type" not in route:
                route["src"] = self.r.choice(own)
        return name

    def _mute(self):
        name = self.r.choice([n for n in self.namespaces if n != "host"])
        self.namespaces[name]["sysctl"] = {"net.ipv4.icmp_echo_ignore_all": "1"}
        return name

    def _two_cables(self):
        """A second one into the same switch."""
        segments = [s for s in self.segments if s["switch"] and s["members"]]
        if not segments:
            return None
        segment = self.r.choice(segments)
        name, switch = self.r.choice(sorted(segment["members"])), segment["switch"]
        plug = f"t{len(self.links)}"
        self.namespaces[name]["interfaces"][plug] = {"addresses": [f"{segment[4]}{200 + len(self.links)}/24"]}
        self._bridge(switch, "br0").append(plug)
        self._cable(segment, (switch, plug), (name, plug))
        return name

    def _port_mtu(self):
        segments = [s for s in self.segments if s["switch"]]
        if not segments:
            return None
        switch = self.r.choice(segments)["switch"]
        ports = self._bridge(switch, "br0")
        port = self.r.choice(ports) if ports else "none"
        if ports:
            self.namespaces[switch]["interfaces"].setdefault(port, {})["mtu"] = self.r.choice([1300, 1400, 1600])
        return switch, port

    def _direct(self):
        """Out of an interface, without a gateway."""
        name, port, _ = self._any_port()
        target = self.r.choice(self.segments)
        self.namespaces[name]["routes"].append({"to": f"{target[4]}0/25", "dev": port})
        return name

    def _tidy(self):
        """The kernel refuses a route to what a network of its own is."""
        for namespace in self.namespaces.values():
            own = {str(ipaddress.ip_interface(a).network) for p in namespace["interfaces"].values()
                   for a in p.get("addresses", []) if isinstance(a, str)}
            if "routes" in namespace:
                namespace["routes"] = [r for r in namespace["routes"] if r["to"] not in own]

    # --- checks --------------------------------------------------------------------------------

    def _address(self, name):
        found = [a if isinstance(a, str) else a["address"]
                 for p in self.namespaces[name]["interfaces"].values() for a in p.get("addresses", [])]
        return self.r.choice(found).split("/")[0]

    def _check(self):
        ends = [n for n in self.namespaces if not n.startswith("s")]
        source, target = self.r.choice(ends), self.r.choice(ends)
        check = {"from": source, "to": self._address(target)}
        if self.chance(0.05):
            check["to"] = f"{self.r.choice(self.segments)[4]}{self.r.randint(50, 250)}"
        if self.chance(0.25):
            header = 48 if ":" in check["to"] else 28
            check["size"] = self.r.choice([1000, 1300, 1400, 1500, 2000, 9000]) - header + self.r.choice([0, 0, 1, 4, 5])
        elif self.chance(0.3):
            check["via"] = self._guess_way(source, check["to"])
        return check

    def _guess_way(self, source, to):
        """The hops as the routes are meant, though not always as they are."""
        family = 6 if ":" in to else 4
        at, hops = source, []
        owners = {(a if isinstance(a, str) else a["address"]).split("/")[0]: n
                  for n, s in self.namespaces.items() for p in s["interfaces"].values()
                  for a in p.get("addresses", [])}
        for _ in range(6):
            best, length = None, -1
            for route in self.namespaces[at]["routes"]:
                to_net = "::/0" if family == 6 else "0.0.0.0/0"
                if route["to"] != "default":
                    to_net = route["to"]
                elif (":" in route.get("via", "")) != (family == 6):
                    continue
                net = ipaddress.ip_network(to_net, strict=False)
                if net.version == family and ipaddress.ip_address(to) in net and net.prefixlen > length:
                    best, length = route, net.prefixlen
            via = best and (best.get("via") or best.get("nexthops", [{}])[0].get("via"))
            if not via or via not in owners or via == to:
                break
            hops.append(via)
            at = owners[via]
            if owners.get(to) == at:
                hops.pop()
                break
        return hops

    def text(self):
        return yaml.safe_dump({"name": "walk", "namespaces": self.namespaces, "links": self.links,
                               "checks": self.checks}, sort_keys=False)
