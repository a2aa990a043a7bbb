# SPDX-License-Identifier: Apache-2.0
"""jepa-actuator: acts for whoever is connected, under systemd or in the foreground of any Linux, as root."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from jepa.actions.change import Caller, Change
from jepa.actions.summary import FILE
from jepa.ending import when_asked
from jepa.errors import JepaError
from jepa.notify import Notifier

if TYPE_CHECKING:
    from jepa.actions.actuator.local import ActionEngine
    from jepa.actions.actuator.server import Service
    from jepa.actions.recovery import Recovered

USAGE: Final = """\
usage: jepa-actuator [--expire ID | --recover | --set-aside]

Changes this machine for those who ask over its socket, and takes changes back.

  --expire ID   take back the change ID if its time is over (what its timer calls)
  --recover     take back what was interrupted before it was committed, or is over
  --set-aside   keep a damaged journal for later, and begin a new one
"""
_FIRST_PASSED: Final = 3
"""The first descriptor that a service manager passes, see sd_listen_fds(3)."""
_LOCKED: Final = 1 | 2 | 4
"""MCL_CURRENT, MCL_FUTURE and MCL_ONFAULT: what is used stays in memory, and only that."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon until it is stopped or idle for long, or do one thing; 1 when it cannot."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match words:
            case []:
                serve()
            case ["--expire", change]:
                try:
                    _expire(change)
                except JepaError as error:
                    if error.status != 404:  # else its timer would try again for ever
                        raise
                    print(f"jepa-actuator: {error.problem}")
            case ["--recover"]:
                return _recover()
            case ["--set-aside"]:
                _set_aside()
            case ["--help" | "-h"]:
                print(USAGE, end="")
            case _:
                print(USAGE, end="", file=sys.stderr)
                return 2
    except JepaError as error:
        print(f"jepa-actuator: {error}", file=sys.stderr)
        return 1
    return 0


def serve(environ: Mapping[str, str] = os.environ) -> None:
    """Answer on the socket that was passed, or on one of its own; JepaError when it cannot start."""
    from jepa.actions.actuator.assembly import engine, state_directory
    from jepa.actions.actuator.connect import socket_path
    from jepa.actions.actuator.housekeeping import Housekeeping
    from jepa.actions.actuator.server import VarlinkServer
    from jepa.sockets import listen

    _log_by_priority(environ)
    notifier = Notifier(environ)
    passed = passed_socket(environ)
    listener = passed or listen(Path(socket_path(environ)), socket.SOCK_STREAM, "jepa-actuator")
    path = Path(listener.getsockname())
    with ExitStack() as opened:
        opened.callback(listener.close)
        notes: list[Callable[[], None]] = []

        def noted(change: Change, head: str) -> None:
            for note in notes:
                note()

        try:
            made = engine(state_directory(environ), noted)
        except JepaError as error:
            if passed is None:
                raise
            logging.error("jepa-actuator: %s", error)
            _refuse(listener, error, notifier)
            return
        opened.callback(made.close)
        if damage := made.executor.journal.damage:
            # It answers all the same: what is in force is shown, and every change refused with the remedy.
            logging.error("jepa-actuator: nothing is changed any more: the journal is damaged: %s", damage)
        else:
            _tell(made.executor.recover())
        server = VarlinkServer(
            listener,
            _service(made, environ),
            ends_when_idle=passed is not None,
            tick=lambda: housekeeping.tick(),
        )
        housekeeping = Housekeeping(made, path.with_name(FILE.name), notifier, server.wake)
        notes.append(housekeeping.note)
        when_asked(server.stop)
        if passed is not None:
            stay_in_memory()
        notifier.send(READY=1, STATUS="Waiting for requests.")
        server.run()
        notifier.send(STOPPING=1)
        housekeeping.close()
        if passed is None:
            path.unlink(missing_ok=True)


def _refuse(listener: socket.socket, error: JepaError, notifier: Notifier) -> None:
    """Tell the next who asks why nothing can be done, and end: for who asks after that it is tried anew."""
    from jepa.actions.actuator.server import ServerLimits, VarlinkServer
    from jepa.actions.actuator.varlink_interface import ActuatorService
    from jepa.actions.guard.caller import caller_of

    def refuse(caller: Caller, interactive: bool) -> NoReturn:
        server.stop()
        raise error

    service = ActuatorService(refuse, caller_of, _let_go)
    server = VarlinkServer(listener, service, ServerLimits(idle_s=1.0), ends_when_idle=True)
    notifier.send(READY=1, STATUS=error.problem)
    server.run()


def _service(made: "ActionEngine", environ: Mapping[str, str]) -> "Service":
    from jepa.actions.actuator.local import LocalActuator
    from jepa.actions.actuator.polkit import BUS, Polkit
    from jepa.actions.actuator.varlink_interface import ActuatorService
    from jepa.actions.guard.caller import caller_of

    polkit = Polkit(environ.get("DBUS_SYSTEM_BUS_ADDRESS") or BUS)

    def acts_for(caller: Caller, interactive: bool) -> LocalActuator:
        def permission(caller: Caller, action: str, message: str) -> None:
            polkit.require(caller, action, message, interactive)

        # polkit is not asked about root, and to judge twice, as before a password, takes twice as long.
        return LocalActuator(made, caller, None if caller.uid == 0 else permission)

    return ActuatorService(acts_for, caller_of, _let_go)


def passed_socket(environ: Mapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket that the service manager passed to this process; None when there is none."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS") != "1":
        return None
    os.set_inheritable(_FIRST_PASSED, False)
    return socket.socket(fileno=_FIRST_PASSED)


def stay_in_memory() -> bool:
    """Keep what this process uses in memory: it must answer when there is none left. Whether that worked."""
    import ctypes

    return bool(ctypes.CDLL(None).mlockall(_LOCKED) == 0)


def _log_by_priority(environ: Mapping[str, str]) -> None:
    """Have journald know what is an error, by the numbers of sd-daemon(3) before each line."""
    if "JOURNAL_STREAM" in environ:
        logging.addLevelName(logging.WARNING, "<4>")
        logging.addLevelName(logging.ERROR, "<3>")
        logging.basicConfig(format="%(levelname)s%(message)s")


def _let_go(caller: Caller) -> None:
    if caller.pidfd is not None:
        os.close(caller.pidfd)


def _expire(change: str) -> None:
    """By the daemon, which has the journal open; by this process when nobody answers."""
    from jepa.actions.actuator.connect import socket_path
    from jepa.actions.actuator.remote import RemoteActuator

    with closing(RemoteActuator(socket_path())) as actuator:
        try:
            print(f"jepa-actuator: {_line(actuator.expire(change))}")
            return
        except JepaError as error:
            if error.status != 503 or not isinstance(error.__cause__, OSError):
                raise  # it is there, and cannot do it now
    from jepa.actions.actuator.assembly import engine, state_directory

    with closing(engine(state_directory())) as made:
        print(f"jepa-actuator: {_line(made.executor.expire(change))}")


def _recover() -> int:
    """1 when something could not be taken back."""
    from jepa.actions.actuator.assembly import engine, state_directory
    from jepa.actions.journal import files, load

    directory = state_directory()
    if not files(directory) or not any(each.in_force for each in load(directory).changes.values()):
        return 0
    with closing(engine(directory)) as made:
        return 1 if _tell(made.executor.recover()) else 0


def _set_aside() -> None:
    from jepa.actions.actuator.assembly import state_directory
    from jepa.actions.journal import set_aside

    for change in set_aside(state_directory()):
        print(f"jepa-actuator: still in force, and taken back by nobody: {_line(change)}")


def _tell(recovered: "Recovered") -> bool:
    """Write what a recovery did to the log; whether it left something."""
    for change in recovered.ended:
        print(f"jepa-actuator: {_line(change)}", file=sys.stderr, flush=True)
    for problem in recovered.problems:
        print(f"jepa-actuator: {problem}", file=sys.stderr, flush=True)
    return bool(recovered.problems)


def _line(change: Change) -> str:
    target = f" of {change.target}" if change.target else ""
    return f"{change.id}: {change.action}{target} is {change.state}: {change.detail}".rstrip(": ")


if __name__ == "__main__":
    sys.exit(main())
