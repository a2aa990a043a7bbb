# SPDX-License-Identifier: Apache-2.0
"""Say which of the options in kernel-config/ a kernel lacks, and what does not work for that.

`python -m tools.kernel_check` looks at the kernel of the built image; give a config file for another one, or
`running` for the one that runs here. Exits 1 when anything is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jepa import kernel_config
from jepa.errors import JepaError
from tools.architecture import MACHINES, NATIVE, folder, make_arguments

BUILD = Path(__file__).resolve().parent.parent / "build"
WORDS = {"y": "built in", "m": "a module", "n": "off"}


def find(which: str | None, architecture: str = NATIVE) -> Path:
    """The config file that ``which`` means; JepaError with the remedy when there is none."""
    built = folder(BUILD, "image", architecture) / "jepa-os.config"
    if which == "running":
        found = kernel_config.running_config()
        if found is None:
            raise JepaError("The running kernel does not tell how it was configured.", "Name a config file.")
        return found
    if which is None and not built.exists():
        raise JepaError("There is no image yet.", f"Run: make image{make_arguments(architecture)}")
    return Path(which) if which else built


def report(path: Path) -> list[str]:
    """Lines for each group that the kernel with the config ``path`` lacks something of."""
    config = kernel_config.read_config(path)
    lines = []
    for lack in kernel_config.lacking(kernel_config.groups_for(config), config):
        lines.append(f"{lack.group.fragment}.config: {lack.group.reason}")
        for name, (wanted, found) in lack.options.items():
            lines.append(f"    CONFIG_{name} is {WORDS[found]}; wanted: {WORDS[wanted]}")
        lines.append(f"    Without: {lack.group.without}.")
    return lines


def main() -> int:
    """Print the report and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", help="a kernel's config, or `running`; default: the image's")
    parser.add_argument("--architecture", choices=sorted(MACHINES), default=NATIVE, help="of the image")
    arguments = parser.parse_args()
    try:
        path = find(arguments.config, arguments.architecture)
        lines = report(path)
    except JepaError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines) or f"{path}: nothing is missing.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
