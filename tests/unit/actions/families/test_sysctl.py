# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters are set and taken back on the running kernel."""

import os
from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
from jepa.errors import JepaError

SWAPPINESS = catalogue()["vm.swappiness"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set kernel parameters")


@needs_root
def test_a_parameter_is_set_verified_and_taken_back() -> None:
    family, host = Sysctl(), Host()
    resource = family.resolve(host, SWAPPINESS, "")
    old = family.read(host, resource)
    assert isinstance(old, int)
    new = old - 1 if old else 1
    try:
        family.apply(host, resource, new)
        family.verify(host, resource, new)
        assert Path("/proc/sys/vm/swappiness").read_text() == f"{new}\n"
    finally:
        family.undo(host, resource, old)
    assert family.read(host, resource) == old


def test_a_parameter_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    assert Sysctl().missing(Host(root=tmp_path), SWAPPINESS) == "This kernel has no vm.swappiness."


def test_a_parameter_takes_no_target() -> None:
    with pytest.raises(JepaError, match="takes no target"):
        Sysctl().resolve(Host(), SWAPPINESS, "nginx.service")
