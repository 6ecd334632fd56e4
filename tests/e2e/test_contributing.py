# SPDX-License-Identifier: MIT
"""The diff of CONTRIBUTING.md, applied to a copy of the sources, adds a kind that works."""
import re
import shutil
import subprocess

import pytest

from box import ROOT, Box


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """nsapply with the diff."""
    diff = re.search(r"^```diff\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.S | re.M)
    tree = tmp_path_factory.mktemp("tree") / "nsapply"
    shutil.copytree(ROOT, tree, symlinks=True,
                    ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    for command in [["patch", "-p1", "--fuzz=0"],
                    ["meson", "setup", "build", "--werror", "-Dtests=disabled"],
                    ["meson", "compile", "-C", "build", "nsapply"]]:
        done = subprocess.run(command, cwd=tree, input=diff.group(1).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{command}\n{done.stdout.decode()}"
    programs = [p for p in (tree / "build").rglob("nsapply") if p.is_file()]
    assert len(programs) == 1
    return programs[0]


def lab(**keys):
    words = ", ".join(f"{k}: {v}" for k, v in keys.items())
    return f"namespaces: {{a: {{interfaces: {{v0: {{kind: vxlan, {words}}}}}}}}}\n"


def test_parser_knows_it(built, tmp_path):
    box = Box(tmp_path)
    try:
        file = box.write("lab.yaml", lab(id=5))
        box.run(built, "--validate", file)
        script = box.run(built, "--plan", "--format", "ip", file, status=2).out
        assert "vxlan id 5" in script
        box.write("lab.yaml", lab(learning="true"))
        assert "id" in box.run(built, "--validate", file, status=3).err
        box.write("lab.yaml", lab(id=5, port=0))
        assert "port must be" in box.run(built, "--validate", file, status=3).err
    finally:
        box.close()


def test_it_works(built, tmp_path):
    box = Box(tmp_path)
    try:
        # The kernel must have this kind.
        if box.run("ip", "link", "add", "probe", "type", "vxlan", "id", "1", "dstport", "8472",
                   status=None).status:
            pytest.skip("this kernel has no vxlan")
        box.run("ip", "link", "delete", "probe")
        before = box.snapshot()
        file = box.write("lab.yaml", lab(id=5))
        box.run(built, file)
        box.run(built, "--plan", file)
        data = box.link("a", "v0")["linkinfo"]["info_data"]
        assert (data["id"], data["port"]) == (5, 8472)

        box.write("lab.yaml", lab(id=5, learning="false"))
        plan = box.run(built, "--plan", file, status=2).out
        assert plan.splitlines()[0] == "~ link a:v0: learning true -> false"
        index = box.link("a", "v0")["ifindex"]
        box.run(built, file)
        assert box.link("a", "v0")["ifindex"] == index
        assert box.link("a", "v0")["linkinfo"]["info_data"]["learning"] is False

        box.write("lab.yaml", lab(id=6))
        plan = box.run(built, "--plan", file, status=2).out
        assert plan.splitlines()[0].startswith("-/+ link a:v0")
        box.run(built, file)
        assert box.link("a", "v0")["linkinfo"]["info_data"]["id"] == 6
        box.run(built, "--destroy", file)
        box.assert_same(before)
    finally:
        box.close()
