# SPDX-License-Identifier: Apache-2.0
"""Build the QEMU command that boots the JEPA OS image, for `make run`, the VM tests and the boot benchmark.

Everything here is plain data in, argument list out; nothing is started. What differs between a person at the
console and a test (where the consoles go, a QMP socket, a snapshot file) is passed as `serials` and `extra`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm.board import PC
from tools.vm.emulator import Emulator, Firmware

SHA_SINCE = (8, 2)
"""QEMU that emulates a PC's instructions for SHA-256, with which each block of /usr is checked."""

TCG_ARGUMENTS = (
    "mitigations=off",
    "systemd.default_device_timeout_sec=300",
    "systemd.default_timeout_start_sec=300",
)
"""Kernel arguments for emulated machines: a start that takes minutes is slow there, not broken."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One drive file of the machine.

    `snapshot` makes QEMU throw away every write at its end; the file itself is then opened read-only. With
    `log`, a file that is there, each write and flush is logged in it, see `tools.vm.write_log`.
    """

    path: Path
    format: str = "raw"
    snapshot: bool = False
    log: Path | None = None

    def node(self) -> dict[str, object]:
        """Return the block device that QEMU opens; at a flush nothing need be on the host's own disk."""
        unsynced = {"no-flush": True}
        file = {"driver": "file", "filename": str(self.path)}
        node: dict[str, object] = {"driver": self.format, "file": file, "cache": unsynced}
        if self.log is not None:
            kept = {"driver": "file", "filename": str(self.log), "cache": unsynced}
            node = {"driver": "blklogwrites", "file": node, "log": kept, "log-sector-size": 512}
        return node


def credential_argument(name: str, value: str) -> str:
    """Return the SMBIOS type 11 argument that hands the credential `name` to systemd in the machine.

    Base64, since QEMU gives commas in `value` a meaning of their own.
    """
    encoded = base64.b64encode(value.encode()).decode()
    return f"type=11,value=io.systemd.credential.binary:{name}={encoded}"


def qemu_command(
    emulator: Emulator,
    image: Disk | Path,
    *,
    kernel: Path | None = None,
    initrd: Path | None = None,
    firmware: Firmware | bool = True,
    memory_mib: int = 2048,
    cpus: int = 2,
    credentials: Mapping[str, str] | None = None,
    kvm: bool = False,
    virtual_time: bool = False,
    instruction_ns: int = 1,
    kernel_arguments: Sequence[str] = (),
    hvc: str | None = None,
    serials: Sequence[str] = ("null",),
    network: bool = True,
    extra: Sequence[str] = (),
) -> list[str]:
    """Return the command that starts a machine with virtio disk, network, random source and console.

    `emulator` runs it, and says of which kind it is. `image` is the disk; a bare path is a raw image whose
    writes are thrown away. With `kernel` (and `initrd`) the kernel is started directly, with
    `kernel_arguments`, and firmware is not used. Otherwise UEFI boots the disk: `firmware` names it, True
    takes the emulator's (with its variable store unwritten); `kernel_arguments` are then added to those
    of the UKI. `hvc` and `serials` are QEMU character devices ("stdio", "file:PATH",
    "unix:PATH,server=on,wait=off", "chardev:ID"): `hvc` becomes /dev/hvc0 and each of `serials` a serial
    line, in order. With `virtual_time` the machine is emulated and its clock counts instructions, each of
    which takes `instruction_ns` (a power of two), so that what runs beside it on the host does not show in
    its figures; best with one CPU.
    `extra` is appended verbatim. Raises ValueError when firmware is wanted and the emulator has none.
    """
    disk = image if isinstance(image, Disk) else Disk(image, snapshot=True)
    secure = isinstance(firmware, Firmware) and firmware.secure
    command = [
        *emulator.system_command(),
        "-nodefaults",
        "-no-user-config",
        "-display", "none",
        "-machine", _machine(emulator, secure),
        "-m", f"{memory_mib}M",
        "-smp", str(cpus),
        "-no-reboot",
    ]  # fmt: skip
    # One translation thread a vCPU; the default buffer of 1 GiB is memory that tests need for themselves.
    if virtual_time:
        command += ["-accel", "tcg,thread=single,tb-size=256", "-cpu", emulated_cpu(emulator)]
        shift = instruction_ns.bit_length() - 1
        command += ["-icount", f"shift={shift},sleep=off,align=off", "-rtc", "clock=vm"]
    elif kvm:
        command += ["-accel", "kvm", "-cpu", "host"]
    else:
        command += ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", emulated_cpu(emulator)]
    command += [
        *_drive(disk),
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-device", "virtio-serial-pci,id=ports",
    ]  # fmt: skip
    if network:
        command += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    if hvc is not None:
        command += _character_device("hvc", hvc)
        command += ["-device", f"virtconsole,chardev={_chardev_id('hvc', hvc)}"]
    for serial in serials:
        command += ["-serial", serial]
    for name, value in (credentials or {}).items():
        command += ["-smbios", credential_argument(name, value)]
    slow = () if kvm else (*TCG_ARGUMENTS, *emulator.board.emulated_arguments)
    if kernel is not None:
        arguments = " ".join([*kernel_arguments, *slow])
        command += ["-kernel", str(kernel), "-append", arguments]
        if initrd is not None:
            command += ["-initrd", str(initrd)]
    elif firmware:
        found = emulator.firmware() if isinstance(firmware, bool) else firmware
        if found is None:
            raise ValueError(f"{emulator} has no UEFI firmware; make image brings it")
        # A template shared by all machines is never written: the run keeps its changes in memory only.
        shared = isinstance(firmware, bool)
        command += _firmware_arguments(found, shared, (*slow, *kernel_arguments))
    return [*command, *extra]


def emulated_cpu(emulator: Emulator) -> str:
    """Return the CPU model that `emulator` emulates best."""
    cpu = emulator.board.cpu
    return f"{cpu},+sha-ni" if emulator.board is PC and emulator.version >= SHA_SINCE else cpu


def _machine(emulator: Emulator, secure: bool) -> str:
    """Only the PC has a mode of its own for the code that guards variables."""
    board = emulator.board
    return f"{board.machine},smm={'on' if secure else 'off'}" if board is PC else board.machine


def _firmware_arguments(found: Firmware, shared: bool, kernel_arguments: Sequence[str]) -> list[str]:
    # Only code in system management mode then writes variables, the list of trusted keys among them; a wake
    # from suspend would let others in there.
    guarded = ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    arguments = [
        *(guarded if found.secure else ()),
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escape(found.code)}",
        "-drive", f"if=pflash,unit=1,format=raw,file={_escape(found.variables)}"
        + (",snapshot=on" if shared else ""),
    ]  # fmt: skip
    if kernel_arguments:
        # systemd-stub adds these to the UKI's own command line.
        words = " ".join(kernel_arguments).replace(",", ",,")
        arguments += ["-smbios", f"type=11,value=io.systemd.stub.kernel-cmdline-extra={words}"]
    return arguments


def _drive(disk: Disk) -> list[str]:
    device = "virtio-blk-pci,drive=disk,bootindex=1"
    if disk.log is not None:
        # Merged requests may have all the parts that the host writes at once; the log's own is one more.
        device += ",request-merging=off"
        return ["-blockdev", json.dumps({"node-name": "disk", **disk.node()}), "-device", device]
    options = f"if=none,id=disk,file={_escape(disk.path)},format={disk.format},cache=unsafe"
    options += ",snapshot=on" if disk.snapshot else ",discard=unmap"
    return ["-drive", options, "-device", device]


def _chardev_id(name: str, device: str) -> str:
    return device.removeprefix("chardev:") if device.startswith("chardev:") else name


def _character_device(name: str, device: str) -> list[str]:
    """Return the -chardev pair for a `-serial` style description, nothing for one that exists already."""
    if device.startswith("chardev:"):
        return []
    kind, _, rest = device.partition(":")
    backends = {"unix": f"socket,id={name},path={rest}", "file": f"file,id={name},path={rest}"}
    return ["-chardev", backends.get(kind, f"{kind},id={name}")]


def _escape(path: Path) -> str:
    return str(path).replace(",", ",,")
