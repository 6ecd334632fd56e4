# SPDX-License-Identifier: MIT
"""The benchmark's labs, and each of them in the words of those that are compared: a topology file,
scripts for nsenter and `ip -batch`, a description for the programs that use pyroute2 and mininet.
floor.c knows the same labs by heart.

chain   N namespaces in a row, both families, forwarding, static routes to the ends
star    N namespaces on one bridge, IPv4
routes  two namespaces and a cable, with R static routes by way of it
cables  N namespaces and as many cables, a ring, and nothing else"""
import dataclasses
import ipaddress
import json


@dataclasses.dataclass
class Namespace:
    name: str
    interfaces: dict = dataclasses.field(default_factory=dict)  # name -> addresses
    routes: list = dataclasses.field(default_factory=list)  # (to, via); default: by via's family
    forwarding: bool = False
    bridge: str = ""  # its name; the ports are the other interfaces


@dataclasses.dataclass
class Lab:
    namespaces: list
    cables: list  # ((namespace, interface), (namespace, interface))

    def names(self):
        return [n.name for n in self.namespaces]

    def objects(self):
        """Namespaces, cables, addresses and routes."""
        return len(self.cables) + sum(
            1 + len(n.routes) + sum(map(len, n.interfaces.values())) for n in self.namespaces)

    def describe(self):
        return {"namespaces": [dataclasses.asdict(n) for n in self.namespaces],
                "cables": self.cables}


def _ipv4(i, host):
    return str(ipaddress.IPv4Address(0x0a000000 + i * 4 + host))


def _ipv6(i, host):
    return str(ipaddress.IPv6Address((0xfd << 120) + (i << 64) + host))


def _both(i, host):
    return [f"{_ipv4(i, host)}/30", f"{_ipv6(i, host)}/64"]


def _to_network(network, i, host):
    """A route in both families to a network, by way of a host in network i."""
    return [(f"{_ipv4(network, 0)}/30", _ipv4(i, host)), (f"{_ipv6(network, 0)}/64", _ipv6(i, host))]


def _to_all(i, host):
    return [("default", _ipv4(i, host)), ("default", _ipv6(i, host))]


def chain(count):
    last = count - 1
    namespaces = []
    for i in range(count):
        n = Namespace(f"n{i}", forwarding=True)
        if i > 0:
            n.interfaces["left"] = _both(i - 1, 2)
        if i < last:
            n.interfaces["right"] = _both(i, 1)
        if i == 0:
            n.routes = _to_all(0, 2)
        elif i == last:
            n.routes = _to_all(i - 1, 1)
        else:
            n.routes = (_to_network(0, i - 1, 1) if i > 1 else []) + \
                (_to_network(last - 1, i, 2) if i < last - 1 else [])
        namespaces.append(n)
    return Lab(namespaces, [((f"n{i}", "right"), (f"n{i + 1}", "left")) for i in range(last)])


def star(count):
    namespaces = [Namespace(f"n{i}", {"eth0": [f"{ipaddress.IPv4Address(0x0a000001 + i)}/12"]},
                            [("default", "10.15.255.254")]) for i in range(count)]
    namespaces.append(Namespace("switch", bridge="br0"))
    return Lab(namespaces, [(("switch", f"p{i}"), (f"n{i}", "eth0")) for i in range(count)])


def routes(count):
    lab = Lab([Namespace("n0", {"right": ["10.0.0.1/30"]}),
               Namespace("n1", {"left": ["10.0.0.2/30"]})], [(("n0", "right"), ("n1", "left"))])
    lab.namespaces[0].routes = [
        (f"{ipaddress.IPv4Address(0x14000000 + i * 256)}/24", "10.0.0.2") for i in range(count)]
    return lab


def cables(count):
    return Lab([Namespace(f"n{i}") for i in range(count)],
               [((f"n{i}", "right"), (f"n{(i + 1) % count}", "left")) for i in range(count)])


# --- in the words of others -----------------------------------------------------------------

def _ports(lab, name):
    return [a[1] for a, _ in lab.cables if a[0] == name]


def topology(lab, changed=None):
    """The file for nsapply; changed: the namespace of which one interface has another MTU."""
    lines = ["name: bench", "namespaces:"]
    for n in lab.namespaces:
        lines.append(f"  {n.name}:" if n.interfaces or n.bridge else f"  {n.name}: {{}}")
        if n.forwarding:
            lines.append("    forwarding: true")
        if n.interfaces or n.bridge:
            lines.append("    interfaces:")
        if n.bridge:
            ports = ", ".join(_ports(lab, n.name))
            lines.append(f"      {n.bridge}: {{kind: bridge, ports: [{ports}]}}")
        for i, (interface, addresses) in enumerate(n.interfaces.items()):
            mtu = "mtu: 1400, " if n.name == changed and i == 0 else ""
            listed = ", ".join(f"'{a}'" if ":" in a else a for a in addresses)
            lines.append(f"      {interface}: {{{mtu}addresses: [{listed}]}}")
        if n.routes:
            lines.append("    routes:")
        for to, via in n.routes:
            to, via = (f"'{a}'" if ":" in a else a for a in (to, via))
            lines.append(f"      - {{to: {to}, via: {via}}}")
    lines.append("links:")
    lines += [f"  - ['{a[0]}:{a[1]}', '{b[0]}:{b[1]}']" for a, b in lab.cables]
    return "\n".join(lines) + "\n"


def _batch_of(lab, n):
    lines = ["link set lo up"]
    if n.bridge:
        lines.append(f"link add {n.bridge} type bridge")
        lines += [f"link set {port} master {n.bridge} up" for port in _ports(lab, n.name)]
        lines.append(f"link set {n.bridge} up")
    for interface, addresses in n.interfaces.items():
        lines += [f"address add {a} dev {interface}" + (" nodad" if ":" in a else "")
                  for a in addresses]
        lines.append(f"link set {interface} up")
    for to, via in n.routes:
        if to == "default":
            to = "::/0" if ":" in via else "0.0.0.0/0"
        lines.append(f"route add {to} via {via}")
    return lines


def write_batches(lab, folder):
    """create.sh and destroy.sh: the fastest form that iproute2 and a shell have. One `ip -batch`
    makes namespaces and cables; then each namespace is entered once."""
    first = [f"netns add {name}" for name in lab.names()]
    first += [f"link add {a[1]} netns {a[0]} type veth peer name {b[1]} netns {b[0]}"
              for a, b in lab.cables]
    (folder / "first").write_text("\n".join(first) + "\n")
    script = ["set -e", f"ip -batch {folder}/first"]
    for n in lab.namespaces:
        (folder / f"batch.{n.name}").write_text("\n".join(_batch_of(lab, n)) + "\n")
        sysctls = ("echo 1 >/proc/sys/net/ipv4/ip_forward; "
                   "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; ") if n.forwarding else ""
        script.append(f"nsenter --net=/run/netns/{n.name} "
                      f"sh -c '{sysctls}exec ip -batch {folder}/batch.{n.name}'")
    (folder / "create.sh").write_text("\n".join(script) + "\n")
    (folder / "last").write_text("\n".join(f"netns delete {n}" for n in lab.names()) + "\n")
    (folder / "destroy.sh").write_text(f"exec ip -batch {folder}/last\n")


def write(lab, folder, changed=None):
    """Everything, in a folder that is there."""
    (folder / "lab.yaml").write_text(topology(lab))
    if changed:
        (folder / "changed.yaml").write_text(topology(lab, changed))
    write_batches(lab, folder)
    (folder / "lab.json").write_text(json.dumps(lab.describe()))
