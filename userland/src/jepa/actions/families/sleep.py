# SPDX-License-Identifier: Apache-2.0
"""How the machine sleeps when it is suspended."""

from collections.abc import Mapping
from typing import ClassVar

from jepa.actions.attributes import Attribute, AttributeFamily
from jepa.actions.catalogue import ActionType
from jepa.actions.family import Host


class Sleep(AttributeFamily):
    """A ``Family``. What keeps the machine awake is a lock of logind's that ends with who holds it, and so
    none of these: `systemd-inhibit` takes one."""

    attributes: ClassVar[Mapping[str, Attribute]] = {"sleep.mode": Attribute("sys/power/mem_sleep")}

    def absent(self, host: Host, action: ActionType) -> str:
        """Without firmware support, or without suspend in the kernel."""
        return "This machine cannot be suspended."
