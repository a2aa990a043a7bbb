# SPDX-License-Identifier: Apache-2.0
"""The QEMU command: what each choice puts on it."""

import base64
import itertools
import json
from pathlib import Path

import pytest

from tools.vm.board import ARM, PC
from tools.vm.emulator import Emulator, Firmware
from tools.vm.qemu import Disk, credential_argument, qemu_command

HOST = Emulator(Path("/"), (7, 2), PC)
IMAGE = Path("image.raw")
KERNEL = Path("vmlinuz")


def following(command: list[str], option: str) -> list[str]:
    """The values of every ``option`` in ``command``."""
    return [value for name, value in itertools.pairwise(command) if name == option]


def test_a_bare_image_is_never_written() -> None:
    (drive,) = following(qemu_command(HOST, IMAGE, kernel=KERNEL), "-drive")
    assert "snapshot=on" in drive
    (drive,) = following(qemu_command(HOST, Disk(IMAGE, "qcow2"), kernel=KERNEL), "-drive")
    assert "snapshot=on" not in drive
    assert "format=qcow2" in drive


def test_commas_in_a_path_do_not_start_an_option() -> None:
    (drive,) = following(qemu_command(HOST, Path("a,readonly=on"), kernel=KERNEL), "-drive")
    assert "file=a,,readonly=on," in drive


def test_a_disk_whose_writes_are_logged_is_opened_below_the_log() -> None:
    command = qemu_command(HOST, Disk(IMAGE, "qcow2", log=Path("log")), kernel=KERNEL)
    assert following(command, "-drive") == []
    (node,) = map(json.loads, following(command, "-blockdev"))
    assert (node["node-name"], node["driver"]) == ("disk", "blklogwrites")
    assert node["log"]["filename"] == "log"
    assert (node["file"]["driver"], node["file"]["file"]["filename"]) == ("qcow2", str(IMAGE))


def test_a_direct_kernel_gets_what_the_caller_says() -> None:
    said = ("usrhash=12", "jepa=off")
    command = qemu_command(HOST, IMAGE, kernel=KERNEL, initrd=Path("initrd"), kernel_arguments=said)
    (line,) = following(command, "-append")
    assert line.startswith("usrhash=12 jepa=off ")
    assert "no_timer_check" in line.split(), "a busy host lets an emulated timer's ticks come late"
    assert following(command, "-initrd") == ["initrd"]
    assert not any("pflash" in drive for drive in following(command, "-drive"))


def test_firmware_reads_code_and_writes_only_its_own_variables() -> None:
    firmware = Firmware(Path("code"), Path("own"))
    _, code, variables = following(qemu_command(HOST, IMAGE, firmware=firmware), "-drive")
    assert "readonly=on" in code
    assert variables.endswith("file=own")


def test_only_firmware_with_secure_boot_runs_in_system_management_mode_which_alone_writes_variables() -> (
    None
):
    plain = qemu_command(HOST, IMAGE, firmware=Firmware(Path("c"), Path("v")))
    assert following(plain, "-machine") == ["q35,smm=off"]
    assert following(plain, "-global") == []
    secure = qemu_command(HOST, IMAGE, firmware=Firmware(Path("c"), Path("v"), secure=True))
    assert following(secure, "-machine") == ["q35,smm=on"]
    assert "driver=cfi.pflash01,property=secure,value=on" in following(secure, "-global")


def test_the_uki_gets_kernel_arguments_by_smbios() -> None:
    command = qemu_command(
        HOST, IMAGE, firmware=Firmware(Path("c"), Path("v")), kernel_arguments=("a=1,2",), kvm=True
    )
    assert following(command, "-smbios") == ["type=11,value=io.systemd.stub.kernel-cmdline-extra=a=1,,2"]


@pytest.mark.parametrize("value", ["", "xterm 80 24", "a,b=c", "Grüße\n"])
def test_a_credential_survives_qemu_whatever_is_in_it(value: str) -> None:
    name, _, encoded = (
        credential_argument("jepa.console.hvc0", value).removeprefix("type=11,value=").partition("=")
    )
    assert name == "io.systemd.credential.binary:jepa.console.hvc0"
    assert base64.b64decode(encoded).decode() == value
    assert "," not in encoded


def test_emulation_uses_a_cpu_that_the_wheels_accept_and_kvm_the_hosts() -> None:
    assert following(qemu_command(HOST, IMAGE, kernel=KERNEL), "-cpu") == [PC.cpu]
    assert following(qemu_command(HOST, IMAGE, kernel=KERNEL, kvm=True), "-cpu") == ["host"]


def test_an_emulator_that_can_hashes_in_single_instructions() -> None:
    newer = Emulator(Path("/"), (10, 0, 13), PC)
    assert following(qemu_command(newer, IMAGE, kernel=KERNEL), "-cpu") == [f"{PC.cpu},+sha-ni"]


def test_an_arm_board_has_its_own_machine_cpu_and_firmware() -> None:
    emulator = Emulator(Path("/"), (10, 0, 13), ARM)
    command = qemu_command(emulator, IMAGE, firmware=Firmware(Path("code"), Path("own")))
    assert command[0] == "/usr/bin/qemu-system-aarch64"
    assert following(command, "-machine") == ["virt"]
    assert following(command, "-cpu") == [ARM.cpu]
    (words,) = following(command, "-smbios")
    assert "no_timer_check" not in words, "no such word is known there"


def test_in_virtual_time_an_instruction_takes_what_is_said() -> None:
    for instruction_ns, shift in ((1, 0), (4, 2)):
        command = qemu_command(HOST, IMAGE, kernel=KERNEL, virtual_time=True, instruction_ns=instruction_ns)
        (line,) = following(command, "-icount")
        assert f"shift={shift},sleep=off" in line
    assert "-icount" not in qemu_command(HOST, IMAGE, kernel=KERNEL)
