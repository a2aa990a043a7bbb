# SPDX-License-Identifier: Apache-2.0
"""`jepa policy`: the rules by which changes are allowed, asked about or refused; a check of a new file."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any

from jepa.actions import summary
from jepa.actions.guard import policy
from jepa.actions.guard.policy import Policy
from jepa.actions.guard.rules import Rule
from jepa.errors import JepaError
from jepa.shell.request import Request

_ABOUT = ("id", "effect", "reason", "source", "final", "ask")
"""Fields of a rule that are no conditions."""


def run(request: Request) -> int:
    """Show the rules, or check a file."""
    out = request.out
    if request.args.action == "check":
        path = request.args.file
        found = _read(lambda: policy.check(path), str(path))
        if out.json:
            out.data({"file": str(path), "rules": len(found.rules)})
        else:
            out.line(f"{path} is right: {len(found.rules)} rules would be in force.")
        return 0
    found = _read(policy.load)
    if out.json:
        out.data(_as_data(found))
        return 0
    for rule in found.rules:
        word = "ask" if rule.ask else rule.effect
        out.line(f"{rule.id}: {word} {_conditions(rule)}".rstrip())
        out.line(f"  {rule.reason} ({rule.source}{', final' if rule.final else ''})")
    out.line()
    for name, value in asdict(found.limits).items():
        out.line(f"  {name:<28}  {value}")
    for name, patterns in asdict(found.protected).items():
        if patterns:
            out.line(f"  protected {name:<18}  {', '.join(patterns)}")
    if found.ignored_tuners:
        out.line(f"  {'ignored tuners':<28}  {', '.join(found.ignored_tuners)}")
    published = summary.read(summary.FILE)
    if published is not None and published.policy_fault:
        out.line()
        out.line(f"Not in force: {published.policy_fault}")
    return 0


def _read(load: Callable[[], Policy], name: str = "") -> Policy:
    """``name`` is that of a file which is read as if it were /etc/jepa/policy.toml."""
    try:
        return load()
    except ValueError as error:
        said = str(error)
        if name and said.startswith(f"/{policy.OWN}:"):
            said = f"{name}{said.removeprefix(f'/{policy.OWN}')}"
        raise JepaError(
            f"{said}.", "Correct the file: docs/how-to/write-a-policy.md.", status=422
        ) from error
    except OSError as error:
        raise JepaError(
            f"{error.filename} cannot be read: {error.strerror}.", "Name another file.", status=404
        ) from error


def _given(rule: Rule) -> Iterator[tuple[str, Any]]:
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name not in _ABOUT and value not in (None, "", (), False):
            yield field.name, value


def _conditions(rule: Rule) -> str:
    return ", ".join(f"{name} {_words(value)}" for name, value in _given(rule))


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _as_data(found: Policy) -> dict[str, Any]:
    rules = [
        {
            **{name: getattr(rule, name) for name in _ABOUT},
            "conditions": {
                name: list(map(str, value)) if isinstance(value, tuple) else value
                for name, value in _given(rule)
            },
        }
        for rule in found.rules
    ]
    return {
        "rules": rules,
        "budget": asdict(found.limits),
        "protect": {name: list(patterns) for name, patterns in asdict(found.protected).items()},
        "ignored_tuners": list(found.ignored_tuners),
        "sources": list(found.sources),
    }
