# SPDX-License-Identifier: Apache-2.0
"""Measures ViT-L of V-JEPA 2 as our graph beside transformers, on the same clip, one after the other.

Weights are seeded, since the published ones cannot be had here; they cost the same. Each figure comes from a
process of its own, so that its peak of memory is its own too; the ways take turns, so that a busy moment
does not fall on one of them. Usage: python -m tests.bench.vision [OUT].

jepa.cpp takes its turn too where it was built beside the tree: JEPA_CPP_BENCH names its jepa-bench, and
JEPA_CPP_MODEL the same weights in its format (its converter takes what `--part checkpoint DIR` writes).
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
GIB = 1 << 30
WAYS = ("onnx", "sdpa", "eager")
CASES = (("16f", 16, WAYS, 3), ("64f", 64, ("onnx", "sdpa"), 1))
"""Eager attention at 64 frames holds 4 GiB of scores a layer; a round of the long ones takes minutes."""
WINDOW = 128
"""Frames of a stream's window: a new moment costs a pass of 16, a whole window anew one of these."""
CPP = "jepa.cpp"
STORED = ("fp16", "int8")
"""How else weights can lie on disk; held against fp32."""


def main(out: Path) -> None:
    """Measure and write ``out``."""
    with tempfile.TemporaryDirectory(prefix="vjepa2-", dir="build") as place:
        folder = Path(place)
        _apart("checkpoint", str(folder / "checkpoint"))
        entries = []
        for label, frames, ways, repeats in CASES:
            pack = folder / label
            built = _apart("convert", str(folder / "checkpoint"), str(pack), str(frames))
            print(
                f"converted for {frames} frames in {built['seconds']:.0f} s, {built['gib']:.2f} GiB at most"
            )
            ways = (*ways, *_beside())
            rounds = [
                {way: _apart("run", way, str(folder / "checkpoint"), str(pack), str(frames)) for way in ways}
                for _ in range(repeats)
            ]
            for way in ways[1:]:
                seconds = {each: [one[each]["seconds"] for one in rounds] for each in ("onnx", way)}
                peaks = {each: max(one[each]["gib"] for one in rounds) for each in ("onnx", way)}
                suffix = "" if way == "sdpa" else f"_{way.replace('.', '')}"
                entries += [
                    _entry(f"vjepa2_vitl_{label}_s{suffix}", "s", seconds["onnx"], seconds[way], way),
                    _entry(
                        f"vjepa2_vitl_{label}_peak_gib{suffix}", "GiB", [peaks["onnx"]], [peaks[way]], way
                    ),
                ]
            worst = min(one[way]["agrees"] for one in rounds for way in ways if way in WAYS)
            entries.append(_entry(f"vjepa2_vitl_{label}_cosine", "1", [worst], [0.9999], "asked for"))
            entries[-1]["better"] = "higher"
        entries += _kept(folder)
        entries += _streamed(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    for entry in entries:
        print(
            f"{entry['name']:32}{entry['value']:>9} {entry['unit']:4} {entry['baseline']} x{entry['ratio']}"
        )


def _beside() -> tuple[str, ...]:
    """jepa.cpp, if it is there."""
    return (CPP,) if {"JEPA_CPP_BENCH", "JEPA_CPP_MODEL"} <= set(os.environ) else ()


def _kept(folder: Path) -> list[dict[str, object]]:
    """What weights of two bytes and of one cost and save, at 16 frames, beside those of four."""
    import numpy as np

    entries = []
    for stored in STORED:
        pack = folder / stored
        _apart("convert", str(folder / "checkpoint"), str(pack), "16", stored)
        rounds = [
            [_apart("run", "onnx", "", str(each), "16") for each in (pack, folder / "16f")] for _ in range(3)
        ]
        seconds, peaks = (
            [[one[at][what] for one in rounds] for at in (0, 1)] for what in ("seconds", "gib")
        )
        sizes = [(each / "encoder.onnx.data").stat().st_size / GIB for each in (pack, folder / "16f")]
        one, other = (np.load(each / "tokens.npy")[0] for each in (pack, folder / "16f"))
        alike = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        entries += [
            _entry(f"vjepa2_vitl_16f_s_{stored}", "s", *seconds, "fp32"),
            _entry(f"vjepa2_vitl_16f_peak_gib_{stored}", "GiB", *([max(each)] for each in peaks), "fp32"),
            _entry(f"vjepa2_vitl_file_gib_{stored}", "GiB", *([each] for each in sizes), "fp32"),
            {
                **_entry(f"vjepa2_vitl_16f_cosine_{stored}", "1", [float(alike.min())], [1.0], "fp32"),
                "better": "higher",
            },
        ]
    return entries


def _streamed(folder: Path) -> list[dict[str, object]]:
    """What a new moment of a rolling window costs, and how far it is from the whole window encoded anew."""
    import numpy as np

    _apart("convert", str(folder / "checkpoint"), str(folder / "window"), str(WINDOW))
    short = _apart("run", "onnx", "", str(folder / "16f"), "16")
    whole = _apart("run", "onnx", "", str(folder / "window"), str(WINDOW))
    one, other = (np.load(folder / name / "tokens.npy")[0, -256:] for name in ("16f", "window"))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    alike = float(((one * other).sum(1) / lengths).mean())
    ratio = _entry(
        "stream_step_ratio", "1", [short["seconds"] / whole["seconds"]], [0.125], "asked for, most"
    )
    cosine = _entry("stream_step_cosine", "1", [alike], [1.0], "the whole window")
    cosine["better"] = "higher"
    return [ratio, cosine]


def _entry(name: str, unit: str, ours: list[float], theirs: list[float], peer: str) -> dict[str, object]:
    value, other = statistics.median(ours), statistics.median(theirs)
    return {
        "name": name,
        "value": round(value, 5),
        "unit": unit,
        "better": "lower",
        "n": len(ours),
        "p50": round(value, 5),
        "p99": round(max(ours), 5),
        "baseline": {"name": f"transformers {peer}" if peer in WAYS else peer, "value": round(other, 5)},
        "ratio": round(value / other, 3),
    }


def _apart(*words: str) -> dict[str, float]:
    """What ``part`` answers from a process of its own, with its peak of memory in GiB."""
    command = [sys.executable, "-m", "tests.bench.vision", "--part", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def part(what: str, *words: str) -> dict[str, float]:
    """Make the checkpoint, convert it, or run it once in one way."""
    if what == "checkpoint":
        return _checkpoint(Path(words[0]))
    if what == "convert":
        return _convert(Path(words[0]), Path(words[1]), int(words[2]), *words[3:])
    way, checkpoint, pack, frames = words
    run = {"onnx": _run_ours, CPP: _run_cpp}.get(way, _run_theirs)
    return run(way, Path(checkpoint), Path(pack), int(frames))


def _checkpoint(folder: Path) -> dict[str, float]:
    import torch
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(0)
    VJEPA2Model(VJEPA2Config()).save_pretrained(folder)
    return {}


def _convert(checkpoint: Path, pack: Path, frames: int, stored: str = "fp32") -> dict[str, float]:
    from jepa_lab.vjepa2.checkpoint import open_checkpoint
    from jepa_lab.vjepa2.convert import Wanted, convert

    start = time.perf_counter()
    convert(open_checkpoint(checkpoint), Wanted(frames=frames, weights=stored), pack, lambda _: None)
    return {"seconds": time.perf_counter() - start}


def _clip(frames: int) -> "object":
    import numpy as np

    rng = np.random.default_rng(1)
    kept = np.empty((1, frames, 3, 256, 256), np.float32)
    for number in range(-WINDOW, 0):  # those of a shorter clip are the last of a longer one
        picture = rng.standard_normal((3, 256, 256), np.float32)
        if number >= -frames:
            kept[0, number] = picture
    return kept


def _run_ours(_: str, __: Path, pack: Path, frames: int) -> dict[str, float]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3  # it says of each weight that is not folded that it is not
    session = onnxruntime.InferenceSession(pack / "encoder.onnx", options)
    clip = _clip(frames)
    start = time.perf_counter()
    tokens = session.run(None, {"pixel_values": clip})[0]
    seconds = time.perf_counter() - start
    np.save(pack / "tokens.npy", tokens)
    return {"seconds": seconds, "agrees": 1.0}


def _run_cpp(_: str, __: Path, pack: Path, frames: int) -> dict[str, float]:
    """Its own harness, on a clip of its own: what is in a clip costs nothing."""
    out = pack / "jepa-cpp.json"
    command = [os.environ["JEPA_CPP_BENCH"], "-m", os.environ["JEPA_CPP_MODEL"], "--mode", "encoder"]
    command += ["--frames", str(frames), "--size", "256x256", "--threads", str(THREADS)]
    command += ["--repeat", "1", "--warmup", "0", "--json", str(out)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    run = json.loads(out.read_text(encoding="utf-8"))["runs"][0]
    return {"seconds": run["wall_ms_mean"] / 1e3, "gib": run["peak_rss_bytes"] / GIB}


def _run_theirs(way: str, checkpoint: Path, pack: Path, frames: int) -> dict[str, float]:
    import numpy as np
    import torch
    from transformers import VJEPA2Model

    torch.set_num_threads(THREADS)
    model = VJEPA2Model.from_pretrained(checkpoint, attn_implementation=way).eval()
    clip = torch.from_numpy(_clip(frames))
    with torch.inference_mode():
        start = time.perf_counter()
        tokens = model(clip, skip_predictor=True).last_hidden_state
        seconds = time.perf_counter() - start
    peak = _peak_gib()
    ours = torch.from_numpy(np.load(pack / "tokens.npy"))
    return {
        "seconds": seconds,
        "gib": peak,
        "agrees": float(torch.cosine_similarity(ours, tokens, dim=-1).min()),
    }


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        answer = part(*sys.argv[2:])
        print(json.dumps({"gib": _peak_gib(), **answer}))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/vision.json"))
