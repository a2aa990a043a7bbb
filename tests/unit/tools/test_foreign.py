# SPDX-License-Identifier: Apache-2.0
"""Whether this host runs programs of another architecture, and what it says where it does not."""

from pathlib import Path

import pytest

from tools.foreign import Runner

RULE = ":qemu-aarch64:M::\\x7fELF:\\xff:/usr/libexec/qemu-binfmt/aarch64-binfmt-P:OPF"


def host(root: Path, entry: str | None = None) -> Runner:
    """A host with the rule of the package, and with what the kernel knows."""
    rules, kernel = root / "usr/lib/binfmt.d", root / "proc/sys/fs/binfmt_misc"
    rules.mkdir(parents=True)
    kernel.mkdir(parents=True)
    (rules / "qemu-aarch64.conf").write_text(f"# rule\n{RULE}\n")
    (kernel / "register").touch()
    if entry is not None:
        (kernel / "qemu-aarch64").write_text(entry)
    return Runner("arm64", root)


@pytest.mark.parametrize(
    ("entry", "ready"),
    [
        ("enabled\ninterpreter /usr/bin/qemu\nflags: POF\noffset 0\n", True),
        ("enabled\ninterpreter /usr/bin/qemuF\nflags: PO\noffset 0\n", False),
        ("enabled\ninterpreter /usr/bin/qemu\nflags: \noffset 0\n", False),
        ("disabled\ninterpreter /usr/bin/qemu\nflags: POF\noffset 0\n", False),
        (None, False),
    ],
)
def test_it_is_ready_when_the_interpreter_serves_in_every_file_tree(
    tmp_path: Path, entry: str | None, ready: bool
) -> None:
    assert host(tmp_path, entry).ready() is ready


def test_the_rule_of_the_package_is_what_the_kernel_is_told(tmp_path: Path) -> None:
    runner = host(tmp_path)
    with pytest.raises(SystemExit):  # no kernel here makes an entry of it
        runner.register()
    assert (tmp_path / "proc/sys/fs/binfmt_misc/register").read_text() == RULE


def test_a_rule_of_others_stays_and_the_remedy_is_named(tmp_path: Path) -> None:
    runner = host(tmp_path, "enabled\ninterpreter /usr/bin/qemu\nflags: \n")
    with pytest.raises(SystemExit, match="echo -1"):
        runner.register()
    assert (tmp_path / "proc/sys/fs/binfmt_misc/register").read_text() == ""


def test_what_is_ready_is_not_told_again(tmp_path: Path) -> None:
    runner = host(tmp_path, "enabled\ninterpreter /usr/bin/qemu\nflags: POF\n")
    runner.register()
    assert (tmp_path / "proc/sys/fs/binfmt_misc/register").read_text() == ""
