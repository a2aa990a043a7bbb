# SPDX-License-Identifier: Apache-2.0
"""Brings what a version ships of /etc to a machine of another version, and keeps what its owner changed.

Each version carries /etc as it ships it (FACTORY). A machine notes what that was when it was brought here
last (the list below NOTES, named by the version). Three are compared, path by path: the list of then, what
this version ships, and what is here. What is here as it was shipped then becomes what is shipped now; what
the owner changed, added or removed stays. Going back to the version before is the same the other way round.

It runs in the initrd, before anything reads /etc, when the version is another one than was noted
(jepa-etc.service): by itself, with nothing but Python. While it is at work there is no list of a version
but a journal, so that whichever version starts after a power cut goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FACTORY: Final = "usr/share/factory/etc"
NOTES: Final = "var/lib/jepa-update/etc"
KEPT: Final = "var/lib/jepa-update/etc-kept"
"""A sentence for each thing that stayed as its owner made it, when this was done last."""
OF_THE_MACHINE: Final = frozenset(
    {
        *(f"{name}{end}" for name in ("group", "gshadow", "passwd", "shadow", "subgid", "subuid")
          for end in ("", "-")),
        *(".pwd.lock", ".updated", "ld.so.cache", "machine-id"),
    }
)  # fmt: skip
"""What each machine has of its own: systemd-sysusers adds users and groups that a version brings, ldconfig
makes the cache."""
JOURNAL: Final = ".unfinished"
_NEW: Final = ".jepa-new"
"""The end of a name while what has it is made."""

Listing = Mapping[str, str]
"""By its path below /etc, what each thing is in one word: kind, mode, owner, and sum or target."""


@dataclass(frozen=True, slots=True)
class EtcMerge:
    """What is to be done with which paths, each in an order that can be followed."""

    put: tuple[str, ...]
    """As shipped: new, or in the place of what was shipped before."""
    remove: tuple[str, ...]
    """No longer shipped."""
    kept: tuple[str, ...]
    """Shipped otherwise than before, but the owner has changed it: it stays."""
    barred: tuple[str, ...]
    """New, but the owner has no directory where it belongs."""


@dataclass(frozen=True, slots=True)
class EtcPast:
    """What was shipped when this was done last, and how far it went since."""

    then: Listing
    shipped: Listing = field(default_factory=dict)
    """What a cut run was to bring."""
    touched: frozenset[str] = frozenset()
    """The paths that it was to put or remove."""

    def made_good(self, here: Listing) -> Listing:
        """``then``, with what the cut run left ``here`` at the paths that it touched.

        That is as the one or the other version ships it, or not there: no owner's change, as nobody else was
        there to change it. A directory may have the mode of neither.
        """
        found = dict(self.then)
        for path in self.touched:
            then, shipped, left = self.then.get(path), self.shipped.get(path), here.get(path)
            if left is None:
                found.pop(path, None)
            elif left in (then, shipped) or all(
                (each or "").startswith("d:") for each in (then, shipped, left)
            ):
                found[path] = left
        return found


def plan(then: Listing, shipped: Listing, here: Listing) -> EtcMerge:
    """What makes ``here``, once shipped as ``then``, into what is ``shipped`` but for the owner's changes.

    Where nothing is known of ``then``, only what is not here is put there: all else may be the owner's.
    """
    put: list[str] = []
    kept: list[str] = []
    barred: list[str] = []
    directories = {"", *(path for path, what in here.items() if what.startswith("d:"))}
    for path, wanted in sorted(shipped.items()):  # so that a directory comes before what is in it
        found, before = here.get(path), then.get(path)
        if wanted in (found, before):
            continue
        if found != before:
            if found is not None:
                kept.append(path)
        elif path.rpartition("/")[0] not in directories:
            barred.append(path)
        else:
            put.append(path)
            (directories.add if wanted.startswith("d:") else directories.discard)(path)
    gone = [path for path, before in then.items() if path not in shipped and here.get(path) == before]
    return EtcMerge(tuple(put), tuple(sorted(gone, reverse=True)), tuple(kept), tuple(barred))


class EtcOwners:
    """The users and groups of the machine whose /etc is ``tree``."""

    def __init__(self, tree: Path) -> None:
        self._users, self._groups = _numbers(tree / "passwd"), _numbers(tree / "group")

    def of(self, about: os.stat_result) -> tuple[str, str]:
        """The names of a file's user and group, or their numbers where they have none."""
        user = self._users.get(about.st_uid, str(about.st_uid))
        return user, self._groups.get(about.st_gid, str(about.st_gid))

    def numbers(self, user: str, group: str) -> tuple[int, int]:
        """Their numbers here, root's where there is none of that name: its number may be another's."""
        users = {name: number for number, name in self._users.items()}
        groups = {name: number for number, name in self._groups.items()}
        return users.get(user, 0), groups.get(group, 0)


def _numbers(path: Path) -> dict[int, str]:
    """The names that a file such as passwd has for numbers; the first where there are more."""
    found = {0: "root"}
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            words = line.split(":")
            if len(words) > 2 and words[2].isdecimal():
                found.setdefault(int(words[2]), words[0])
    return found


def listing(tree: Path) -> dict[str, str]:
    """What is below ``tree``, but for what is each machine's own. OSError where it cannot be read."""
    names = EtcOwners(tree)
    return {path: _word(tree / path, names) for path in _paths(tree, "")}


def looked_up(tree: Path, paths: Iterable[str]) -> dict[str, str]:
    """What is at those of ``paths`` that are below ``tree``; where it cannot be read, the owner's."""
    names = EtcOwners(tree)
    found: dict[str, str] = {}
    for path in sorted(paths):
        parent = path.rpartition("/")[0]
        if parent and not found.get(parent, "").startswith("d:"):
            continue  # a link to a directory elsewhere is none
        try:
            found[path] = _word(tree / path, names)
        except FileNotFoundError:
            continue
        except OSError:
            found[path] = "?"
    return found


def _paths(tree: Path, below: str) -> Iterator[str]:
    for each in (tree / below).iterdir():
        path = f"{below}{each.name}"
        if path in OF_THE_MACHINE or each.name.endswith(_NEW):
            continue
        yield path
        if _is_directory(each):
            yield from _paths(tree, f"{path}/")


def _word(path: Path, names: EtcOwners) -> str:
    about = path.lstat()
    held = f"{stat.S_IMODE(about.st_mode):o}:{':'.join(names.of(about))}"
    if stat.S_ISLNK(about.st_mode):
        return f"l:{path.readlink()}"
    if stat.S_ISDIR(about.st_mode):
        return f"d:{held}"
    if not stat.S_ISREG(about.st_mode):
        return "?"
    with path.open("rb") as file:
        return f"f:{held}:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def as_text(found: Listing) -> str:
    """A listing, to be kept: a line for each path."""
    return "".join(f"{what}\t{path}\n" for path, what in sorted(found.items()))


def as_listing(text: str) -> dict[str, str]:
    """What ``as_text`` kept. ValueError where it is none."""
    pairs = (line.split("\t") for line in text.splitlines())
    return {path: what for what, path in pairs}


def bring(root: Path, version: str, say: Callable[[str], None]) -> None:
    """Bring what ``version`` ships to /etc below ``root``, and note it; what a cut left is made good.

    ``say`` is given a sentence for each thing that stays as it is. OSError where nothing can be written.
    """
    factory, etc, notes = root / FACTORY, root / "etc", root / NOTES
    notes.mkdir(parents=True, exist_ok=True)
    past = _noted(notes)
    for path in past.touched:
        _clear(etc / f"{path}{_NEW}")
    shipped = listing(factory)
    here = looked_up(etc, {*shipped, *past.then, *past.shipped})
    then = past.made_good(here)
    found = plan(then, shipped, here)
    if found.put or found.remove:
        _begin(notes, then, shipped, [*found.put, *found.remove])
    said = _carry_out(found, factory, etc, version)
    _write(root / KEPT, "".join(f"{line}\n" for line in said).encode())
    os.sync()
    _write(notes / version, as_text(shipped).encode())
    for other in notes.iterdir():
        if other.name != version:
            other.unlink()
    for line in said:
        say(line)
    say(f"/etc is that of {version}: {len(found.put)} put in place, {len(found.remove)} removed.")


def _carry_out(found: EtcMerge, factory: Path, etc: Path, version: str) -> list[str]:
    """Do what was found; returns a sentence for each thing that is not as ``version`` ships it."""
    said = []
    for path in found.remove:
        with suppress(OSError):  # a directory that the owner has put something into stays
            _remove(etc / path)
    theirs, ours = EtcOwners(factory), EtcOwners(etc)
    for path in found.put:
        try:
            owner = ours.numbers(*theirs.of((factory / path).lstat()))
            _put(factory / path, etc / path, owner)
        except OSError as error:
            said.append(f"/etc/{path} of {version} was not put in place: {error.strerror or error}.")
    for path in found.kept:
        said.append(f"/etc/{path} stays as it is here; {version} ships another: /{FACTORY}/{path}")
    for path in found.barred:
        place = path.rpartition("/")[0]
        said.append(f"/etc/{path} of {version} was not put in place: /etc/{place} is no directory here.")
    return said


def _begin(notes: Path, then: Listing, shipped: Listing, touched: list[str]) -> None:
    """Have what a cut would leave to be made good in the journal, and no list of a version any more.

    So each version that starts next comes here again, also that of the list.
    """
    journal = json.dumps({"then": then, "shipped": shipped, "touched": touched})
    _write(notes / JOURNAL, journal.encode())
    for other in notes.iterdir():
        if other.name != JOURNAL:
            other.unlink()
    _flush(notes)


def _noted(notes: Path) -> EtcPast:
    """What was brought last, as far as is known. A list is of a run that ended, or changed nothing yet."""
    lists = [path for path in notes.iterdir() if path.name != JOURNAL and not path.name.endswith(_NEW)]
    for path in lists:
        with suppress(OSError, ValueError):
            return EtcPast(as_listing(path.read_text()))
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads((notes / JOURNAL).read_text())
        return EtcPast(dict(found["then"]), dict(found["shipped"]), frozenset(found["touched"]))
    return EtcPast({})


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_directory(path):
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Have nothing at ``path``, which is a name of ours."""
    with suppress(OSError):
        _remove(path)


def _put(source: Path, target: Path, owner: tuple[int, int]) -> None:
    """Have at ``target`` what ``source`` is, and at no moment a part of a file."""
    about = source.lstat()
    directory = stat.S_ISDIR(about.st_mode)
    if directory and _is_directory(target):
        os.chown(target, *owner)
        target.chmod(stat.S_IMODE(about.st_mode))
        return
    new = target.with_name(f"{target.name}{_NEW}")
    _clear(new)
    if directory:
        new.mkdir()
    else:
        shutil.copy2(source, new, follow_symlinks=False)
    os.chown(new, *owner, follow_symlinks=False)
    if not stat.S_ISLNK(about.st_mode):
        new.chmod(stat.S_IMODE(about.st_mode))  # which another owner may have taken bits from
        _flush(new)
    try:
        if directory != _is_directory(target):
            _remove(target)
        new.replace(target)
    except OSError:  # as where the owner has put something into a directory that is to be a file
        _clear(new)
        raise


def _write(path: Path, content: bytes) -> None:
    """Have ``content`` at ``path``, on the disk, and never a part of it."""
    new = path.with_name(f"{path.name}{_NEW}")
    new.write_bytes(content)
    _flush(new)
    new.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def main(words: list[str]) -> int:
    """Print what is below a directory (``list DIRECTORY``), or bring what is shipped (``bring VERSION``)."""
    match words:
        case ["list", tree]:
            sys.stdout.write(as_text(listing(Path(tree))))
        case ["bring", version]:
            try:
                bring(Path("/"), version, print)
            except OSError as error:
                print(f"/etc was not made that of {version}: {error}. The next start tries again.")
                return 1
        case _:
            print("usage: etc.py list DIRECTORY | bring VERSION", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
