# SPDX-License-Identifier: Apache-2.0
"""What a word of a verb that changes the machine may become: actions, live targets, values, changes.

Targets are read from the control groups and from /proc: a completion must be there at once, with the rights
of whoever presses Tab.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jepa.actions.catalogue import ActionType, TargetKind, catalogue
from jepa.errors import JepaError
from jepa.telemetry.roles import PLAYED

if TYPE_CHECKING:
    from collections.abc import Callable

    from jepa.actions.change import Change
    from jepa.actions.client import ActuatorClient

T = TypeVar("T")
VERBS = ("act", "actions", "undo", "history", "grants", "run", "tasks", "signal")
"""Those that this module knows the words of."""
_OPTIONS_WITH_VALUE = ("--for", "--watch", "--keep-if", "--why", "--task", "--limit", "--socket")
_UNIT_SUFFIXES = (".service", ".slice", ".scope")
_UNIT_FILES = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system")


def candidates(
    words: Sequence[str], reach: "Callable[[], ActuatorClient] | None" = None, root: Path = Path("/")
) -> list[str]:
    """What the last of ``words``, which is being typed, may become; the first is the verb.

    ``reach`` is for the ids of changes and grants, which the actuator knows.
    """
    *before, begun = words
    if before and before[-1] == "--limit":
        found: Iterable[str] = (f"{action.name}=" for action in catalogue().values() if _is_limit(action))
    elif begun.startswith("-") or (before and before[-1] in _OPTIONS_WITH_VALUE):
        return []
    else:
        found = _positional(_positionals(before), reach, root)
    return [word for word in found if word.startswith(begun)]


def _positionals(words: Sequence[str]) -> list[str]:
    pairs = zip(("", *words), words, strict=False)
    return [word for before, word in pairs if not word.startswith("-") and before not in _OPTIONS_WITH_VALUE]


def _positional(
    before: Sequence[str], reach: "Callable[[], ActuatorClient] | None", root: Path
) -> Iterable[str]:
    match before:
        case ["act"] | ["actions"]:
            return catalogue()
        case ["act", name, *given] if (action := catalogue().get(name)) is not None:
            if not given and action.target is not TargetKind.MACHINE:
                return targets(action, root)
            if len(given) == (action.target is not TargetKind.MACHINE):
                return (*action.choices, *action.words)
        case ["undo"]:
            return [change.id for change in _asked(reach, _changes) if change.in_force]
        case ["history"]:
            return [change.id for change in _asked(reach, _changes)]
        case ["tasks"]:
            return ["end", *_task_ids(reach)]
        case ["tasks", "end"]:
            return _task_ids(reach)
        case ["signal", "remove"]:
            return _signals(root)
        case ["grants", "revoke"]:
            return [str(grant.get("id", "")) for grant in _asked(reach, _grants)]
    return ()


def _signals(root: Path) -> list[str]:
    from jepa.signals.store import FILE, SignalStore

    return [each.name for each in SignalStore(root / FILE.relative_to("/"))()]


def _is_limit(action: ActionType) -> bool:
    return action.family == "unit_resources"


def _changes(client: "ActuatorClient") -> "Sequence[Change]":
    return client.history()


def _grants(client: "ActuatorClient") -> Sequence[Mapping[str, Any]]:
    return client.grants()


def _task_ids(reach: "Callable[[], ActuatorClient] | None") -> list[str]:
    """Those that have a grant."""
    return [
        str(grant.get("task", ""))
        for grant in _asked(reach, _grants)
        if grant.get("daemon") == "jepad.service"
    ]


def _asked(
    reach: "Callable[[], ActuatorClient] | None", question: "Callable[[ActuatorClient], Sequence[T]]"
) -> Sequence[T]:
    """The actuator's answer; nothing where it cannot be reached: a completion has no place for errors."""
    if reach is None:
        return ()
    try:
        client = reach()
    except JepaError:
        return ()
    try:
        return question(client)
    except JepaError:
        return ()
    finally:
        client.close()


def targets(action: ActionType, root: Path = Path("/")) -> list[str]:
    """What ``action`` could be applied to now."""
    match action.target:
        case TargetKind.UNIT:
            stopped = _unit_files(root, ".service") if action.family == "unit_state" else []
            return [*PLAYED, *sorted({*_live_units(root), *stopped})]
        case TargetKind.TIMER:
            return sorted(_unit_files(root, ".timer"))
        case TargetKind.PROCESS:
            return _processes(root)
        case TargetKind.DEVICE:
            return sorted(_devices(root))
        case _:
            return []


def _live_units(root: Path) -> Iterable[str]:
    """Units that have a control group; nothing of what runs inside one."""
    waiting = [root / "sys/fs/cgroup"]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                below = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for entry in below:
            if entry.name.endswith(_UNIT_SUFFIXES):
                yield entry.name
            if entry.name.endswith(".slice") or entry.name in ("unified", "systemd"):
                waiting.append(Path(entry.path))


def _unit_files(root: Path, suffix: str) -> set[str]:
    found: set[str] = set()
    for folder in _UNIT_FILES:
        try:
            names = os.listdir(root / folder)  # noqa: PTH208  (names are all that is wanted)
        except OSError:
            continue
        found.update(name for name in names if name.endswith(suffix) and not name.endswith(f"@{suffix}"))
    return found


def _processes(root: Path) -> list[str]:
    """Processes of whoever asks, all of them for root: names that one process has, then PIDs."""
    uid = os.getuid()
    names: dict[str, str] = {}
    with os.scandir(root / "proc") as entries:
        for entry in entries:
            try:
                own = entry.name.isdecimal() and (uid == 0 or entry.stat().st_uid == uid)
                folder = root / "proc" / entry.name
                if own and (folder / "cmdline").read_bytes():  # threads of the kernel have none
                    names[entry.name] = (folder / "comm").read_text().rstrip("\n")
            except OSError:
                continue  # it has ended
    counts = Counter(names.values())
    single = sorted(name for name, count in counts.items() if count == 1 and " " not in name)
    return [*single, *sorted(names, key=int)]


def _devices(root: Path) -> Iterable[str]:
    for folder in ("sys/block", "sys/bus/usb/devices"):
        try:
            names = os.listdir(root / folder)  # noqa: PTH208  (names are all that is wanted)
        except OSError:
            continue
        yield from (name for name in names if ":" not in name and not name.startswith(("loop", "ram")))
