# SPDX-License-Identifier: Apache-2.0
"""How far healing may go by itself: off, advise, ask or auto, kept in ``/etc/jepa/healing.toml``."""

from pathlib import Path
from typing import Final, Literal, cast, get_args

from jepa.durable import replace_file
from jepa.errors import JepaError

Mode = Literal["off", "advise", "ask", "auto"]
MODES: Final[tuple[str, ...]] = get_args(Mode)
DEFAULT: Final[Mode] = "advise"
FILE: Final = Path("/etc/jepa/healing.toml")


class ModeFile:
    """The mode in ``path``; ``advise`` where there is no file. Read anew when the file changes."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._mode: Mode = DEFAULT
        self.fault = ""
        """Why the file cannot be used; what was read last stays in force."""

    def __call__(self) -> Mode:
        """The mode now."""
        try:
            found = self._path.stat()
        except OSError:
            self._stamp, self._mode, self.fault = None, DEFAULT, ""
            return self._mode
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._mode, self.fault = _parse(self._path), ""
            except (OSError, ValueError) as error:
                self.fault = f"{self._path} cannot be used: {error}. {self._mode} stays in force."
        return self._mode


def write_mode(mode: Mode, path: Path = FILE) -> None:
    """Keep ``mode``. JepaError when the file cannot be written."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(path, f'# written by `jepa autonomy`; one of {", ".join(MODES)}\nmode = "{mode}"\n')
    except OSError as error:
        raise JepaError(
            f"{path} cannot be written: {error.strerror}.", "Set the autonomy as root.", status=403
        ) from error


def _parse(path: Path) -> Mode:
    import tomllib  # a hundredth of the time to the shell's first paint, which shows no mode yet

    mode = tomllib.loads(path.read_text()).get("mode", DEFAULT)
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, not one of {', '.join(MODES)}")
    return cast("Mode", mode)
