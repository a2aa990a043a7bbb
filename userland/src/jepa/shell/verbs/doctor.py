# SPDX-License-Identifier: Apache-2.0
"""`jepa doctor`: every check, with the remedy where one is not ok, even when jepad does not run."""

from pathlib import Path

from jepa import encryption, kernel_config, secure_boot
from jepa.errors import JepaError
from jepa.service.api import Doctor, Part
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Show the checks; 1 when one has failed."""
    found = examine(request)
    out = request.out
    if out.json:
        out.data(found)
    else:
        width = max(len(check.name) for check in found.checks)
        for check in found.checks:
            out.line(f"  {check.name:<{width}}  {out.state(check.state, 8)}  {check.reason}".rstrip())
            if check.remedy and check.state in ("degraded", "failed"):
                out.line(f"  {'':<{width}}            {check.remedy}")
        out.line()
        out.line(f"All in all: {out.state(found.state)}.")
    return 1 if found.state == "failed" else 0


def examine(request: Request) -> Doctor:
    """The service's own checks, preceded by whether it can be reached, and the machine that both run on."""
    try:
        found = request.client.doctor()
    except JepaError as error:
        socket = Part(name="socket", state="failed", reason=error.problem, remedy=error.remedy)
        return Doctor(state="failed", checks=[socket, *machine()])
    socket = Part(name="socket", state="ok", reason="jepad answers.")
    if "local" in request.args:
        socket = Part(name="socket", state="off", reason="Watching in this process, without jepad.")
    return Doctor(state=found.state, checks=[socket, *found.checks, *machine()])


def machine(root: Path = Path("/")) -> list[Part]:
    """What this process can see for itself of the machine below ``root``, jepad or not."""
    return [kernel(root), firmware(root), disk(root)]


def firmware(root: Path) -> Part:
    """Whether the firmware checks what it starts. That it does not is the owner's choice, and no fault."""
    found = secure_boot.read(root)
    return Part(name="secure boot", state="ok" if found.enabled else "off", reason=secure_boot.tell(found))


def disk(root: Path) -> Part:
    """Whether the data are encrypted. That they are not is how the machine is made, and no fault."""
    found = encryption.read(root)
    return Part(name="encryption", state="ok" if found.encrypted else "off", reason=encryption.tell(found))


def kernel(root: Path) -> Part:
    """Whether the running kernel was configured with all that is asked of one; its config is below ``root``.

    Asked in the person's process: jepad's sandbox hides where a kernel's config is. What lacks is off, as a
    sensor that a machine does not have, and no fault.
    """
    path = kernel_config.running_config(root)
    if path is None:
        return Part(name="kernel", state="off", reason="The kernel does not tell how it was configured.")
    try:
        config = kernel_config.read_config(path)
        groups = kernel_config.groups_for(config)
    except JepaError as error:
        return Part(name="kernel", state="off", reason=error.problem)
    lacks = kernel_config.lacking(groups, config)
    return Part(name="kernel", state="off" if lacks else "ok", reason=kernel_config.tell(groups, lacks))
