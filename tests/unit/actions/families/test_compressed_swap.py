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
LIMIT = catalogue()["zram.mem_limit"]
needs_zswap = pytest.mark.skipif(
    os.geteuid() != 0 or not PARAMETERS.exists(), reason="only root may set zswap, where the kernel has it"
)
needs_zram = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/sys/block/zram0").exists(),
    reason="only root may set zram, where there is one",
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
        assert FAMILY.check(HOST, action, resource, new) == new
        try:
            FAMILY.apply(HOST, resource, new)
        except JepaError as error:  # an algorithm that this kernel lacks
            assert name == "zswap.compressor" and error.status == 422
            assert FAMILY.read(HOST, resource) == old
            continue
        FAMILY.verify(HOST, resource, new)
        FAMILY.undo(HOST, resource, old)
    assert (PARAMETERS / name.removeprefix("zswap.")).read_text() == before


@needs_zram
def test_the_limit_of_zram_is_read_where_the_kernel_shows_it() -> None:
    resource = FAMILY.resolve(HOST, LIMIT, "")
    old = FAMILY.read(HOST, resource)
    try:
        new = FAMILY.check(HOST, LIMIT, resource, 64 * 2**20 + 1)
        assert new == 64 * 2**20 + 4096
        FAMILY.apply(HOST, resource, new)
        FAMILY.verify(HOST, resource, new)
        assert Path("/sys/block/zram0/mm_stat").read_text().split()[3] == str(new)
    finally:
        FAMILY.undo(HOST, resource, old)
    FAMILY.verify(HOST, resource, old)
    assert FAMILY.read(HOST, resource) == old


@pytest.fixture
def tree(tmp_path: Path) -> Host:
    """A machine that swaps to zram, half full, and has zswap."""
    for name, text in {
        "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1048572 2048 100\n",
        "sys/block/zram0/mem_limit": "",
        "sys/block/zram0/mm_stat": "104857600 31457280 33554432 0 33554432 0 0 0 0",
        "sys/module/zswap/parameters/enabled": "N",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return Host(root=tmp_path)


def test_a_limit_below_what_is_in_use_is_refused(tree: Host) -> None:
    resource = FAMILY.resolve(tree, LIMIT, "")
    assert FAMILY.read(tree, resource) == "none"
    assert FAMILY.check(tree, LIMIT, resource, 33554432) == 33554432
    with pytest.raises(JepaError, match="zram0 holds 33554432 bytes of memory already") as refused:
        FAMILY.check(tree, LIMIT, resource, 16777216)
    assert refused.value.status == 422
    assert FAMILY.check(tree, LIMIT, resource, "none") == "none"


@pytest.mark.parametrize("action", [catalogue()["zswap.enabled"]])
def test_zswap_is_not_offered_where_nothing_is_swapped_to_a_disk(tree: Host, action: ActionType) -> None:
    reason = "zswap has nothing to do here: no swap space lies on a disk."
    assert FAMILY.missing(tree, action) == reason
    with (tree.root / "proc/swaps").open("a") as file:
        file.write("/dev/vda3 partition 1048572 0 -2\n")
    assert FAMILY.missing(tree, action) is None


def test_a_machine_without_zram_says_so(tmp_path: Path) -> None:
    assert "there is no zram device" in str(FAMILY.missing(Host(root=tmp_path), LIMIT))
