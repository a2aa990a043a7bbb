# SPDX-License-Identifier: Apache-2.0
"""What is put over a guest's /usr: this tree's sources, as an installation would have them."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from tools.vm import sources
from tools.vm.emulator import TOOLS_TREE

PACKAGE = "usr/lib/jepa/jepa"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree of ours, from a clone made with a strict umask."""
    package = tmp_path / "userland/src/jepa"
    for name in ("__init__.py", "world/model.py", "actions/__init__.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(f"NAME = {name!r}\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__/old.cpython-311.pyc").write_bytes(b"of another Python")
    program = tmp_path / "mkosi.extra/usr/bin/jepa"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (program.parent / "other").symlink_to("jepa")
    for path in tmp_path.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    return tmp_path


@pytest.mark.skipif(not TOOLS_TREE.exists(), reason="needs the tools tree that make image leaves")
def test_files_are_the_systems_and_compiled_for_the_images_python(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(sources.bundle(tree))) as archive:
        members = {member.name: member for member in archive}
    assert {member.uid for member in members.values()} == {0}
    assert members["usr/bin/jepa"].mode == 0o755
    assert members[f"{PACKAGE}/__init__.py"].mode == 0o644
    assert members["usr/bin/other"].linkname == "jepa"
    compiled = {name for name in members if name.endswith(".pyc")}
    assert f"{PACKAGE}/world/__pycache__/model.cpython-313.pyc" in compiled
    assert not any("311" in name for name in compiled)


def test_a_change_that_no_daemon_holds_in_memory_restarts_none(tree: Path) -> None:
    package, other = tree / "userland/src/jepa", tree / "other"
    shutil.copytree(package, other)
    (other / "actions/__init__.py").write_text("NAME = 'changed'\n")
    (other / "world/model.pyc").write_bytes(b"compiled")
    assert sources._digest(package) == sources._digest(other)
    (other / "world/model.py").write_text("NAME = 'changed'\n")
    assert sources._digest(package) != sources._digest(other)
