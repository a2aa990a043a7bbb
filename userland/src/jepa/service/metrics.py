# SPDX-License-Identifier: Apache-2.0
"""The state of the service in Prometheus text format 0.0.4."""

import math
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jepa.service.api import PartState, Status
from jepa.service.engine import Engine
from jepa.service.running_figures import Windows
from jepa.service.usage import TICK_BUCKETS_MS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IMAGE = "jepa-os"
_STATES: tuple[PartState, ...] = ("ok", "degraded", "failed", "off")


def render(engine: Engine) -> str:
    """Every channel of the newest frame, what the model makes of it, and what the service uses."""
    newest = engine.ring.newest(1)
    status = engine.status()
    times = engine.predictor.times
    page = _Page()
    _add_figures(page, engine, status)
    if newest:
        frame = newest[0].frame
        page.family(
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
        page.single(
            "jepa_frame_timestamp_seconds",
            "gauge",
            "Wall-clock time of the newest frame.",
            frame.ts_ns / 1e9,
        )
    page.single(
        "jepa_missed_periods_total", "counter", "Periods without a frame since the start.", status.missed
    )
    page.single("jepa_context_frames", "gauge", "Frames in the model's context.", status.context_frames)
    page.lines += [
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
    page.family(
        "jepa_tick_recent_milliseconds",
        "gauge",
        "Quantiles of the ticks of the last ten minutes.",
        [
            (_labels(quantile=f"{share:g}"), value)
            for share in (0.5, 0.99)
            if (value := times.quantile(share)) is not None
        ],
    )
    page.family(
        "jepa_actions_total",
        "counter",
        "Changes of the machine since it was started, by action and by what became of them.",
        [(_labels(action=action, state=state), count) for action, state, count in engine.actuator.counts()],
    )
    page.family(
        "jepa_actions_in_force",
        "gauge",
        "Changes in force: applied while they are watched, committed until their time is over.",
        [(_labels(state=state), count) for state, count in engine.actuator.in_force().items()],
    )
    page.single("jepa_grants", "gauge", "Grants in force.", engine.actuator.grants())
    _add_tasks(page, engine.tasks.all())
    signals = engine.signals()
    page.family(
        "jepa_signal",
        "gauge",
        "The newest value of a person's own signal, while it can be trusted.",
        [
            (_labels(signal=each.name), each.value)
            for each in signals
            if each.state == "ok" and each.value is not None
        ],
    )
    page.family(
        "jepa_signal_state",
        "gauge",
        "1 for the state that a signal is in.",
        [(_labels(signal=each.name, state=each.state), 1.0) for each in signals],
    )
    page.single("jepa_streams", "gauge", "Open event streams.", engine.broadcast.readers)
    page.single(
        "jepa_stream_lost_total",
        "counter",
        "Ticks and events dropped for slow readers.",
        engine.broadcast.lost,
    )
    page.single("jepa_history_bytes", "gauge", "Size of the frame log.", status.budget.history_mib * 2**20)
    page.single(
        "jepa_process_cpu_seconds_total", "counter", "CPU time the service has used.", engine.usage.cpu_s
    )
    page.single(
        "jepa_process_resident_memory_bytes",
        "gauge",
        "Resident memory of the service.",
        status.budget.rss_mib * 2**20,
    )
    return page.text()


def render_figures(engine: Engine) -> str:
    """The running figures alone: how the model does here, and nothing of what the machine does."""
    page = _Page()
    _add_figures(page, engine, engine.status())
    return page.text()


class _Page:
    """Families of samples, as text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def family(self, name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        """Add a family, unless it has no samples."""
        rows = [f"{name}{labels} {_number(value)}" for labels, value in samples]
        if rows:
            self.lines.extend([f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows])

    def single(self, name: str, kind: str, text: str, value: float | None) -> None:
        """Add a family of one sample without labels, if it has a value."""
        self.family(name, kind, text, [] if value is None else [("", value)])

    def text(self) -> str:
        """The page."""
        return "\n".join(self.lines) + "\n"


def _add_tasks(page: _Page, known: Iterable[Mapping[str, Any]]) -> None:
    tasks = [task for task in known if task["state"] == "active"]
    page.single("jepa_tasks", "gauge", "Tasks that stand.", len(tasks))
    page.family(
        "jepa_task_changes_total",
        "counter",
        "Changes that each task that stands has made.",
        [(_labels(task=task["id"]), task["changes"]) for task in tasks],
    )
    page.family(
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
    page.family(
        "jepa_task_saved_energy",
        "gauge",
        "The ends of the 90 % interval of what each task saves, by its hold-out windows.",
        [
            (_labels(task=task["id"], end=end), value)
            for task in tasks
            if task["benefit"]["interval"] is not None
            for end, value in zip(("low", "high"), task["benefit"]["interval"], strict=True)
        ],
    )
    page.family(
        "jepa_task_hold_out",
        "gauge",
        "1 while the changes of a task are taken back to see what they bring.",
        [(_labels(task=task["id"]), float(task["hold_out"])) for task in tasks],
    )


def _add_figures(page: _Page, engine: Engine, status: Status) -> None:
    page.family(
        "jepa_system_info",
        "gauge",
        "1, with the version of the service and that of the image, empty where no image runs.",
        [(_labels(version=status.version, image=_image()), 1.0)],
    )
    page.family(
        "jepa_part_state",
        "gauge",
        "1 for the state that a part is in.",
        [
            (_labels(part=part.name, state=state), float(part.state == state))
            for part in status.parts
            for state in _STATES
        ],
    )
    page.single("jepa_frames_total", "counter", "Frames taken since the start.", status.frames)
    page.single(
        "jepa_surprise", "gauge", "Probability of the newest frame's surprise, 0 to 1.", status.surprise
    )
    page.family(
        "jepa_alerts_total",
        "counter",
        "Alerts that were raised, by kind and by what they came to, since the machine's first start.",
        [
            (_labels(kind=each.kind, outcome=outcome), count)
            for each in engine.alert_kinds()
            for outcome, count in (("right", each.right), ("false", each.false_alarms))
        ],
    )
    figures = engine.figures
    if figures is None:
        return
    name, _, version = figures.pack.rpartition(" ")
    page.family(
        "jepa_pack_info",
        "gauge",
        "1, with the machine pack that forecasts.",
        [(_labels(pack=name, version=version), 1.0)],
    )
    counted = sorted(figures.windows.items())
    of_windows: tuple[tuple[str, str, Callable[[Windows], int]], ...] = (
        ("windows", "Windows of moving channels that were judged", lambda each: each.judged),
        ("right", "Of these those whose forecast was within the band", lambda each: each.right),
        ("repeated_right", "Of these those that were as the window before", lambda each: each.repeated),
        ("covered", "Of these those within the 90 % interval", lambda each: each.covered),
    )
    for family, text, count in of_windows:
        page.family(
            f"jepa_forecast_{family}_total",
            "counter",
            f"{text}, since this pack was put in use.",
            [
                (_labels(pack=name, version=version, horizon_s=str(horizon)), count(windows))
                for horizon, windows in counted
            ],
        )
    for family, text, value in (
        ("surprise_frames", "Frames whose surprise could be told", figures.frames),
        ("surprising_frames", "Of these those stranger than 99.5 % of others", figures.surprising),
    ):
        page.family(
            f"jepa_{family}_total",
            "counter",
            f"{text}, since this pack was put in use.",
            [(_labels(pack=name, version=version), value)],
        )


def _image() -> str:
    """The version of the image that runs; empty on any other system."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("IMAGE_VERSION", "") if release.get("IMAGE_ID") == _IMAGE else ""


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
