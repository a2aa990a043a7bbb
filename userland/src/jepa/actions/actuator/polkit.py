# SPDX-License-Identifier: Apache-2.0
"""Asks polkit whether a person may: about the process that the kernel named, never about a bare PID.

https://www.freedesktop.org/software/polkit/docs/latest/eggdbus-interface-org.freedesktop.PolicyKit1.Authority.html
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.actions.catalogue import Tier
from jepa.actions.change import Caller
from jepa.errors import JepaError

TIERS: Final = {
    Tier.TUNE: "org.jepa.tune",
    Tier.DISRUPT: "org.jepa.disrupt",
    Tier.IRREVERSIBLE: "org.jepa.irreversible",
}
GRANT: Final = "org.jepa.grant"
BUS: Final = "unix:path=/run/dbus/system_bus_socket"
_ANSWER_S: Final = 30.0
"""polkit may have to be started first."""
_PERSON_S: Final = 300.0
"""For somebody to type a password."""
_INTERACTIVE: Final = 1
_NAME: Final = "org.freedesktop.PolicyKit1"


@dataclass(frozen=True, slots=True)
class Polkit:
    """The authority on the system's message bus."""

    bus: str = BUS
    root: Path = Path("/")

    def require(self, caller: Caller, action: str, message: str, interactive: bool) -> None:
        """Return if ``caller`` may do ``action``; root may. ``message`` is what a password is asked for.

        JepaError: they may not (403), or polkit does not answer (503).
        """
        if caller.uid == 0:
            return
        allowed, challenge = self._ask(caller, action, message, interactive)
        if allowed:
            return
        if challenge:
            remedy = (
                "Authenticate when asked to."
                if interactive
                else "Ask again from a terminal, where a password can be given, or as root."
            )
            raise JepaError("This takes the password of an administrator.", remedy, status=403)
        raise JepaError(
            f"polkit does not allow {action} to user {caller.uid}.",
            "Ask as root, or have the administrator allow it: see polkit(8).",
            status=403,
        )

    def _ask(self, caller: Caller, action: str, message: str, interactive: bool) -> tuple[bool, bool]:
        """Whether it is allowed, and else whether a password would do."""
        from jeepney import DBusAddress, DBusErrorResponse, new_method_call
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import unwrap_msg

        authority = DBusAddress(f"/{_NAME.replace('.', '/')}/Authority", _NAME, f"{_NAME}.Authority")
        body = (
            ("unix-process", self._subject(caller)),
            action,
            {"polkit.message": message} if message else {},
            _INTERACTIVE if interactive else 0,
            "",
        )
        asked = new_method_call(authority, "CheckAuthorization", "(sa{sv})sa{ss}us", body)
        try:
            with closing(open_dbus_connection(self.bus, enable_fds=True)) as connection:
                answer = connection.send_and_get_reply(
                    asked, timeout=_PERSON_S if interactive else _ANSWER_S
                )
            allowed, challenge, _ = unwrap_msg(answer)[0]
        except DBusErrorResponse as error:
            raise _unreachable(f"{error.name}: {error.data[0] if error.data else ''}") from error
        except (OSError, EOFError, ValueError) as error:
            raise _unreachable(str(error) or type(error).__name__) from error
        return bool(allowed), bool(challenge)

    def _subject(self, caller: Caller) -> dict[str, tuple[str, Any]]:
        """The process by its pidfd, which polkit takes since version 124; before, by PID and start time.

        The user is an int32: polkit passes over one that is sent unsigned, and then looks for the owner of
        whatever has the PID by then.
        """
        subject: dict[str, tuple[str, Any]] = {
            "pid": ("u", caller.pid),
            "start-time": ("t", _start_time(self.root, caller.pid)),
            "uid": ("i", caller.uid),
        }
        if caller.pidfd is not None:
            subject["pidfd"] = ("h", caller.pidfd)
        return subject


def _start_time(root: Path, pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it has ended."""
    try:
        fields = (root / "proc" / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def _unreachable(reason: str) -> JepaError:
    return JepaError(
        f"polkit, which says who may do what, does not answer: {reason.strip()[:200]}.",
        "Ask as root, or see `systemctl status polkit`.",
        status=503,
    )
