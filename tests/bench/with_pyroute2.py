#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""with_pyroute2.py create|destroy LAB.json: a lab of the benchmark by means of pyroute2, as its
documentation has it: one NetNS object for each namespace."""
import json
import socket
import sys

from pyroute2 import NetNS, netns

IFA_F_NODAD = 2


def write_sysctls(name):
    netns.pushns(name)
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/net/{path}", "w", encoding="ascii") as f:
            f.write("1")
    netns.popns()


def configure(ns, n):
    ns.link("set", index=1, state="up")
    for name, addresses in n["interfaces"].items():
        index = ns.link_lookup(ifname=name)[0]
        for address in addresses:
            ip, length = address.split("/")
            extra = {"flags": IFA_F_NODAD} if ":" in ip else {}
            ns.addr("add", index=index, address=ip, prefixlen=int(length), **extra)
        ns.link("set", index=index, state="up")
    for to, via in n["routes"]:
        family = socket.AF_INET6 if ":" in via else socket.AF_INET
        ns.route("add", dst=to, gateway=via, family=family)


def create(lab):
    for n in lab["namespaces"]:
        netns.create(n["name"])
    opened = {n["name"]: NetNS(n["name"]) for n in lab["namespaces"]}
    for (a, port), (b, other) in lab["cables"]:
        opened[a].link("add", ifname=port, kind="veth", peer={"ifname": other, "net_ns_fd": b})
    for n in lab["namespaces"]:
        if n["forwarding"]:
            write_sysctls(n["name"])
        configure(opened[n["name"]], n)
    for ns in opened.values():
        ns.close()


def main():
    verb, path = sys.argv[1:]
    with open(path, encoding="ascii") as f:
        lab = json.load(f)
    if verb == "create":
        create(lab)
    else:
        for n in lab["namespaces"]:
            netns.remove(n["name"])


main()
