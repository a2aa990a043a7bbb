# SPDX-License-Identifier: Apache-2.0
"""A machine of one CPU in virtual time, for benchmarks whose guest is told once and then left alone."""

from pathlib import Path
from typing import Final

from jepa_lab.branches.plan import Shape
from tools.vm.image import built_image
from tools.vm.machine import Machine, Setup
from tools.vm.qemu import Disk
from tools.vm.sources import push

DEVICES: Final = (
    *("-device", "pvpanic", "-action", "panic=pause"),
    # What the machine asks of a device reaches it at that instruction, not when the host gets to it.
    *("-global", "virtio-blk-pci.ioeventfd=off", "-global", "virtio-serial-pci.ioeventfd=off"),
)
"""With which the guest can stop the machine by itself."""
DISK: Final = "disk.qcow2"


def boot(shape: Shape, directory: Path, *, sources: bool) -> Machine:
    """A machine of ``shape``, booted, jepad running: of this tree's ``sources`` or those of the image.

    Its files and logs lie in ``directory``. MachineError when it does not come up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    machine = _machine(shape, directory, built_image().overlay(directory / DISK))
    machine.start()
    machine.wait_for_shell(240)  # beside other work of the host a boot may take long
    if sources:
        push(machine)
    machine.wait_for_unit("jepad.service", 120)
    machine.execute("systemctl is-system-running --wait", 120)
    return machine


def awake(shape: Shape, directory: Path, snapshot: str) -> Machine:
    """The machine that ``boot`` booted in ``directory``, as it was at a ``snapshot``."""
    machine = _machine(shape, directory, Disk(directory / DISK, format="qcow2"))
    machine.start(snapshot)
    machine.wait_for_shell(60)
    return machine


def _machine(shape: Shape, directory: Path, disk: Disk) -> Machine:
    image = built_image()
    setup = Setup(
        disk,
        kernel=image.kernel,
        initrd=image.initrd,
        memory_mib=shape.memory_mib,
        cpus=1,
        devices=DEVICES,
        virtual_time=True,
        instruction_ns=shape.instruction_ns,
    )
    return Machine(shape.name, setup, directory, lambda line: print(line, flush=True))


def give(machine: Machine, path: str, content: str) -> None:
    """Write the file ``path`` of the guest; its folder is made where it is not there."""
    machine.succeed(f"mkdir -p $(dirname {path}); cat > {path} <<'END-OF-FILE'\n{content}\nEND-OF-FILE")
