# SPDX-License-Identifier: Apache-2.0
"""Compressed swap is set and taken back on the running kernel."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.actions.catalogue import ActionType, Value, catalogue
from jepa.actions.families.compressed_swap import CompressedSwap
from jepa.actions.family import Host
from jepa.errors import JepaError

FAMILY, HOST = CompressedSwap(), Host()
PARAMETERS = Path("/sys/module/zswap/parameters")
needs_zswap = pytest.mark.skipif(
    os.geteuid() != 0 or not PARAMETERS.exists(), reason="only root may set zswap, where the kernel has it"
)


@pytest.fixture
def kept() -> Iterator[None]:
    """Puts zswap back as it was, whatever a test leaves."""
    before = {file: file.read_text() for file in PARAMETERS.iterdir()}
    yield
    for file, text in before.items():
        if file.read_text() != text:
            file.write_text(text)


@needs_zswap
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("zswap.max_pool_percent", (30, 31)),
        ("zswap.accept_threshold_percent", (80, 81)),
        ("zswap.shrinker_enabled", ("on", "off")),
        ("zswap.compressor", ("lz4", "zstd", "lzo-rle", "lzo")),
    ],
)
def test_a_parameter_is_set_and_taken_back(kept: None, name: str, values: tuple[Value, ...]) -> None:
    action = catalogue()[name]
    resource = FAMILY.resolve(HOST, action, "")
    before = (PARAMETERS / name.removeprefix("zswap.")).read_text()
    old = FAMILY.read(HOST, resource)
    for new in values:
        if new == old:
            continue
        try:
            FAMILY.apply(HOST, resource, new)
        except JepaError as error:  # an algorithm that this kernel lacks
            assert name == "zswap.compressor" and error.status == 422
            assert FAMILY.read(HOST, resource) == old
            continue
        FAMILY.verify(HOST, resource, new)
        FAMILY.undo(HOST, resource, old)
    assert (PARAMETERS / name.removeprefix("zswap.")).read_text() == before


@pytest.fixture
def tree(tmp_path: Path) -> Host:
    """A machine that swaps to zram, half full, and has zswap."""
    for name, text in {
        "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1048572 2048 100\n",
        "sys/module/zswap/parameters/enabled": "N",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return Host(root=tmp_path)


@pytest.mark.parametrize("action", [catalogue()["zswap.enabled"]])
def test_zswap_is_not_offered_where_nothing_is_swapped_to_a_disk(tree: Host, action: ActionType) -> None:
    reason = "zswap has nothing to do here: no swap space lies on a disk."
    assert FAMILY.missing(tree, action) == reason
    resource = FAMILY.resolve(tree, action, "")
    with pytest.raises(JepaError, match="no swap space lies on a disk"):
        FAMILY.check(tree, action, resource, "on")
    with (tree.root / "proc/swaps").open("a") as file:
        file.write("/dev/vda3 partition 1048572 0 -2\n")
    assert FAMILY.missing(tree, action) is None
    assert FAMILY.check(tree, action, resource, "on") == "on"
