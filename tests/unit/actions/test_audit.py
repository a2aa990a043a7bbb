# SPDX-License-Identifier: Apache-2.0
"""What journald is told is in its native protocol, and nobody waits for it."""

import socket
import struct
from pathlib import Path

from jepa.actions.audit import Audit, encoded
from tests.unit.actions.file_machine import ME, FileMachine


def decoded(datagram: bytes) -> dict[str, str]:
    """As systemd-journald reads it."""
    found: dict[str, str] = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + size], datagram[9 + size :]
        found[name.decode()] = value.decode()
    return found


def test_values_of_every_kind_come_back() -> None:
    entry = {"A": "plain", "B": "two\nlines\n", "C": "a=b", "D": "", "E": "ä"}
    assert decoded(encoded(entry)) == entry


def test_each_state_of_a_change_is_told_with_the_head_of_the_chain(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        machine = FileMachine(tmp_path / "machine", publish=Audit(tmp_path / "socket"))
        executor = machine.start()
        change = executor.act(machine.request("one", 10, task="t"), ME)
        entries = [decoded(journald.recv(65536)) for _ in range(2)]
        head = executor.journal.head
        executor.journal.close()
    assert [each["JEPA_STATE"] for each in entries] == ["intended", "committed"]
    last = entries[-1]
    assert last["JEPA_CHAIN"] == head
    assert (last["JEPA_FROM"], last["JEPA_TO"], last["JEPA_TASK"]) == ("60", "10", "t")
    assert (last["JEPA_CHANGE"], last["JEPA_ACTION"], len(last["MESSAGE_ID"])) == (change.id, "one", 32)


def test_without_journald_or_with_a_busy_one_nothing_waits(tmp_path: Path) -> None:
    machine = FileMachine(tmp_path / "machine", publish=Audit(tmp_path / "none"))
    executor = machine.start()
    executor.act(machine.request("one", 10), ME)
    executor.journal.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        machine.publish = Audit(tmp_path / "deaf")
        executor = machine.start()
        for number in range(100):
            executor.act(machine.request("one", number), ME)
        executor.journal.close()
