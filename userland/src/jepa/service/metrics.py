# SPDX-License-Identifier: Apache-2.0
"""The state of the service in Prometheus text format 0.0.4."""

import math
from collections.abc import Iterable

from jepa.service.api import PartState
from jepa.service.engine import Engine
from jepa.service.usage import TICK_BUCKETS_MS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES: tuple[PartState, ...] = ("ok", "degraded", "failed", "off")


def render(engine: Engine) -> str:
    """Every channel of the newest frame, what the model makes of it, and what the service uses."""
    newest = engine.ring.newest(1)
    status = engine.status()
    times = engine.predictor.times
    lines: list[str] = []

    def family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        rows = [f"{name}{labels} {_number(value)}" for labels, value in samples]
        if rows:
            lines.extend([f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows])

    def single(name: str, kind: str, text: str, value: float | None) -> None:
        family(name, kind, text, [] if value is None else [("", value)])

    if newest:
        frame = newest[0].frame
        family(
            "jepa_channel",
            "gauge",
            "The newest reading of a telemetry channel, in its own unit.",
            [
                (_labels(channel=channel.name, unit=channel.unit), float(value))
                for channel, value, valid in zip(
                    engine.schema.channels, frame.values, frame.valid, strict=True
                )
                if valid
            ],
        )
        single(
            "jepa_frame_timestamp_seconds",
            "gauge",
            "Wall-clock time of the newest frame.",
            frame.ts_ns / 1e9,
        )
    single("jepa_surprise", "gauge", "Probability of the newest frame's surprise, 0 to 1.", status.surprise)
    single("jepa_frames_total", "counter", "Frames taken since the start.", status.frames)
    single("jepa_missed_periods_total", "counter", "Periods without a frame since the start.", status.missed)
    single("jepa_context_frames", "gauge", "Frames in the model's context.", status.context_frames)
    lines += [
        "# HELP jepa_tick_milliseconds Time one tick of the world model takes.",
        "# TYPE jepa_tick_milliseconds histogram",
        *(
            f"jepa_tick_milliseconds_bucket{_labels(le=f'{bound:g}')} {count}"
            for bound, count in zip(TICK_BUCKETS_MS, times.buckets, strict=True)
        ),
        f"jepa_tick_milliseconds_bucket{_labels(le='+Inf')} {times.count}",
        f"jepa_tick_milliseconds_sum {_number(times.sum_ms)}",
        f"jepa_tick_milliseconds_count {times.count}",
    ]
    family(
        "jepa_tick_recent_milliseconds",
        "gauge",
        "Quantiles of the ticks of the last ten minutes.",
        [
            (_labels(quantile=f"{share:g}"), value)
            for share in (0.5, 0.99)
            if (value := times.quantile(share)) is not None
        ],
    )
    family(
        "jepa_part_state",
        "gauge",
        "1 for the state that a part is in.",
        [
            (_labels(part=part.name, state=state), float(part.state == state))
            for part in status.parts
            for state in _STATES
        ],
    )
    family(
        "jepa_actions_total",
        "counter",
        "Changes of the machine since it was started, by action and by what became of them.",
        [(_labels(action=action, state=state), count) for action, state, count in engine.actuator.counts()],
    )
    family(
        "jepa_actions_in_force",
        "gauge",
        "Changes in force: applied while they are watched, committed until their time is over.",
        [(_labels(state=state), count) for state, count in engine.actuator.in_force().items()],
    )
    single("jepa_grants", "gauge", "Grants in force.", engine.actuator.grants())
    tasks = [task for task in engine.tasks.all() if task["state"] == "active"]
    single("jepa_tasks", "gauge", "Tasks that stand.", len(tasks))
    family(
        "jepa_task_changes_total",
        "counter",
        "Changes that each task that stands has made.",
        [(_labels(task=task["id"]), task["changes"]) for task in tasks],
    )
    family(
        "jepa_task_energy",
        "gauge",
        "Mean energy of each task's goal, with its changes and in hold-out windows; low is wanted.",
        [
            (_labels(task=task["id"], changes=which), task["benefit"][which])
            for task in tasks
            for which in ("with", "without")
            if task["benefit"][which] is not None
        ],
    )
    family(
        "jepa_task_hold_out",
        "gauge",
        "1 while the changes of a task are taken back to see what they bring.",
        [(_labels(task=task["id"]), float(task["hold_out"])) for task in tasks],
    )
    signals = engine.signals()
    family(
        "jepa_signal",
        "gauge",
        "The newest value of a person's own signal, while it can be trusted.",
        [
            (_labels(signal=each.name), each.value)
            for each in signals
            if each.state == "ok" and each.value is not None
        ],
    )
    family(
        "jepa_signal_state",
        "gauge",
        "1 for the state that a signal is in.",
        [(_labels(signal=each.name, state=each.state), 1.0) for each in signals],
    )
    single("jepa_streams", "gauge", "Open event streams.", engine.broadcast.readers)
    single(
        "jepa_stream_lost_total",
        "counter",
        "Ticks and events dropped for slow readers.",
        engine.broadcast.lost,
    )
    single("jepa_history_bytes", "gauge", "Size of the frame log.", status.budget.history_mib * 2**20)
    single("jepa_process_cpu_seconds_total", "counter", "CPU time the service has used.", engine.usage.cpu_s)
    single(
        "jepa_process_resident_memory_bytes",
        "gauge",
        "Resident memory of the service.",
        status.budget.rss_mib * 2**20,
    )
    return "\n".join(lines) + "\n"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.12g}"
