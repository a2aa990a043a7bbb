# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters under /proc/sys, of an allow-list: the names that the catalogue has."""

import math
import os
import re
from pathlib import Path
from typing import Final

from jepa.actions import kernel_file
from jepa.actions.capabilities import NET_ADMIN, SYS_ADMIN, effective
from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

PAIRS: Final = ("vm.dirty", "vm.dirty_background")
"""Settings that are a share of memory (``_ratio``) or a size (``_bytes``): the kernel zeroes the one when
the other is written, so that their value is the one that counts, as ``20%`` or ``268435456 bytes``."""
_PAIR = re.compile(r"(\d+)(%| bytes)", re.ASCII)
_RIGHTS: Final = {"CAP_NET_ADMIN": NET_ADMIN, "CAP_SYS_ADMIN": SYS_ADMIN}
"""What the kernel asks for beside the right to write the file, by what the catalogue calls it."""
_WRITE_BACK_MOST: Final = 0.6
"""Of memory: what may wait to be written to disk, since the rest must do for the programs."""
_FREE_MOST: Final = 0.05
"""Of memory: what the kernel may keep free, since programs are killed for it."""


class Sysctl:
    """A ``Family``: an action's setting is the parameter's name."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """The kernel may lack the parameter, or this process may only set that of a container."""
        if action.name.startswith("net.") and not _in_machines_network(host):
            return f"{action.name} cannot be set here: this process has a network namespace of its own."
        reason = kernel_file.missing(_file(host, action.name), action.name)
        lacks = [right for right in action.needs if not effective(_RIGHTS[right])]
        if reason is None and lacks:
            return f"Only root may set {action.name}, with --local: the actuator has no {lacks[0]}."
        return reason

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The machine's own parameter."""
        if target:
            raise JepaError(
                f"{action.name} is a setting of the machine and takes no target.",
                f"For instance `{action.example}`.",
                status=422,
            )
        return Resource(TargetKind.MACHINE, "", action.setting)

    def read(self, host: Host, resource: Resource) -> Value:
        """A number where it is one, else the text."""
        name = resource.setting
        if name in PAIRS:
            size = kernel_file.read(_file(host, f"{name}_bytes"), name)
            return (
                f"{size} bytes"
                if size != "0"
                else kernel_file.read(_file(host, f"{name}_ratio"), name) + "%"
            )
        text = kernel_file.read(_file(host, name), name)
        return int(text) if re.fullmatch(r"-?\d+", text, re.ASCII) else text

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """What is in range may still be too much or too little for the memory that this machine has."""
        if reason := self.missing(host, action):
            raise JepaError(reason, "`jepa actions` shows what can be set here.", status=422)
        match action.name:
            case "vm.dirty_ratio" | "vm.dirty_background_ratio":
                return f"{value}%"
            case "vm.dirty_bytes" | "vm.dirty_background_bytes":
                _at_most(action, value, int(_WRITE_BACK_MOST * _memory(host)), "bytes, 60 % of the memory")
                return f"{value} bytes"
            case "vm.min_free_kbytes":
                kib = _memory(host) // 1024
                own = math.isqrt(kib * 16)  # what the kernel computes by itself, see mm/page_alloc.c
                if isinstance(value, int) and value < own:
                    raise JepaError(
                        f"{value} kB of free memory are too few for this machine: the kernel may hang.",
                        f"It takes {own} kB or more here.",
                        status=422,
                    )
                _at_most(action, value, int(_FREE_MOST * kib), "kB, 5 % of the memory")
            case "net.ipv4.tcp_congestion_control":
                _check_congestion_control(host, str(value))
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Write it; the kernel takes all of a value or nothing."""
        name, text = resource.setting, str(value)
        if name in PAIRS:
            found = _PAIR.fullmatch(text)
            if not found:
                raise JepaError(
                    f"{text[:80]} is no value of {name}.", "It is a share or a size.", status=422
                )
            text, name = found[1], name + ("_ratio" if found[2] == "%" else "_bytes")
        kernel_file.write(_file(host, name), text, name)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back."""
        found = self.read(host, resource)
        if found != value:
            raise JepaError(f"{resource.setting} is {found}, not {value} as set.", "Nothing was kept.")

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Write what it was."""
        self.apply(host, resource, old)


def _file(host: Host, name: str) -> Path:
    return host.root / "proc/sys" / name.replace(".", "/")


def _memory(host: Host) -> int:
    """Bytes of memory."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", (host.root / "proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _at_most(action: ActionType, value: Value, most: int, unit: str) -> None:
    if isinstance(value, int) and value > most:
        raise JepaError(
            f"{value} is too much for this machine.", f"{action.name} takes up to {most} {unit}.", status=422
        )


def _check_congestion_control(host: Host, value: str) -> None:
    """Refuses one that is neither loaded nor loaded by the kernel when this process asks for it."""
    name = "net.ipv4.tcp_available_congestion_control"
    loaded = kernel_file.read(_file(host, name), name).split()
    if value in loaded:
        return
    if not _module_there(host, f"tcp_{value}"):
        raise JepaError(
            f"This kernel has no congestion control {value}.", f"It has: {', '.join(loaded)}.", status=422
        )
    if not effective(NET_ADMIN):
        raise JepaError(
            f"The congestion control {value} is not loaded, and the actuator may load none.",
            f"Load it with `modprobe tcp_{value}`, or act as root with --local.",
            status=409,
        )


def _in_machines_network(host: Host) -> bool:
    """Whether /proc/sys/net shows the parameters of the machine and not those of another namespace.

    The kernel shows the receive queue's in the first namespace alone; /proc/1/ns would need CAP_SYS_PTRACE.
    """
    return _file(host, "net.core.netdev_max_backlog").exists()


def _module_there(host: Host, name: str) -> bool:
    """Whether the running kernel may have the module ``name``, which it loads when it is asked for.

    Yes where modules cannot be seen, as in the actuator's sandbox: then the kernel says.
    """
    modules = host.root / "lib/modules" / os.uname().release / "modules.dep"
    try:
        return re.search(rf"/{re.escape(name)}\.ko", modules.read_text()) is not None
    except OSError:
        return True
