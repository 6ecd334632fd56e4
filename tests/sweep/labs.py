# SPDX-License-Identifier: MIT
"""What the sweeps work on: a machine that is in use already, and labs that touch it everywhere."""

# The machine as it is found. Ends called *2 have no IPv6: what they would get of their own with
# their first carrier is not a lab's to put back.
FOUND = """
cd /proc/sys/net
ip -batch - <<.
link set lo up
netns add other
link add nic type veth peer name nic2
link add spare type veth peer name spare2
link add exist type veth peer name exist2
.
for i in nic2 spare2 exist2; do echo 1 > ipv6/conf/$i/disable_ipv6; done
for i in nic spare exist; do echo 0 > ipv6/conf/$i/accept_dad; done

ip -batch - <<.
link set nic2 up
link set nic mtu 1400 address 02:00:00:00:00:09 up
address add 192.0.2.1/24 dev nic
address add 2001:db8::1/64 dev nic nodad
route add default via 192.0.2.254 metric 100
route add 203.0.113.0/24 via 192.0.2.253 src 192.0.2.1 mtu 1300
route add 198.51.100.0/24 dev nic table 50
route add 2001:db8:1::/48 via 2001:db8::fe
address add 198.51.100.9/32 scope link dev spare

link set exist2 up
link set exist up
address add 10.70.0.1/24 dev exist
address add 2001:db8:70::1/64 dev exist nodad
route add 10.71.0.0/16 via 10.70.0.254

link add keep type bridge
.
echo 1 > ipv6/conf/keep/disable_ipv6
ip -batch - <<.
link set keep up
address add 10.50.0.1/24 dev keep
route add 10.60.0.0/16 via 10.50.0.2
neigh add 10.50.0.2 lladdr 02:00:00:00:00:50 dev keep nud permanent
rule add from 10.50.0.0/24 table 50 priority 1000
.
echo 2 > ipv4/conf/nic/rp_filter
echo 33 > ipv6/conf/nic/hop_limit
echo 1 > ipv4/conf/exist/forwarding
echo 0 > ipv4/conf/keep/accept_redirects

ip -n other -batch - <<.
link set lo up
link add obr type bridge
.
ip netns exec other sh -c 'echo 1 > /proc/sys/net/ipv6/conf/obr/disable_ipv6'
ip -n other -batch - <<.
link set obr up
address add 10.80.0.1/24 dev obr
.
"""

# A machine on which no namespace was ever made.
BARE = "ip link set lo up"

SMALL = """
name: sweep
namespaces:
  host:
    forwarding: true
    interfaces:
      br0: {kind: bridge, ports: [v0, v1], addresses: [10.1.0.1/24, {address: 'fd01::1/64', dad: false}]}
      exist: {mtu: 1450, addresses: [10.70.0.2/24], sysctl: {ipv4.rp_filter: 1}}
    routes:
      - {to: 10.9.0.0/24, via: 10.1.0.2}
      - {to: 10.72.0.0/16, via: 10.70.0.9, metric: 5}
  other:
    external: true
    interfaces: {obr: {addresses: [10.80.0.9/24]}}
    routes: [{to: 10.81.0.0/16, via: 10.80.0.2}]
  a:
    forwarding: true
    sysctl: {net.ipv4.ip_default_ttl: 70}
    interfaces:
      eth0: {addresses: [10.1.0.2/24, 'fd01::2/64'], sysctl: {ipv4.arp_ignore: 1}}
      e1: {addresses: [10.9.0.1/24]}
      up0: {from: 'host:nic', addresses: [192.0.2.77/24], mtu: 1450}
    routes: [{to: default, via: 192.0.2.254}]
  b:
    interfaces:
      eth0: {addresses: [10.9.0.2/24]}
      lo: {addresses: [10.255.0.1/32]}
    routes: [{to: default, via: 10.9.0.1}]
  c:
    interfaces:
      eth0: {addresses: [10.1.0.3/24]}
      low: {from: 'host:spare', state: down}
      br: {kind: bridge, stp: true, forward_delay: 2}
links:
  - [host:v0, a:eth0]
  - [host:v1, c:eth0]
  - [a:e1, b:eth0]
"""

# Over SMALL: a namespace less and one more, a cable replaced, one interface given back, other
# addresses, routes, MTUs and sysctls.
CHANGED = """
name: sweep
namespaces:
  host:
    forwarding: ipv4
    interfaces:
      br0: {kind: bridge, ports: [v0], priority: 8192, addresses: [10.1.0.9/24]}
      exist: {mtu: 1440, addresses: [10.70.0.3/24], sysctl: {ipv4.arp_ignore: 1}}
    routes:
      - {to: 10.9.0.0/24, via: 10.1.0.2, mtu: 1300}
      - {to: 10.73.0.0/16, via: 10.70.0.9}
  a:
    sysctl: {net.ipv4.tcp_ecn: 1}
    interfaces:
      eth0: {addresses: [10.1.0.2/24, 'fd01::22/64'], mtu: 1400}
      e1: {addresses: [10.9.0.1/24]}
      up0: {from: 'host:nic', addresses: [192.0.2.78/24]}
    routes: [{to: default, via: 10.1.0.9}]
  c:
    interfaces:
      br: {kind: bridge, mac: '02:00:00:00:00:11', ports: [p0]}
  d:
    interfaces:
      eth0: {addresses: [10.9.0.3/24]}
    routes: [{to: default, via: 10.9.0.1}]
links:
  - [host:v0, a:eth0]
  - [a:e1, d:eth0]
  - [c:p0, d:p1]
"""

# Over SMALL: what was moved in moves on, within its namespace and to another one.
MOVED = SMALL.replace("up0: {from", "up1: {from").replace(
    "      low: {from: 'host:spare', state: down}\n", "").replace(
    "      lo: {addresses: [10.255.0.1/32]}\n",
    "      lo: {addresses: [10.255.0.1/32]}\n      low: {from: 'host:spare', state: down}\n")

# With processes, which say by HERE whose they are: one that says when it is ready, one that leaves
# a daemon behind, and one on the host, which no namespace takes along.
PROCESSES = """
name: sweep
namespaces:
  host:
    interfaces: {v0: {addresses: [10.1.0.1/24]}}
    processes:
      stays: {command: [sleep, "1000"], env: {HERE: '@HERE@'}}
  a:
    interfaces: {eth0: {addresses: [10.1.0.2/24]}}
    processes:
      says: {command: [sh, -c, 'sleep 1000 & echo up; wait'], ready: {log: up}, env: {HERE: '@HERE@'}}
      leaves: {command: [sh, -c, 'setsid sleep 1000 &'], stdin: text, env: {HERE: '@HERE@'}}
links: [[host:v0, a:eth0]]
"""

# Over that: one goes, one comes, and one is another.
OTHER_PROCESSES = PROCESSES.replace("leaves: {", "other: {").replace('"1000"', '"2000"')


def failing(lab):
    """The same with a route at the very end that the kernel refuses: a gateway in an external
    namespace is not looked at beforehand."""
    route = "  other: {external: true, routes: [{to: 10.82.0.0/16, via: 10.99.0.2}]}\n"
    before, links, after = lab.partition("links:\n")
    if "  other:" in before:
        return lab.replace("routes: [{to: 10.81.0.0/16, via: 10.80.0.2}]",
                           "routes: [{to: 10.81.0.0/16, via: 10.80.0.2},"
                           " {to: 10.82.0.0/16, via: 10.99.0.2}]")
    return before + route + links + after


def failing_process(lab):
    """The same with a process that does not stay."""
    return lab.replace("    processes:\n", "    processes:\n      ends: {command: ['false'], ready: {log: up}}\n", 1)


def _big():
    """SMALL with a chain of namespaces behind it: ten in all."""
    namespaces, links, last = "", "", "b:up"
    for i in range(7):
        name, up = f"n{i}", f"10.20.{i}"
        namespaces += f"""  {name}:
    forwarding: true
    interfaces:
      left: {{addresses: [{up}.2/24, 'fd20:{i}::2/64']}}
      br: {{kind: bridge, addresses: [10.30.{i}.1/24]}}
    routes: [{{to: 10.40.0.0/16, via: {up}.1}}]
"""
        links += f"  - [{last}, {name}:left]\n"
        last = f"{name}:right"
        if i:
            namespaces = namespaces.replace(
                f"  n{i - 1}:\n    forwarding: true\n    interfaces:\n",
                f"  n{i - 1}:\n    forwarding: true\n    interfaces:\n"
                f"      right: {{addresses: [{up}.1/24]}}\n")
    head, _, tail = SMALL.partition("links:\n")
    head = head.replace("      eth0: {addresses: [10.9.0.2/24]}\n",
                        "      eth0: {addresses: [10.9.0.2/24]}\n"
                        "      up: {addresses: [10.20.0.1/24]}\n")
    return head + namespaces + "links:\n" + tail + links


BIG = _big()

# For the bare machine.
LITTLE = """
name: sweep
namespaces:
  host: {interfaces: {v0: {addresses: [10.1.0.1/24]}}}
  a: {interfaces: {eth0: {addresses: [10.1.0.2/24]}}}
  b: {}
links: [[host:v0, a:eth0]]
"""
