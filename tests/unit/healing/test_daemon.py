# SPDX-License-Identifier: Apache-2.0
"""The process that heals stays small: its pages are never swapped, so others go without them."""

import subprocess
import sys


def test_it_has_no_library_of_numbers_in_memory() -> None:
    program = (
        "import sys, jepa.healing.daemon; "
        "print({'numpy', 'pydantic', 'onnxruntime', 'asyncio', 'ssl'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
