# SPDX-License-Identifier: Apache-2.0
"""File systems to which the kernel no longer writes."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation


class FileSystemFailed:
    """A file system that stopped to protect what is on it: only checked and mounted anew it works again."""

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """Those with errors and the services that they are a part of; without one a person is needed."""
        for mount, broken in observation.broken.items():
            yield Finding(
                Fault.FILE_SYSTEM_FAILED,
                mount,
                f"{mount} takes no more writes ({broken.why})",
                tuple(RepairTarget(name) for name in broken.owners),
            )
