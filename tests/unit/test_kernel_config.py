# SPDX-License-Identifier: Apache-2.0
"""What is asked of a kernel, compared with kernels that Debian ships and with ones that lack something."""

import gzip
import re
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.kernel_config import (
    ARCHITECTURES,
    COMMON,
    fragments_folder,
    groups_for,
    lacking,
    parse_config,
    parse_fragment,
    read_config,
    running_config,
    tell,
)

REAL = Path(__file__).parent / "kernel_configs"
FRAGMENTS = [*COMMON, *ARCHITECTURES.values()]
ALTERED = {
    "CONFIG_DM_VERITY=m": ("# CONFIG_DM_VERITY is not set", "DM_VERITY", ("m", "n")),
    "CONFIG_EFI_STUB=y": ("", "EFI_STUB", ("y", "n")),
    "CONFIG_TCG_TPM=y": ("CONFIG_TCG_TPM=m", "TCG_TPM", ("y", "m")),
    "# CONFIG_PSI_DEFAULT_DISABLED is not set": (
        "CONFIG_PSI_DEFAULT_DISABLED=y",
        "PSI_DEFAULT_DISABLED",
        ("n", "y"),
    ),
}


def text_of(name: str) -> str:
    return gzip.decompress((REAL / f"{name}.gz").read_bytes()).decode()


@pytest.mark.parametrize("kernel", ["debian-7.3-amd64", "debian-7.3-arm64"])
def test_the_kernels_that_the_image_boots_lack_nothing(kernel: str) -> None:
    config = read_config(REAL / f"{kernel}.gz")
    groups = groups_for(config)
    assert lacking(groups, config) == []
    assert re.fullmatch(r"The kernel has all 1\d\d options .*\.", tell(groups, []))


def test_the_stock_kernel_lacks_what_the_backports_are_taken_for() -> None:
    config = read_config(REAL / "debian-6.12-amd64.gz")
    groups = groups_for(config)
    lacks = lacking(groups, config)
    assert {name for lack in lacks for name in lack.options} == {
        *("SCHED_CLASS_EXT", "UCLAMP_TASK", "UCLAMP_TASK_GROUP"),
    }
    said = tell(groups, lacks)
    assert said.startswith("3 of ")
    assert "`cpu.uclamp` of units cannot be set" in said


@pytest.mark.parametrize("line", ALTERED)
def test_one_option_that_differs_is_found(line: str) -> None:
    instead, name, difference = ALTERED[line]
    text = text_of("debian-7.3-amd64")
    assert f"\n{line}\n" in text
    config = parse_config(text.replace(f"\n{line}\n", f"\n{instead}\n"))
    (lack,) = lacking(groups_for(config), config)
    assert lack.options == {name: difference}
    assert lack.group.without


def test_a_module_that_is_built_in_is_not_missed() -> None:
    config = parse_config(text_of("debian-7.3-amd64").replace("=m\n", "=y\n"))
    assert lacking(groups_for(config), config) == []


def test_of_two_lines_for_one_option_the_last_holds() -> None:
    assert parse_config("CONFIG_A=m\nCONFIG_B=y\nCONFIG_A=y\n# CONFIG_B is not set\n") == {"A": "y"}


def test_much_that_is_missing_is_told_in_short() -> None:
    config = {"X86_64": "y"}
    groups = groups_for(config)
    said = tell(groups, lacking(groups, config))
    assert "the system does not start" in said
    assert re.search(r"; and \d\d things more\.$", said)
    assert len(said) < 400


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_are_sorted_and_say_why(name: str) -> None:
    text = (fragments_folder() / f"{name}.config").read_text()
    groups = parse_fragment(name, text)
    assert groups
    for group in groups:
        assert list(group.options) == sorted(group.options)
        assert group.reason.endswith(".")
        assert not group.without.endswith(".")


def test_no_option_is_asked_for_twice_on_one_architecture() -> None:
    for architecture in ARCHITECTURES:
        names = [name for group in groups_for({architecture: "y"}) for name in group.options]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "text",
    ["CONFIG_BPF=y", "# Why.\nCONFIG_BPF=y", "# Without: all\nCONFIG_BPF=y", "# Why.\n# Without: x\nBPF"],
)
def test_a_fragment_without_a_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fragment"):
        parse_fragment("fragment", text)


def test_a_kernel_for_another_processor_is_refused() -> None:
    with pytest.raises(JepaError, match="neither for x86-64 nor for arm64"):
        groups_for({"RISCV": "y"})


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x1f\x8b broken", b"\x00" * 5000])
def test_a_file_that_is_no_config_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(JepaError, match=re.escape(str(path))):
        read_config(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="none"):
        read_config(tmp_path / "none")


def test_the_running_kernel_is_looked_for_in_its_usual_places(tmp_path: Path) -> None:
    assert running_config(tmp_path, "7.3") is None
    for place in ("boot/config-7.3", "usr/lib/modules/7.3/config", "proc/config.gz"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert running_config(tmp_path, "7.3") == path
    assert running_config(tmp_path, "7.4") == tmp_path / "proc/config.gz"
