# SPDX-License-Identifier: Apache-2.0
"""The machine that VM tests share: booted once, brought back as it then was, and searched for trouble."""

from pathlib import Path

from tools.vm.console import Allow, scan
from tools.vm.image import Image
from tools.vm.machine import Machine, MachineError, Say, Setup
from tools.vm.ready import BAY, BOOTED, start_ready, wait_until_ready
from tools.vm.slim import Start
from tools.vm.sources import push

ALWAYS_ALLOWED: tuple[Allow, ...] = ()
OTHERS = ("jepad", "jepa-telemetry", "jepa-healing")
PUSHED = "pushed"
"""The snapshot with the sources of this tree."""
ACTUATOR_ONLY = "actuator-only"
"""The snapshot in which they are stopped; the actuator waits for a request, as for a minute after each
(to start it takes an emulated CPU five seconds)."""


class Station:
    """Boots the machine called ``name`` that tests share once, and brings it back as it then was."""

    def __init__(
        self, name: str, image: Image, start: Start, directory: Path, kvm: bool, sources: bool, say: Say
    ) -> None:
        self._image, self._directory, self._kvm, self._say = image, directory, kvm, say
        self._name, self._start = name, start
        self._sources = sources
        self._machine: Machine | None = None
        self._ready, self._stopped = BOOTED, False
        self._kept: bool | None = None
        """Of a machine that stands still as it was: whether only the actuator is left."""
        self.restores_s: list[float] = []

    def fresh(self, *, actuator_only: bool) -> Machine:
        """The machine as it was when jepad had just become ready, or with only the actuator left."""
        kept, self._kept = self._kept, None
        if self._machine is not None and kept is actuator_only:
            self._machine.resume()
        elif actuator_only:
            if not self._stopped:
                self._stop_others(self.fresh(actuator_only=False))
            elif self._machine is not None:
                self.restores_s.append(self._machine.restore(ACTUATOR_ONLY))
        elif self._machine is not None:
            self.restores_s.append(self._machine.restore(self._ready))
        else:
            self._machine = self._boot()
        assert self._machine is not None
        return self._machine

    def _stop_others(self, machine: Machine) -> None:
        """Once: to stop them before each test takes as long as some tests do."""
        machine.succeed(f"systemctl stop {' '.join(OTHERS)}", 60)
        machine.succeed("varlinkctl info /run/jepa-actuator/actuator.sock", 60)
        machine.say(f"stopped the others; snapshot taken in {machine.snapshot(ACTUATOR_ONLY):.1f} s")
        self._stopped = True

    def _boot(self) -> Machine:
        disk = self._image.overlay(self._directory / f"{self._name}.qcow2")
        start = self._start
        setup = Setup(disk, kernel=start.kernel, initrd=start.initrd, devices=BAY, kvm=self._kvm)
        machine = Machine(self._name, setup, self._directory, self._say)
        try:
            start_ready(machine)
            if self._sources:
                push(machine)
                wait_until_ready(machine)
            trouble = find_trouble(machine, ALWAYS_ALLOWED)
            if trouble:
                raise MachineError("\n".join(["trouble while the shared machine booted:", *trouble]))
            if self._sources:
                self._ready = PUSHED
                machine.say(f"snapshot taken in {machine.snapshot(PUSHED):.1f} s")
        except BaseException:
            machine.crash()
            raise
        return machine

    def rest(self) -> None:
        """Switch the machine off until a test needs it again."""
        if self._machine is not None and self._machine.running:
            self._machine.crash()

    def keep(self, *, actuator_only: bool) -> None:
        """Let the machine stand still for the next test, which finds it as it is."""
        assert self._machine is not None
        self._machine.pause()
        self._kept = actuator_only


_FAILED = "---- failed units ----"
_TROUBLE = (
    "dmesg; journalctl --boot --no-pager -o cat -p warning _PID=1;"
    f"echo '{_FAILED}'; systemctl list-units --failed --plain --no-legend --no-pager"
)
"""In one command, since this follows each test, and to start a shell takes an emulated machine a while."""


def find_trouble(machine: Machine, allow: tuple[Allow, ...]) -> list[str]:
    """What the console, the kernel's log, systemd's complaints and its failed units tell of ``machine``."""
    text = machine.console_text()
    failed = ""
    if machine.running:
        told, _, failed = machine.execute(_TROUBLE).out.partition(f"{_FAILED}\n")
        text += "\n" + told
    trouble = [str(finding) for finding in scan(text, allow)]
    return trouble + [f"failed unit: {line.strip()}" for line in failed.splitlines() if line.strip()]
