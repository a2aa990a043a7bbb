# SPDX-License-Identifier: Apache-2.0
"""Sessions report nothing to anybody."""

import os
import subprocess
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parents[3] / "model-packs/machine"

OPEN = """
import os, pathlib, sys
from jepa.world.sessions import open_session
session = open_session(pathlib.Path(sys.argv[1]).read_bytes(), "encode")
files = pathlib.Path("/proc/self/fd").iterdir()
print(*(os.readlink(path) for path in files if path.is_symlink()), sep="\\n")
"""


def test_a_session_leaves_no_identifier_and_opens_no_report(tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = without | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(PACK / "encode.onnx")],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "onnxruntime.db" not in done.stdout
    assert "socket:" not in done.stdout
