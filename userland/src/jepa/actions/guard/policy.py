# SPDX-License-Identifier: Apache-2.0
"""The policy: rules, budgets and protected names of the packaged file and of those that a person adds.

Files in /etc add rules in any order with the same result: none can change or hide another's. What they may
take away is a packaged rule, by ``disable``, and not one that is marked ``final``.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from jepa.actions.guard.protected import Named
from jepa.actions.guard.rules import Effect, JudgedProposal, Rule, parse
from jepa.actions.messages import Verdict

PACKAGED: Final = Path("usr/lib/jepa/policy.toml")
OWN: Final = Path("etc/jepa/policy.toml")
OWN_FOLDER: Final = Path("etc/jepa/policy.d")
_LARGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be changed in how short a time: by each user, and by all daemons together."""

    actions_per_hour: int = 240
    autonomous_actions_per_hour: int = 60
    autonomous_reverts: int = 3
    """So many changes of a daemon that did not last, within ``breaker_s``, and it makes no more."""
    breaker_s: int = 3600
    reversals_per_hour: int = 4
    """How often a daemon may change one setting back to a value that it had within the hour."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All files together, as they are in force."""

    rules: tuple[Rule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    protected: Named = field(default_factory=Named)
    ignored_tuners: tuple[str, ...] = ()
    """Other programs that the guard does not yield to; ``*`` for none at all."""
    sources: tuple[str, ...] = ()

    def decide(self, question: JudgedProposal) -> Verdict:
        """Forbidden by a rule: deny. Else permitted: allow, or ask if all that permit ask. Else deny."""
        held = [rule for rule in self.rules if rule.holds(question)]
        if forbidding := [rule.said for rule in held if rule.effect == "forbid"]:
            return Verdict("deny", tuple(forbidding))
        plain = [rule.said for rule in held if not rule.ask]
        if plain:
            return Verdict("allow", tuple(plain))
        if held:
            return Verdict("ask", tuple(rule.said for rule in held))
        return Verdict("deny", (f"No rule permits {question.action} for you.",))

    def forbidden(self, question: JudgedProposal) -> tuple[str, ...]:
        """The reasons of all rules that forbid it."""
        return tuple(rule.said for rule in self.rules if rule.effect == "forbid" and rule.holds(question))


def load(root: Path = Path("/")) -> Policy:
    """The policy in the files below ``root``. ValueError names the file that is wrong, and why; OSError."""
    return compose(read(root))


def read(root: Path) -> list[tuple[str, str]]:
    """Names and contents of the policy files below ``root``. ValueError, OSError."""
    return [(name, _text(path, _trusted(name))) for name, path in files(root).items()]


def files(root: Path) -> dict[str, Path]:
    """Policy files by their names, the packaged one first. Raises OSError."""
    packaged = root / PACKAGED
    found = {f"/{PACKAGED}": packaged if packaged.exists() else Path(__file__).with_name("policy.toml")}
    if (root / OWN).exists():
        found[f"/{OWN}"] = root / OWN
    folder = root / OWN_FOLDER
    if folder.is_dir():
        own = sorted(each.name for each in folder.iterdir() if each.suffix == ".toml")
        found |= {f"/{OWN_FOLDER / name}": folder / name for name in own}
    return found


def check(path: Path, root: Path = Path("/")) -> Policy:
    """The policy with ``path`` among its files: in its own place, or in that of /etc/jepa/policy.toml.

    ValueError says what is wrong with it; OSError.
    """
    there = files(root)
    own = next((name for name, each in there.items() if each.resolve() == path.resolve()), f"/{OWN}")
    return compose([(name, _text(each, _trusted(name))) for name, each in {**there, own: path}.items()])


def compose(texts: Sequence[tuple[str, str]]) -> Policy:
    """The policy that files of these names and contents make. ValueError names the file, and why."""
    rules: dict[str, Rule] = {}
    disabled: dict[str, str] = {}
    limits: dict[str, int] = {}
    own_limits: dict[str, int] = {}
    protected: dict[str, list[str]] = {each.name: [] for each in fields(Named)}
    ignored: set[str] = set()
    for name, text in texts:
        content = _parsed(name, text)
        packaged = name == f"/{PACKAGED}"
        for effect in ("permit", "forbid"):
            for rule in _rules(content, name, effect, packaged):
                if rule.id in rules:
                    raise ValueError(f"{name}: rule {rule.id} is in {rules[rule.id].source} already")
                rules[rule.id] = rule
        for rule_id in _texts(content, "disable", name):
            disabled[rule_id] = name
        for key, value in _numbers(_table(content, "budget", name), name).items():
            if packaged:
                limits[key] = value
            else:  # of several files the strictest counts, whatever their order
                own_limits[key] = min(value, own_limits.get(key, value))
        for key, patterns in _table(content, "protect", name).items():
            if key not in protected:
                raise ValueError(f"{name}: [protect] knows {', '.join(protected)}, not {key!r}")
            protected[key] += _texts({key: patterns}, key, name)
        ignored |= set(_texts(_table(content, "tuners", name), "ignore", name))
    for rule_id, name in disabled.items():
        _may_disable(rules, rule_id, name)
    return Policy(
        rules=tuple(rule for rule in rules.values() if rule.id not in disabled),
        limits=Limits(**{**limits, **own_limits}),
        protected=Named(**{key: tuple(sorted(set(value))) for key, value in protected.items()}),
        ignored_tuners=tuple(sorted(ignored)),
        sources=tuple(name for name, _ in texts),
    )


def _may_disable(rules: Mapping[str, Rule], rule_id: str, name: str) -> None:
    rule = rules.get(rule_id)
    if rule is None:
        raise ValueError(f"{name}: there is no rule {rule_id} to disable")
    if rule.source != f"/{PACKAGED}":
        raise ValueError(f"{name}: only packaged rules can be disabled; {rule_id} is in {rule.source}")
    if rule.final:
        raise ValueError(f"{name}: rule {rule_id} is final: {rule.reason}")


def _parsed(name: str, text: str) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{name}: {str(error) or 'nested too deeply'}") from None
    known = {"permit", "forbid", "disable", "budget", "protect", "tuners"}
    if unknown := content.keys() - known:
        raise ValueError(f"{name}: there is no section {sorted(unknown)[0]!r}")
    return content


def _rules(content: Mapping[str, Any], name: str, effect: Effect, packaged: bool) -> list[Rule]:
    entries = content.get(effect, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ValueError(f"{name}: rules are written as [[{effect}]]")
    found = [parse(effect, each, name) for each in entries]
    if not packaged and any(rule.final for rule in found):
        raise ValueError(f"{name}: only packaged rules are final; no file can disable yours in any case")
    return found


def _table(content: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name}: {key} is written as [{key}]")
    return table


def _texts(content: Mapping[str, Any], key: str, name: str) -> list[str]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f"{name}: {key} is a list of texts")
    return value


def _numbers(table: Mapping[str, Any], name: str) -> dict[str, int]:
    known = {each.name for each in fields(Limits)}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{name}: [budget] knows {', '.join(sorted(known))}, not {key!r}")
        if type(value) is not int or not 0 <= value <= 1_000_000:
            raise ValueError(f"{name}: {key} is a number of 0 to 1000000")
    return dict(table)


def _trusted(name: str) -> bool:
    """Whether a file came with the programs: whoever could write it could write those."""
    return name == f"/{PACKAGED}"


def _text(path: Path, trusted: bool) -> str:
    """The content of a policy file. ValueError when others than the administrator could write it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:  # noqa: PTH123
        state = os.fstat(fd)
        if not trusted and (state.st_uid not in (0, os.geteuid()) or state.st_mode & 0o022):
            raise ValueError(f"{path}: others than root may write it; `chown root` and `chmod go-w` it")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{path}: larger than 1 MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no UTF-8 at byte {error.start}") from None
