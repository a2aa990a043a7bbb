# SPDX-License-Identifier: Apache-2.0
"""`jepa evaluate`: how good a pack's forecasts are on a recording, seeing only what came before."""

import sys

from jepa.shell.request import Request
from jepa.shell.verbs.packs import chosen
from jepa.text import shown


def run(request: Request) -> int:
    """Replay the recording and show the figures."""
    from jepa.packs.pack import load_pack
    from jepa.telemetry.recording import load_recording, load_twin

    pack = load_pack(chosen(request.args.pack))
    recording = load_recording(request.args.folder, pack.schema)
    if sys.stderr.isatty() and not request.prompt:
        sys.stderr.write(f"Replaying {len(recording.ts_ns)} frames through {shown(pack.title)}...\n")
    # After the cheap refusals: this imports ONNX Runtime.
    from jepa.evaluation.evaluate import evaluate

    evaluation = evaluate(recording, pack, load_twin(request.args.folder, pack.schema))
    if request.out.json:
        request.out.data(evaluation.to_json())
    else:
        request.out.text(evaluation.to_text("█" if request.out.unicode else "#"))
    return 0
