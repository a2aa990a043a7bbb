# SPDX-License-Identifier: Apache-2.0
"""Make a qcow2 disk of the image, which most virtual machines start as it is."""

import subprocess
import sys

from tools.vm.emulator import newest
from tools.vm.image import built_image


def main() -> int:
    """Make it beside the image and say how large it is."""
    raw = built_image().raw
    made, new = raw.with_suffix(".qcow2"), raw.with_suffix(".qcow2.new")
    convert = [*newest().image_command(), "convert", "-f", "raw", "-O", "qcow2"]
    subprocess.run([*convert, str(raw), str(new)], check=True)
    new.replace(made)
    print(f"{made}: {made.stat().st_size / 2**20:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
