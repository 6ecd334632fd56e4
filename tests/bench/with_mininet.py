#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""with_mininet.py LAB.json: a lab of the benchmark by means of mininet, made and taken away in one
process, as mininet wants it. Prints the seconds that making took, this program's start included
(argument START: by the monotonic clock)."""
import json
import sys
import time

from mininet.net import Mininet
from mininet.node import Node


def commands(n):
    if n["forwarding"]:
        yield "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
    for name, addresses in n["interfaces"].items():
        for a in addresses:
            yield f"ip address add {a} dev {name}" + (" nodad" if ":" in a else "")
    for to, via in n["routes"]:
        if to == "default":
            to = "::/0" if ":" in via else "0.0.0.0/0"
        yield f"ip route add {to} via {via}"


def main():
    with open(sys.argv[1], encoding="ascii") as f:
        lab = json.load(f)
    net = Mininet(controller=None, build=False)
    for n in lab["namespaces"]:
        net.addHost(n["name"], cls=Node, ip=None)
    for (a, port), (b, other) in lab["cables"]:
        net.addLink(a, b, intfName1=port, intfName2=other)
    net.build()
    for n in lab["namespaces"]:
        said = net[n["name"]].cmd("; ".join(commands(n))).strip()
        if said:
            sys.exit(f"{n['name']}: {said}")
    print(time.monotonic() - float(sys.argv[2]), flush=True)
    net.stop()


main()
