# SPDX-License-Identifier: Apache-2.0
"""Lock the third-party Python of the image: pyproject's dependencies and extra `s3`, resolved, with hashes.

Writes requirements/image.in and requirements/image.lock, which holds for Python 3.13 on every
architecture. Needs uv beside the interpreter that runs it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# SPDX-License-Identifier: Apache-2.0\n# Written by `make lock` from pyproject.toml.\n"


def main() -> int:
    """Write both files and return the exit status."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    source = ROOT / "requirements/image.in"
    lock = ROOT / "requirements/image.lock"
    source.parent.mkdir(exist_ok=True)
    wanted = [*project["dependencies"], *project["optional-dependencies"]["s3"]]
    source.write_text(HEADER + "\n".join(wanted) + "\n")
    options = ["--universal", "--python-version", "3.13", "--generate-hashes"]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", *quiet, *options, str(source)]
    resolved = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lock.write_text(HEADER + resolved)
    return 0


if __name__ == "__main__":
    sys.exit(main())
