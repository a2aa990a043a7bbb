# SPDX-License-Identifier: Apache-2.0
"""What is asked of the slim kernel, and whether a configuration has it.

That is all of kernel-config/ for the architecture, built in where a module would do, and slim-kernel/ beside
it. The build (slim-kernel/mkosi.build.chroot) runs `python3 -m tools.slim_kernel`; `make kernel`, the front
door, is tools/build_kernel.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from jepa import kernel_config
from jepa.errors import JepaError
from jepa.kernel_config import OptionGroup

PLACE = Path(__file__).resolve().parent.parent / "slim-kernel"
FRAGMENT, VALUES, IGNORED = "slim.config", "values.config", "hardening.toml"
FILES = ("vmlinuz", "config")
"""What comes of a build."""
X86 = {"X86_64": "y"}
"""A configuration of which only the architecture is known, the one that there is a slim kernel for."""


def source_version(image: Path) -> str:
    """Debian's version of the kernel in the image in the directory ``image``, as `7.3.4-1~bpo13+1`.

    JepaError when there is none.
    """
    manifest = image / "jepa-os.manifest"
    if not manifest.exists():
        raise JepaError("There is no image whose kernel could be slimmed.", "Run: make image", status=404)
    for package in json.loads(manifest.read_text())["packages"]:
        if package["name"] == "linux-image-amd64":
            return str(package["version"])
    raise JepaError(f"{manifest} names no kernel for x86-64.", "There is a slim kernel for that alone.")


def key(version: str, place: Path = PLACE) -> str:
    """What tells the kernel of Debian's ``version`` that is asked for here from another, as a name.

    It is made of what is asked, not of the reasons for it, and of the files that say how it is compiled.
    """
    parts = [version, asked(X86, place)]
    parts += [path.read_text() for path in sorted(place.iterdir()) if path.name not in (FRAGMENT, VALUES)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def built_in(group: OptionGroup) -> OptionGroup:
    """The group with nothing as a module."""
    options = {name: "y" if state == "m" else state for name, state in group.options.items()}
    return dataclasses.replace(group, options=options)


def groups(config: Mapping[str, str], place: Path = PLACE) -> list[OptionGroup]:
    """All groups that are asked of the slim kernel, for the architecture of ``config``."""
    own = kernel_config.parse_fragment("slim", (place / FRAGMENT).read_text())
    return [built_in(group) for group in (*kernel_config.groups_for(config), *own)]


def values(place: Path = PLACE) -> dict[str, str]:
    """Options with a text or a number, as a configuration has them."""
    return kernel_config.parse_config((place / VALUES).read_text())


def asked(config: Mapping[str, str], place: Path = PLACE) -> str:
    """What is asked as a configuration, for Kconfig to fill in the rest by its defaults."""
    lines = [f"CONFIG_{name}={value}" for name, value in values(place).items()]
    for group in groups(config, place):
        lines += [
            f"# CONFIG_{name} is not set" if state == "n" else f"CONFIG_{name}={state}"
            for name, state in group.options.items()
        ]
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.removeprefix("# ")))


def dropped(config: Mapping[str, str], place: Path = PLACE) -> list[str]:
    """A line for each option that was asked for and is not as asked, with the group that it is in."""
    lines = [
        f"CONFIG_{name} is {found}, asked: {wanted} ({lack.group.fragment}.config: {lack.group.reason})"
        for lack in kernel_config.lacking(groups(config, place), config)
        for name, (wanted, found) in lack.options.items()
    ]
    for name, value in values(place).items():
        if config.get(name) != value:
            lines.append(f"CONFIG_{name} is {config.get(name, 'n')}, asked: {value} ({VALUES})")
    modules = sorted(name for name, value in config.items() if value == "m")
    lines += [f"CONFIG_{name} is a module, and there is no place for one" for name in modules]
    return lines


def ignored(place: Path = PLACE) -> dict[str, str]:
    """Findings of kernel-hardening-checker that are meant to be so, by option, each with the reason."""
    groups = tomllib.loads((place / IGNORED).read_text())["group"]
    return {f"CONFIG_{name}": group["reason"] for group in groups for name in group["options"]}


def unhardened(findings: Iterable[Mapping[str, object]], reasons: Mapping[str, str]) -> list[str]:
    """A line for each failed one of ``findings`` without a reason, and for each reason without a finding.

    The findings are those of `kernel-hardening-checker --mode json`.
    """
    failed = {str(each["option_name"]): each for each in findings if not each["check_result_bool"]}
    lines = [
        f"{name} should be {each['desired_val']}: {each['check_result']} ({each['decision']})"
        for name, each in failed.items()
        if name not in reasons
    ]
    return lines + [f"{name} is in {IGNORED}, and is not found" for name in reasons if name not in failed]


def main() -> int:
    """Print what is asked for or is wrong, and return the exit status: 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=("asked", "dropped", "unhardened"))
    parser.add_argument("file", type=Path, nargs="?", help="a configuration, or findings of the checker")
    arguments = parser.parse_args()
    if arguments.question == "asked":
        print(asked(X86), end="")
        return 0
    if arguments.question == "dropped":
        lines, what = dropped(kernel_config.read_config(arguments.file)), "Options were dropped"
    else:
        lines, what = (
            unhardened(json.loads(arguments.file.read_text()), ignored()),
            "The kernel is less hardened",
        )
    if lines:
        print("\n    ".join([f"{what}:", *lines]), file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
