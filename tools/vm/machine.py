# SPDX-License-Identifier: Apache-2.0
"""A virtual machine as tests see it: start it, speak to its root shell, cut its power, look at its screen.

Method names follow the NixOS test driver. Times given to methods are seconds on hardware that virtualises;
under emulation each is multiplied by ``EMULATION_FACTOR``.
"""

import base64
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tools.vm import console, priority, screen, terminal, tpm
from tools.vm.channel import PORT_NAME, Answer, Channel, ChannelClosed, repeated, shell_credentials
from tools.vm.emulator import Emulator, Firmware, newest
from tools.vm.qemu import Disk, qemu_command
from tools.vm.qmp import Qmp
from tools.vm.serial_line import SerialLine

EMULATION_FACTOR = 10
"""TCG runs this guest 9 to 12 times slower than KVM, and never faster than half of that."""

KERNEL_ARGUMENTS = (
    *("loglevel=5", "systemd.show_status=yes"),  # a console that tells what fails
    *("oops=panic", "panic=-1"),  # an oops ends the machine, not the test's patience
)

TELL_S = 20.0
"""How often a long wait says what it waits for."""

START_S = 10.0
"""For QEMU to begin."""

TRY_S = 10.0
"""How long the guest tries a command again by itself, less what the command takes."""

Say = Callable[[str], None]


class MachineError(AssertionError):
    """The machine did not do what the test asked of it."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a machine is made of. Without ``kernel`` it boots by ``firmware`` from its disk.

    With it, the arguments that the image's UKI has are in a file beside the kernel, NAME.cmdline.
    """

    disk: Disk
    kernel: Path | None = None
    initrd: Path | None = None
    firmware: Firmware | bool = True
    kernel_arguments: Sequence[str] = ()
    credentials: Mapping[str, str] | None = None
    memory_mib: int = 2048
    cpus: int = 2
    devices: Sequence[str] = ()
    """Further arguments of QEMU, such as empty slots for what a test plugs in."""
    tpm: Path | None = None
    """Directory with the memory of the machine's TPM, a new one where it is empty; None for no TPM."""
    kvm: bool = False
    virtual_time: bool = False
    """Whether the guest's clock counts instructions, so that the host's other work does not show in it."""
    instruction_ns: int = 1
    """In virtual time: what an instruction takes, a power of two."""
    emulator: Emulator = field(default_factory=newest)


class Machine:
    """One QEMU process and everything a test does with it.

    ``name`` is used in messages and file names; logs and pictures go to ``directory``, progress to ``say``.
    """

    def __init__(self, name: str, setup: Setup, directory: Path, say: Say = lambda line: None) -> None:
        self.name = name
        self.setup = setup
        self.directory = directory
        self.console_log = directory / f"{name}.console.log"
        self._say = say
        self.factor = 1 if setup.kvm else EMULATION_FACTOR
        """What every time given to this machine is multiplied by."""
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tpm: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._channel: Channel | None = None
        self._serial: SerialLine | None = None
        self._terminal: socket.socket | None = None
        self._mark = 0
        self._stages: list[tuple[str, str]] = []
        self._started = 0.0

    # Power

    def start(self, snapshot: str | None = None, *, paused: bool = False) -> None:
        """Switch the machine on. Returns at once; ``wait_for_shell`` waits until commands can be given.

        With ``snapshot`` it wakes as it was when ``snapshot()`` was called; the disk must hold that. When
        ``paused`` it does nothing before ``resume()``.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        # Paths of UNIX sockets may have 107 bytes only, so they do not go below the build directory.
        self._sockets = tempfile.TemporaryDirectory(prefix="jepa-vm-")
        at = Path(self._sockets.name)
        offset = self.console_log.stat().st_size if self.console_log.exists() else 0
        self._mark = offset
        self._stages = list(console.STAGES) if snapshot is None else []
        extra = [
            # it waits for us, so that nothing is missed
            "-chardev", f"socket,id=serial,path={at}/serial,server=on,wait=on",
            "-chardev", f"socket,id=shell,path={at}/shell,server=on,wait=off",
            "-device", f"virtserialport,bus=ports.0,chardev=shell,name={PORT_NAME}",
            *terminal.port_arguments(f"socket,path={at}/terminal,server=on,wait=off"),
            "-qmp", f"unix:{at}/qmp,server=on,wait=off",
            "-device", self._display(),
        ]  # fmt: skip
        extra += self.setup.devices
        if self.setup.tpm is not None:
            self._tpm = tpm.start(self.setup.tpm, at / "tpm")
            extra += tpm.arguments(at / "tpm")
        kernel = self.setup.kernel
        built_in = kernel.with_suffix(".cmdline").read_text().split() if kernel else ()
        if snapshot is not None:
            extra += ["-loadvm", snapshot]
        if paused:
            extra.append("-S")
        command = qemu_command(
            self.setup.emulator,
            self.setup.disk,
            kernel=self.setup.kernel,
            initrd=self.setup.initrd,
            firmware=self.setup.firmware,
            memory_mib=self.setup.memory_mib,
            cpus=self.setup.cpus,
            credentials={**shell_credentials(), **(self.setup.credentials or {})},
            kvm=self.setup.kvm,
            virtual_time=self.setup.virtual_time,
            instruction_ns=self.setup.instruction_ns,
            kernel_arguments=[*built_in, *KERNEL_ARGUMENTS, *self.setup.kernel_arguments],
            serials=("chardev:serial",),
            extra=extra,
        )
        (self.directory / f"{self.name}.command").write_text(shlex.join(command) + "\n")
        errors = self.directory / f"{self.name}.qemu.log"
        with errors.open("wb") as log:
            # However the tests end, the machine ends with them.
            bound = ["setpriv", "--pdeathsig", "KILL", *command]
            self._process = subprocess.Popen(bound, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started = time.monotonic()
        try:
            self._serial = SerialLine(at / "serial", self.console_log, connect_timeout=START_S * self.factor)
            # which it opens only when it has read the snapshot
            self._qmp = Qmp(at / "qmp", connect_timeout=START_S * self.factor)
        except TimeoutError:
            self.crash()
            raise MachineError(f"{self.name}: QEMU did not start:\n{errors.read_text()}") from None
        self._channel = Channel(at / "shell")
        self._terminal = _connect(at / "terminal")
        self.say("switched on")

    def wait_for_shell(self, timeout: float = 60) -> None:
        """Wait until the guest's root shell answers, telling the stages of the boot as they show."""
        deadline, again = time.monotonic() + timeout * self.factor, False
        while True:
            try:
                # Asked anew again and again: what a guest has read when it finds its port closed is lost.
                self._shell().execute("true", limit=3, grace=2, idle=self._tell_stages)
                break
            except TimeoutError:
                if time.monotonic() > deadline:
                    late = f"no root shell {timeout * self.factor:.0f} s after power on"
                    raise self._error(late) from None
            except ChannelClosed:
                why = self._why_again()
                if why is None or again:
                    raise self._error("the machine ended while it booted") from None
                self.say(f"{why}; switched on again")
                self._close()
                self.start()
                again, deadline = True, time.monotonic() + timeout * self.factor
        self.say("shell answers")

    def _why_again(self) -> str | None:
        """What ended the machine, where that says nothing of the guest."""
        assert self._serial is not None
        self._serial.wait_for_end(1)
        if console.keys_were_enrolled(self.console_text()):
            return "the loader gave its keys to the firmware"
        # that of QEMU 7.2 does once in some dozen boots
        return "the emulation failed" if self._emulation_failed() else None

    def _emulation_failed(self) -> bool:
        """Whether QEMU ended by a fault of its own, or emulated what no CPU does."""
        assert self._process is not None
        try:
            ended = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return False
        crashed = ended in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
        return crashed or (not self.setup.kvm and console.emulation_slipped(self.console_text()))

    def slow_disk(self, operations_per_s: int) -> None:
        """Let the disk do so much at most from now on; 0 for as much as it can."""
        limits = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"), 0)
        self._monitor().execute(
            "block_set_io_throttle", {"device": "disk", "iops": operations_per_s, **limits}
        )

    def crash(self) -> None:
        """Cut the power: QEMU is killed, the guest is told nothing. What it had not written is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._close()

    def shutdown(self, timeout: float = 30) -> None:
        """Power off in an orderly way and wait until the machine is off."""
        self.execute("systemctl poweroff --no-block")
        self.wait_for_shutdown(timeout)

    def wait_for_shutdown(self, timeout: float = 30) -> None:
        """Wait until the machine has switched itself off (or rebooted: QEMU runs with -no-reboot)."""
        assert self._process is not None
        try:
            self._process.wait(timeout * self.factor)
        except subprocess.TimeoutExpired:
            raise self._error(f"still on after {timeout * self.factor:.0f} s") from None
        self._close()
        self.say("off")

    def pause(self) -> None:
        """Let the machine stand still; it notices nothing but what the clock of its host then shows."""
        self._monitor().execute("stop")

    def resume(self) -> None:
        """Let a machine go on that was started paused, that was paused, or that stopped itself."""
        self._monitor().execute("cont")

    def wait_for_stop(self, timeout: float = 60) -> None:
        """Wait until the machine stands still by itself, as by a pvpanic device; nothing in it is asked."""
        deadline = time.monotonic() + timeout * self.factor
        while self._monitor().execute("query-status")["running"]:
            if time.monotonic() > deadline:
                raise self._error(f"has not stopped within {timeout * self.factor:.0f} s")
            time.sleep(0.1)

    @property
    def running(self) -> bool:
        """Whether QEMU runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def elapsed(self) -> float:
        """Seconds since power on."""
        return time.monotonic() - self._started

    # Commands

    def execute(self, command: str, timeout: float = 30) -> Answer:
        """Run ``command`` in the guest's root shell (bash) and return what it gave.

        Raises MachineError when the machine is gone or the command runs into ``timeout``.
        """
        limit = timeout * self.factor
        begin = time.monotonic()
        try:
            answer = self._shell().execute(command, limit=limit, grace=10 + 2 * self.factor)
        except (ChannelClosed, TimeoutError) as error:
            raise self._error(f"{command!r}: {error}") from None
        if answer.status in (124, 137) and time.monotonic() - begin >= limit - 1:
            raise self._error(f"{command!r} ran longer than {limit:.0f} s:\n{answer.out}{answer.err}")
        return answer

    def succeed(self, command: str, timeout: float = 30) -> str:
        """Run ``command``, which must exit 0; returns what it wrote to standard output."""
        answer = self.execute(command, timeout)
        if answer.status != 0:
            raise self._error(f"{command!r} exited {answer.status}:\n{answer.out}{answer.err}")
        return answer.out

    def fail(self, command: str, timeout: float = 30) -> Answer:
        """Run ``command``, which must not exit 0; returns its answer."""
        answer = self.execute(command, timeout)
        if answer.status == 0:
            raise self._error(f"{command!r} succeeded, which it must not:\n{answer.out}{answer.err}")
        return answer

    def wait_until_succeeds(self, command: str, timeout: float = 60, poll: float = 0.5) -> str:
        """Run ``command`` every ``poll`` seconds until it exits 0; returns the output of that run.

        The guest tries it several times before it answers: each answer takes an emulated CPU half a second.
        """
        deadline = time.monotonic() + timeout * self.factor
        told = time.monotonic()
        while True:
            tries = max(1, round(min(TRY_S, deadline - time.monotonic()) / poll))
            answer = self.execute(repeated(command, tries, poll), timeout + TRY_S)
            if answer.status == 0:
                return answer.out
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                self.say(f"still waiting for {command!r}: {answer.err.strip() or answer.status}")
            if time.monotonic() > deadline:
                raise self._error(
                    f"{command!r} still exits {answer.status} after {timeout * self.factor:.0f} s:\n"
                    f"{answer.out}{answer.err}"
                )

    def wait_for_unit(self, unit: str, timeout: float = 60, poll: float | None = None) -> None:
        """Wait until the systemd ``unit`` is active; fails at once when it failed or nothing starts it.

        It is asked every ``poll`` seconds; without that so seldom that a machine that boots is busy with
        answers for a third of the time at most, since under emulation each takes it seconds.
        """
        deadline = time.monotonic() + timeout * self.factor
        while True:
            asked = time.monotonic()
            shown = self.succeed(f"systemctl show --property=ActiveState,Job,Result {shlex.quote(unit)}")
            state = dict(line.split("=", 1) for line in shown.splitlines())
            active, result = state["ActiveState"], state.get("Result", "")
            if active == "active":
                return
            settled = active == "inactive" and not state.get("Job", "")
            starting = settled and self.execute("systemctl is-system-running").out.strip() in (
                "initializing", "starting",
            )  # fmt: skip
            if active == "failed" or (settled and not starting) or time.monotonic() > deadline:
                journal = self.execute(f"journalctl --no-pager -n 30 -u {shlex.quote(unit)}").out
                raise self._error(f"{unit} is {active} ({result}):\n{journal}")
            self._tell_stages()
            time.sleep(max(0.5, 2 * (time.monotonic() - asked)) if poll is None else poll)

    def wait_for_file(self, path: str, timeout: float = 60) -> None:
        """Wait until ``path`` exists in the guest."""
        self.wait_until_succeeds(f"test -e {shlex.quote(path)}", timeout)

    def copy_from(self, path: str, timeout: float = 60) -> bytes:
        """The content of the guest's file ``path``."""
        return base64.b64decode(self.succeed(f"base64 {shlex.quote(path)}", timeout))

    # Console, screen and keyboard

    def console_text(self, *, all_boots: bool = False) -> str:
        """What the serial console has shown since power on, the last restore or ``forget_console``."""
        return console.plain(self.console_bytes(all_boots=all_boots).decode(errors="replace"))

    def console_bytes(self, *, all_boots: bool = False) -> bytes:
        """What ``console_text`` is made of, with the sequences that move the cursor and set colours."""
        with suppress(FileNotFoundError), self.console_log.open("rb") as log:
            log.seek(0 if all_boots else self._mark)
            return log.read()
        return b""

    def forget_console(self) -> None:
        """Let ``console_text`` begin here."""
        self._mark = self.console_log.stat().st_size

    def wait_for_console_text(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Wait until the serial console shows text that fits the regular expression ``pattern``."""
        deadline = time.monotonic() + timeout * self.factor
        while time.monotonic() < deadline:
            ended = not self.running
            if ended and self._serial is not None:
                self._serial.wait_for_end(START_S)
            match = re.search(pattern, self.console_text())
            if match:
                return match
            if ended:
                raise self._error(f"ended before its console showed {pattern!r}")
            time.sleep(0.2)
        raise self._error(f"the console has not shown {pattern!r} in {timeout * self.factor:.0f} s")

    def hear_console(self, hear: Callable[[bytes], None] | None) -> None:
        """Have ``hear`` called, in a thread of its own, with what the serial console sends from now on."""
        assert self._serial is not None
        self._serial.hear = hear

    def write_console(self, text: str) -> None:
        """Type ``text`` on the serial console; a line ends with ``\\r``."""
        assert self._serial is not None
        for character in text:  # a terminal in a slow guest has a FIFO of 16 bytes
            self._serial.send(character.encode())
            time.sleep(0.01)

    def resize_terminal(self, columns: int, rows: int) -> None:
        """Tell the guest the size of the terminal that shows its serial console."""
        assert self._terminal is not None
        self._terminal.sendall(terminal.size_line(columns, rows))

    def send_key(self, key: str) -> None:
        """Press one key or chord of the keyboard by QEMU's names, as in ``ret``, ``f1`` or ``ctrl-c``."""
        pressed = [{"type": "qcode", "data": code} for code in key.split("-")]
        self._monitor().execute("send-key", {"keys": pressed, "hold-time": 20})
        time.sleep(0.05)

    def type(self, text: str) -> None:
        """Type ``text`` on the keyboard; ``\\n`` is the return key."""
        for character in text:
            self.send_key("-".join(screen.keys(character)))

    def plug(self, device: str, name: str, **properties: object) -> None:
        """Plug in a ``device`` of QEMU's, called ``name``; see ``Setup.devices`` for where it may go."""
        self._monitor().execute("device_add", {"driver": device, "id": name, **properties})

    def unplug(self, name: str) -> None:
        """Ask the guest to let go of ``name``; returns at once."""
        self._monitor().execute("device_del", {"id": name})

    def set(self, name: str, **properties: object) -> None:
        """Change ``properties`` of the device that was plugged in as ``name``."""
        for each, value in properties.items():
            arguments = {"path": f"/machine/peripheral/{name}", "property": each, "value": value}
            self._monitor().execute("qom-set", arguments)

    def back(self, name: str, size: int, *, kept: bool = False) -> None:
        """Make a disk of ``size`` zero bytes, called ``name``, for a device to be plugged in with.

        What is written to it is lost unless it is ``kept``, in a file in the machine's directory.
        """
        arguments: dict[str, object] = {"driver": "null-co", "size": size, "read-zeroes": True}
        if kept:
            file = self.directory / f"{self.name}.{name}.raw"
            with file.open("wb") as empty:
                empty.truncate(size)
            arguments = {"driver": "raw", "file": {"driver": "file", "filename": str(file)}}
        arguments["node-name"] = name
        self._monitor().execute("blockdev-add", arguments)

    def insert(self, name: str, disk: Disk) -> None:
        """Open ``disk``, called ``name``, for a device to be plugged in with."""
        self._monitor().execute("blockdev-add", {"node-name": name, **disk.node()})

    def screenshot(self, name: str) -> screen.Screenshot:
        """Picture of the screen, kept as NAME.png in the machine's directory."""
        png = self.directory / f"{name}.png"
        raw = self.directory / f"{name}.ppm"
        self._monitor().execute("screendump", {"filename": str(png), "format": "png"})
        self._monitor().execute("screendump", {"filename": str(raw)})
        try:
            return screen.measure(raw.read_bytes(), png)
        finally:
            raw.unlink()

    # Snapshots

    def snapshot(self, tag: str = "ready") -> float:
        """Keep memory, devices and disk as they are now under ``tag``; returns the seconds it took."""
        begin = time.monotonic()
        self._state_job("snapshot-save", tag)
        return time.monotonic() - begin

    def drop_snapshot(self, tag: str) -> None:
        """Remove a snapshot, so that another may have its name."""
        arguments: dict[str, object] = {"tag": tag, "devices": [self._monitor().disk_node()]}
        self._monitor().run_job("snapshot-delete", arguments, timeout=30 * self.factor)

    def prioritise(self) -> None:
        """Let the host's scheduler prefer this machine to all others until it is switched off.

        PermissionError for who may not: see ``tools.vm.priority.permitted``.
        """
        assert self._process is not None
        priority.raise_of(self._process.pid)

    def restore(self, tag: str = "ready") -> float:
        """Go back to a snapshot; returns the seconds until the guest's shell answers again.

        The guest notices nothing: its clock goes on from the snapshot, and is thus behind the host's until
        ``set_clock`` lets it jump.
        """
        begin = time.monotonic()
        # In a QEMU of its own: one process never lets an emulated time stamp counter go back.
        self.crash()
        self.start(tag)
        self.wait_for_shell()
        return time.monotonic() - begin

    def set_clock(self, ahead_s: float = 0) -> None:
        """Set the guest's clock to the host's, or ``ahead_s`` of it, as an administrator would."""
        self.succeed(f"date -u -s @{time.time() + ahead_s:.0f}")

    # Network

    def forward(self, port: int, place: str | None = None) -> str:
        """Let this host reach the guest's TCP ``port``, until it is off; returns at which HOST:PORT.

        That is ``place``, where a machine was reached before it was started anew, or a free one.
        """
        if place is None:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                place = f"127.0.0.1:{probe.getsockname()[1]}"
        command = f"hostfwd_add net tcp:{place}-:{port}"
        if said := self._monitor().execute("human-monitor-command", {"command-line": command}).strip():
            raise self._error(f"{command}: {said}")
        return place

    # Inside

    def say(self, line: str) -> None:
        """Report progress with the machine's name and age."""
        self._say(f"{self.name} {self.elapsed:6.1f} s  {line}")

    def _display(self) -> str:
        """The screen; where no firmware writes on it, none has to be told what the device is."""
        display = self.setup.emulator.board.display
        return f"{display},edid=on,xres=1024,yres=768,romfile=" if self.setup.kernel else display

    def _state_job(self, command: str, tag: str) -> None:
        node = self._monitor().disk_node()
        arguments: dict[str, object] = {"tag": tag, "vmstate": node, "devices": [node]}
        self._monitor().run_job(command, arguments, timeout=30 * self.factor)

    def _tell_stages(self) -> None:
        while self._stages and re.search(self._stages[0][1], self.console_text()):
            self.say(self._stages.pop(0)[0])

    def _shell(self) -> Channel:
        if self._channel is None:
            raise self._error("is off")
        return self._channel

    def _monitor(self) -> Qmp:
        if self._qmp is None:
            raise self._error("is off")
        return self._qmp

    def _error(self, text: str) -> MachineError:
        if self._process is not None and (code := self._process.poll()) is not None:
            cause = signal.Signals(-code).name if code < 0 else str(code)
            text += f" (QEMU has ended: {cause})"
        return MachineError(f"{self.name}: {text}")

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._serial is not None:
            self._serial.wait_for_end(START_S)
            self._serial.close()
        if self._terminal is not None:
            self._terminal.close()
        if self._qmp is not None:
            self._qmp.close()
        if self._tpm is not None:
            self._tpm.terminate()  # it waits for a machine that never came
            self._tpm.wait()
        if self._sockets is not None:
            self._sockets.cleanup()
        self._channel = self._serial = self._terminal = self._qmp = None
        self._tpm = self._sockets = None


def _connect(path: Path) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.connect(str(path))
    return end
