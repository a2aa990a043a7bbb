# SPDX-License-Identifier: Apache-2.0
"""Run by any Python with the image's packages: replay a recording and keep every forecast.

Usage: replayed_forecasts.py LIBRARIES PACK RECORDING OUT; LIBRARIES are joined by colons, OUT is a NumPy
archive.
"""

import platform
import sys
import time
from pathlib import Path


def main() -> None:
    """Replay, and write what came of it and on what."""
    libraries, folder, source, out = sys.argv[1:]
    sys.path[:0] = libraries.split(":")
    import numpy as np
    import onnxruntime

    from jepa.evaluation.replay import replay
    from jepa.packs.pack import load_pack
    from jepa.telemetry.recording import load_recording

    pack = load_pack(Path(folder))
    recording = load_recording(Path(source), pack.schema)
    begin = time.monotonic()
    replayed = replay(recording, pack)
    about = (platform.machine(), platform.python_version(), np.__version__, onnxruntime.__version__)
    np.savez(
        out,
        quantiles=replayed.quantiles,
        probabilities=replayed.event_probability,
        about=np.array([*about, f"{time.monotonic() - begin:.1f}"]),
    )


main()
