# SPDX-License-Identifier: Apache-2.0
"""The control channel: commands to a root shell in the guest over a virtio-serial port.

Apart from the console, so that no kernel message can disturb an answer. ``guest-shell.sh`` is the other end.
"""

import base64
import itertools
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PORT_NAME = "jepa.test"
GUEST_SHELL = Path(__file__).with_name("guest-shell.sh")

_UNIT = """\
[Unit]
Description=Root shell of the VM tests
DefaultDependencies=no
ConditionPathExists=!/etc/initrd-release
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh /run/credentials/@system/jepa-test-shell
Restart=always
RestartSec=1
OOMScoreAdjust=-1000
"""
_REPEATED = """\
for each in $(seq {tries}); do
    ({command}
    ) >/run/jepa-test.try.out 2>/run/jepa-test.try.err
    status=$?
    [ $status = 0 ] && break
    [ $each = {tries} ] || sleep {poll}
done
cat /run/jepa-test.try.out
cat /run/jepa-test.try.err >&2
exit $status
"""
_WANT = "[Unit]\nWants=jepa-test-shell.service\n"


def shell_credentials() -> Mapping[str, str]:
    """System credentials that make systemd (256 or newer) start the test shell, by name."""
    return {
        "jepa-test-shell": GUEST_SHELL.read_text(),
        "systemd.extra-unit.jepa-test-shell.service": _UNIT,
        "systemd.unit-dropin.sysinit.target": _WANT,
    }


def repeated(command: str, tries: int, poll: float) -> str:
    """A command that runs ``command`` every ``poll`` seconds until it exits 0, ``tries`` times at most.

    Its answer is that of the last run.
    """
    return _REPEATED.format(command=command, tries=tries, poll=poll)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command in the guest gave: exit status (124: it ran into its limit), and both streams."""

    status: int
    out: str
    err: str


class ChannelClosed(ConnectionError):
    """QEMU closed the control channel: the machine is gone."""


class Channel:
    """The host's end. One command at a time."""

    _ids = itertools.count(1)  # one sequence for the whole process: an old answer never fits a new question

    def __init__(self, path: Path) -> None:
        """Connect to the chardev socket at ``path``, which QEMU has opened by the time QMP answers."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._buffer = b""

    def execute(
        self, command: str, *, limit: float, grace: float, idle: Callable[[], None] = lambda: None
    ) -> Answer:
        """Run ``command`` in the guest's shell for at most ``limit`` seconds, ``idle`` every second of it.

        Raises TimeoutError when no answer comes within ``limit + grace`` seconds, ChannelClosed when QEMU is
        gone.
        """
        number = next(self._ids)
        request = f"{number} {limit:.0f} {base64.b64encode(command.encode()).decode()}\n"
        deadline = time.monotonic() + limit + grace
        try:
            self._socket.settimeout(grace)
            self._socket.sendall(request.encode())
            while (answer := parse_answer(self._line(deadline, idle), number)) is None:
                pass  # what an earlier command, given up on, answers late
            return answer
        except TimeoutError:
            late = f"no answer from the guest's shell to {command!r} after {limit + grace:.0f} s"
            raise TimeoutError(late) from None
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed("QEMU has ended") from error

    def close(self) -> None:
        """Close the host's end; the guest's shell waits for the next one."""
        self._socket.close()

    def _line(self, deadline: float, idle: Callable[[], None]) -> bytes:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(min(left, 1.0))
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                idle()
                continue
            if not chunk:
                raise ChannelClosed("QEMU has ended")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


def parse_answer(line: bytes, number: int) -> Answer | None:
    """The answer in one line from the guest; None for anything but a whole answer to request ``number``."""
    head, _, body = line.partition(b" :")
    words = head.split(b" ")
    if len(words) != 2 or words[0] != b"@%d" % number:
        return None
    out, _, err = body.partition(b" :")
    return Answer(
        status=int(words[1]),
        out=base64.b64decode(out, validate=True).decode(errors="replace"),
        err=base64.b64decode(err, validate=True).decode(errors="replace"),
    )
