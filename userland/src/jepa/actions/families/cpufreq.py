# SPDX-License-Identifier: Apache-2.0
"""How fast the CPUs run: governor, energy preference, boost; and the profile of the machine's firmware."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from jepa.actions.attributes import Attribute, AttributeFamily
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

_POLICIES: Final = "sys/devices/system/cpu/cpufreq/policy*"
_GOVERNOR: Final = Attribute(f"{_POLICIES}/scaling_governor", choices="scaling_available_governors")
_EPP: Final = Attribute(
    f"{_POLICIES}/energy_performance_preference", choices="energy_performance_available_preferences"
)
_BOOST: Final = Attribute("sys/devices/system/cpu/cpufreq/boost", words={"on": "1", "off": "0"})
_NO_TURBO: Final = Attribute("sys/devices/system/cpu/intel_pstate/no_turbo", words={"on": "0", "off": "1"})
_EMULATORS: Final = {
    "proc/cpuinfo": " hypervisor",
    "sys/class/dmi/id/sys_vendor": "^(QEMU|KVM|VMware|Parallels)",
    "proc/device-tree/compatible": "^linux,dummy-virt",
}
"""What a file has in it on a virtual machine."""


class Cpufreq(AttributeFamily):
    """A ``Family``. One value for all CPUs, which each goes back to what it had."""

    attributes: ClassVar[Mapping[str, Attribute]] = {
        "cpu.governor": _GOVERNOR,
        "cpu.epp": _EPP,
        "cpu.boost": _BOOST,
        "platform.profile": Attribute(
            "sys/firmware/acpi/platform_profile", choices="platform_profile_choices"
        ),
    }

    def attribute(self, host: Host, setting: str) -> Attribute:
        """intel_pstate has a switch of its own for boost, the other way round."""
        if setting == "cpu.boost" and _NO_TURBO.files(host):
            return _NO_TURBO
        return super().attribute(host, setting)

    def absent(self, host: Host, action: ActionType) -> str:
        """Most often it is a virtual machine."""
        if action.name == "platform.profile":
            return "This machine's firmware has no power profiles that Linux knows."
        if not any(host.root.glob(_POLICIES)):
            cause = "it is a virtual machine" if _virtual(host) else "the kernel has no driver for it"
            return f"The frequency of the CPUs cannot be set from here: {cause}."
        if action.name == "cpu.epp":
            return "The CPUs take no energy preference: cpu.governor decides here."
        return "The CPUs have no boost that could be switched."

    def missing(self, host: Host, action: ActionType) -> str | None:
        """Where the hardware chooses the frequency, the governor would change cpu.epp too."""
        if action.name == "cpu.governor" and _EPP.files(host):
            return "The CPUs choose their frequency themselves: set what they weigh with cpu.epp."
        return super().missing(host, action)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Refuses what the driver would not keep, or what could not be taken back."""
        value = super().check(host, action, resource, value)
        if action.name == "cpu.epp" and any(
            _GOVERNOR.read(file, "cpu.governor") == "performance" for file in _GOVERNOR.files(host).values()
        ):
            raise JepaError(
                "The governor `performance` holds the energy preference at performance.",
                "Choose the governor `powersave` first, which lets the CPUs weigh.",
                status=409,
            )
        if action.name == "platform.profile" and self.read(host, resource) == "custom":
            raise JepaError(
                "The firmware's profile is `custom`, which could not be taken back to.",
                "Choose a profile by hand once.",
                status=409,
            )
        return value


def _virtual(host: Host) -> bool:
    """An x86 CPU says so itself; elsewhere the firmware's tables, or its device tree, name an emulator."""
    return any(re.search(said, _text(host.root / place)) for place, said in _EMULATORS.items())


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
