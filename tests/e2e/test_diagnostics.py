# SPDX-License-Identifier: MIT
"""What is said about a lab that cannot be planned or applied, and where in the file."""
import re

import pytest


def places(done):
    """The line:column of each error about a file."""
    return re.findall(r"^[^\s:]+:(\d+:\d+): error:", done.err, re.M)


# --- an error about the whole of something points at its name -----------------------------------


@pytest.mark.parametrize("text, place", [
    ("""
namespaces:
  gone:
    external: true
    forwarding: true
""", "3:3"),
    ("""
namespaces:
  taken:
    forwarding: true
""", "3:3"),
    ("""
namespaces:
  other:
    external:
      path: /etc/passwd
""", "3:3"),
    ("""
namespaces:
  host:
    interfaces:
      nowhere:
        mtu: 1400
""", "5:7"),
    ("""
namespaces:
  host:
    interfaces:
      there:
        kind: bridge
""", "5:7"),
    ("""
namespaces:
  host:
    interfaces:
      br0: {kind: bridge}
  a: {}
links:
  - endpoints: [a:x, host:there]
""", "8:22"),
    ("""
namespaces:
  host:
    interfaces:
      br0:
        kind: bridge
        ports:
          - there
          - nowhere
""", "9:13"),
], ids=["missing namespace", "foreign namespace", "no namespace", "missing interface",
        "foreign interface", "end of a cable", "port"])
def test_place_of_the_whole(box, text, place):
    box.sh("ip netns add taken; ip link add there type bridge")
    file = box.write("whole.yaml", text)
    assert places(box.nsapply("--plan", "--color=never", file, status=1)) == [place]
