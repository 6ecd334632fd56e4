# SPDX-License-Identifier: MIT
"""Random labs: valid files, from a seed. Labs of different seeds share names, so that one over the
other changes things, and does not only make and remove them."""
import copy
import random

import yaml

NAMESPACES = ["n1", "n2", "n3", "n4", "n$5", "n'6"]
SYSCTLS = {"net.ipv4.ip_default_ttl": ["60", "70"], "net.ipv4.tcp_ecn": ["0", "1"],
           "net.ipv4.conf.all.log_martians": ["0", "1"], "net.ipv6.bindv6only": ["1"],
           "net.ipv4.fib_multipath_hash_policy": ["1", "2"]}
IF_SYSCTLS = {"ipv4.rp_filter": ["0", "1", "2"], "ipv6.hop_limit": ["60", "255"],
              "ipv4.arp_ignore": ["1"], "ipv6.accept_ra": ["0", "2"]}


class RandomLab:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.namespaces = {}
        self.links = []
        self._used = set()
        self._other_end = {}
        self._ports = set()
        self._networks = []
        self._make()

    def chance(self, probability):
        return self.r.random() < probability

    def _make(self):
        r = self.r
        names = r.sample(NAMESPACES, r.randint(2, 5))
        for name in names:
            self.namespaces[name] = {"interfaces": {}}
        if self.chance(0.6):
            self.namespaces["host"] = {"interfaces": {}}
        for name in list(self.namespaces):
            self._namespace(name)
        for _ in range(r.randint(1, 7)):
            self._cable()
        for name in list(self.namespaces):
            self._bridge_ports(name)
            self._routes(name)

    def _namespace(self, name):
        r, namespace = self.r, self.namespaces[name]
        if self.chance(0.3):
            namespace["forwarding"] = r.choice([True, False, "ipv4", "ipv6"])
        if self.chance(0.3):
            # The host's forwarding switches drag others along: not those twice.
            chosen = r.sample(sorted(SYSCTLS), r.randint(1, 2))
            namespace["sysctl"] = {k: r.choice(SYSCTLS[k]) for k in chosen}
        if self.chance(0.4):
            bridge = {"kind": "bridge"}
            for key, values in {"stp": [True, False], "priority": [4096, 20480],
                                "ageing_time": [0, 100], "mcast_snooping": [False],
                                "max_age": [10, 30], "hello_time": [1, 3],
                                "group_fwd_mask": [8]}.items():
                if self.chance(0.25):
                    bridge[key] = r.choice(values)
            if self.chance(0.3):
                bridge["mac"] = self._mac()
            namespace["interfaces"]["br0"] = bridge
            self._used.add((name, "br0"))
            if self.chance(0.7):
                self._addresses(name, "br0", bridge, other=None)
        if name != "host" and self.chance(0.3):
            namespace["interfaces"]["lo"] = {"addresses": [f"10.255.0.{r.randint(1, 9)}/32"]}

    def _mac(self):
        return "02:00:00:00:%02x:%02x" % (self.r.randint(0, 255), self.r.randint(0, 255))

    def _port(self, name):
        free = [f"e{i}" for i in range(5) if (name, f"e{i}") not in self._used]
        if not free:
            return None
        port = self.r.choice(free)
        self._used.add((name, port))
        return port

    def _cable(self):
        r = self.r
        ends = []
        for _ in range(2):
            name = r.choice(sorted(self.namespaces))
            port = self._port(name)
            if port is None:
                return
            ends.append((name, port))
        self._other_end.update({ends[0]: ends[1], ends[1]: ends[0]})
        if self.chance(0.2):
            # Written inline, at one of its ends.
            (name, port), (other, peer) = ends
            self.namespaces[name]["interfaces"][port] = {"peer": f"{other}:{peer}"}
        elif self.chance(0.3):
            self.links.append({"endpoints": [f"{n}:{p}" for n, p in ends],
                               "mtu": r.choice([1500, 1400, 9000])})
        else:
            self.links.append([f"{n}:{p}" for n, p in ends])
        interfaces = []
        for name, port in ends:
            interface = self.namespaces[name]["interfaces"].setdefault(port, {})
            interfaces.append(interface)
            if self.chance(0.2):
                interface["mtu"] = r.choice([1300, 1500, 4000])
            if self.chance(0.3):
                interface["mac"] = self._mac()
            if self.chance(0.15):
                interface["state"] = r.choice(["down", "up"])
            if self.chance(0.2):
                key = r.choice(sorted(IF_SYSCTLS))
                interface["sysctl"] = {key: r.choice(IF_SYSCTLS[key])}
        if self.chance(0.8):
            network = self._addresses(ends[0][0], ends[0][1], interfaces[0], other=None)
            # In one namespace two interfaces with one network would leave the gateway's to chance.
            if ends[0][0] != ends[1][0]:
                self._addresses(ends[1][0], ends[1][1], interfaces[1], other=network)

    def _addresses(self, name, port, interface, other):
        r = self.r
        if other is None:
            network, host = r.randint(1, 12), 1
            while network in self._networks and len(self._networks) < 12:
                network = network % 12 + 1
            if network in self._networks:
                return None
            self._networks.append(network)
        else:
            network, host = other, 2
        # What is an address of one network may be the broadcast address of another lab's.
        last, length = r.choice([(host, 24)] * 6 + [(host, 25), (128 - host, 24)])
        v4 = f"10.{network}.0.{last}"
        entries = []
        if self.chance(0.9):
            entry = f"{v4}/{length}"
            if self.chance(0.15):
                entry = {"address": entry, "label": f"{port}:l"}
            elif self.chance(0.1):
                entry = {"address": v4, "peer": f"10.{network}.0.{3 - host}/32"}
            entries.append(entry)
        if self.chance(0.6):
            entries.append(self._ipv6(name, f"fd00:{network}::{host}/64"))
        if self.chance(0.2):
            entries.append(f"10.{network}.1.{host + r.randint(0, 3) * 10}/24")
        if self.chance(0.1):
            entries.append(self._ipv6(name, f"fe80::{host}/64"))
        if entries:
            interface["addresses"] = entries
        return network

    def _ipv6(self, name, address):
        """On the host mostly without duplicate address detection, for which apply waits."""
        if name == "host" and self.chance(0.95):
            return {"address": address, "dad": False}
        return address

    def _bridge_ports(self, name):
        interfaces = self.namespaces[name]["interfaces"]
        bridge = interfaces.get("br0")
        if bridge is None:
            return
        ports = [p for p, i in interfaces.items() if p.startswith("e") and "addresses" not in i]
        # A cable between two bridge ports could close a loop, and a loop never falls silent.
        ports = [p for p in ports if self._other_end[name, p] not in self._ports
                 and self.chance(0.7) and not self._ports.add((name, p))]
        if ports and self.chance(0.5):
            bridge["ports"] = ports
        else:
            for port in ports:
                interfaces[port]["master"] = "br0"

    def _routes(self, name):
        r, namespace = self.r, self.namespaces[name]
        ways = []
        for port, interface in namespace["interfaces"].items():
            if interface.get("state") == "down" or port == "lo" or interface.get("master"):
                continue
            for entry in interface.get("addresses", []):
                if isinstance(entry, dict) and "peer" in entry:
                    continue
                text = entry["address"] if isinstance(entry, dict) else entry
                if text.startswith("fe80"):
                    continue
                address = text.split("/")[0]
                head, sep, tail = address.rpartition(":" if ":" in address else ".")
                ways.append((port, address, f"{head}{sep}{9 if tail != '9' else 8}"))
        seen, routes = set(), []
        for _ in range(r.randint(0, 5)):
            if not ways:
                break
            port, address, via = r.choice(ways)
            six = ":" in via
            if name == "host":
                to = f"fd77:{r.randint(1, 5)}::/64" if six else f"10.77.{r.randint(1, 5)}.0/24"
            else:
                to = r.choice(["default", f"fd77:{r.randint(1, 5)}::/64"] if six
                              else ["default", f"10.77.{r.randint(1, 5)}.0/24", "10.78.0.1"])
            route = {"to": to, "via": via}
            if self.chance(0.2):
                route["metric"] = r.choice([10, 20])
            if self.chance(0.2):
                route["table"] = r.choice([100, 200])
            # On the host an IPv6 address is tentative for a second, and no source until then.
            if self.chance(0.2) and not (six and name == "host"):
                route["src"] = address
            if self.chance(0.2):
                route["mtu"] = r.choice([1300, 1400])
            if self.chance(0.1):
                route["advmss"] = 1200
            if self.chance(0.2):
                route["dev"] = port
            if self.chance(0.1):
                route["proto"] = r.choice([50, "static"])
            others = [w for w in ways if (":" in w[2]) == six and w[2] != via]
            if self.chance(0.2) and others:
                other = r.choice(others)[2]
                route.pop("via")
                route.pop("dev", None)
                route["nexthops"] = [{"via": via, "weight": r.randint(1, 3)}, {"via": other}]
            elif self.chance(0.15) and to != "default":
                route = {"to": to, "type": r.choice(["blackhole", "unreachable", "prohibit",
                                                     "throw"])}
            identity = (six, to, route.get("metric"), route.get("table"))
            if identity not in seen:
                seen.add(identity)
                routes.append(route)
        if routes:
            namespace["routes"] = routes

    def data(self, name="random"):
        data = {"name": name, "namespaces": copy.deepcopy(self.namespaces)}
        if self.links:
            data["links"] = copy.deepcopy(self.links)
        return data

    def text(self):
        return yaml.safe_dump(self.data(), sort_keys=False)
