# SPDX-License-Identifier: Apache-2.0
"""What families of settings in /sys share: a setting is one file, or the like files of several devices."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jepa.actions import kernel_file, mixed
from jepa.actions.catalogue import ActionType, TargetKind, Value, ValueType
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError


@dataclass(frozen=True, slots=True)
class Attribute:
    """Where the kernel keeps a setting."""

    pattern: str
    """Of the files, below the root, as ``Path.glob`` takes it."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What a value is called in the file, where that is not its own name: ``{"on": "Y"}``."""
    choices: str = ""
    """The file beside it that lists what it takes; empty where it does so, ``a [b] c``, or none does."""

    def files(self, host: Host) -> dict[str, Path]:
        """The files by the names of their devices; empty where this machine has none."""
        found = sorted(host.root.glob(self.pattern), key=lambda file: _natural(file.parent.name))
        return {file.parent.name: file for file in found}

    def read(self, file: Path, name: str) -> str:
        """The value in force, as people call it."""
        text = kernel_file.read(file, name)
        marked = re.search(r"\[(\S+)\]", text)
        text = marked[1] if marked else text
        return next((word for word, written in self.words.items() if written == text), text)

    def write(self, file: Path, value: str, name: str) -> None:
        """Put ``value`` in force."""
        kernel_file.write(file, self.words.get(value, value), name)

    def offered(self, file: Path) -> set[str] | None:
        """What it takes; None where the kernel does not say."""
        try:
            text = (file.with_name(self.choices) if self.choices else file).read_text()
        except OSError:
            return None
        return set(text.replace("[", "").replace("]", "").split()) if self.choices or "[" in text else None


class AttributeFamily:
    """A ``Family``, ``Stepwise``, whose settings are the machine's and lie in files of /sys."""

    attributes: ClassVar[Mapping[str, Attribute]]
    """By setting. Where a setting has several attributes by driver, ``attribute`` chooses."""

    def attribute(self, host: Host, setting: str) -> Attribute:
        """Where ``setting`` is on this machine."""
        return self.attributes[setting]

    def absent(self, host: Host, action: ActionType) -> str:
        """Why the files of ``action`` are not there, in one sentence."""
        return f"This kernel has no {action.setting}."

    def missing(self, host: Host, action: ActionType) -> str | None:
        """No such files, none of the choices offered, or not to be written here."""
        attribute = self.attribute(host, action.setting)
        files = attribute.files(host)
        if not files:
            return self.absent(host, action)
        for file in files.values():
            offered = attribute.offered(file)
            if offered is not None and action.choices and not offered & set(action.choices):
                return f"The driver offers nothing but {', '.join(sorted(offered))} for {action.name}."
            if (reason := kernel_file.missing(file, action.name)) is not None:
                return reason
        return None

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The machine's own."""
        if target:
            raise JepaError(
                f"{action.name} is a setting of the machine and takes no target.",
                f"For instance `{action.example}`.",
                status=422,
            )
        if not self.attribute(host, action.setting).files(host):
            raise JepaError(
                self.absent(host, action), "`jepa actions` shows what can be set here.", status=404
            )
        return Resource(TargetKind.MACHINE, "", action.setting)

    def read(self, host: Host, resource: Resource) -> Value:
        """What all the devices have, or what most have and then those that differ."""
        values = {name: _value(text) for name, _, text in self._each(host, resource)}
        if not values:
            raise JepaError(f"{resource.setting} is gone.", "Its driver was unloaded.", status=409)
        return mixed.encode(values)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """What every device offers. JepaError (422) when it cannot be set here at all."""
        if reason := self.missing(host, action):
            raise JepaError(reason, "`jepa actions` shows what can be set here.", status=422)
        if action.type is ValueType.CHOICE:
            attribute = self.attribute(host, resource.setting)
            for file in attribute.files(host).values():
                offered = attribute.offered(file)
                if offered is not None and value not in offered:
                    raise JepaError(
                        f"The driver does not offer {value} for {action.name}.",
                        f"It offers: {', '.join(sorted(offered))}.",
                        status=422,
                    )
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """To each device, or to none when one refuses."""
        before = list(self._each(host, resource))
        if not before:
            raise JepaError(f"{resource.setting} is gone.", "Its driver was unloaded.", status=409)
        attribute, wanted = self.attribute(host, resource.setting), mixed.decode(value)
        done: list[tuple[Path, str]] = []
        try:
            for name, file, found in before:
                if found != mixed.of(wanted, name):
                    attribute.write(file, mixed.of(wanted, name), resource.setting)
                    done.append((file, found))
        except JepaError:
            for file, found in reversed(done):
                attribute.write(file, found, resource.setting)
            raise

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read each back."""
        wanted = mixed.decode(value)
        for name, file, found in self._each(host, resource):
            if found != mixed.of(wanted, name):
                raise JepaError(
                    f"{resource.setting} is {found} in {file}, not {mixed.of(wanted, name)} as set.",
                    "The driver or another program decides.",
                )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Write to each what it was; to one that came meanwhile, what most had."""
        self.apply(host, resource, old)

    def is_mixture(self, found: Value, old: Value, new: Value) -> bool:
        """Whether each device has what it had or what it was to get."""
        return mixed.is_mixture(found, old, new)

    def _each(self, host: Host, resource: Resource) -> Iterator[tuple[str, Path, str]]:
        attribute = self.attribute(host, resource.setting)
        for name, file in attribute.files(host).items():
            yield name, file, attribute.read(file, resource.setting)


def _value(text: str) -> Value:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else text


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``policy10`` after ``policy9``."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", name)]
