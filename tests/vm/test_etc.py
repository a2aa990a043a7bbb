# SPDX-License-Identifier: Apache-2.0
"""The first start of another version brings what that ships of /etc, and leaves what the owner changed."""

import json

import pytest

from tests.vm.updating import reboot, version
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

NOTES = "/var/lib/jepa-update/etc"
BEFORE = "0.0.9"
SHIPPED = """
mv $now $before; cd /etc
rm inputrc; sed -i '/\\tinputrc$/d' $before
echo of old >issue.net; sum=$(sha256sum <issue.net)
sed -i "s/.*\\tissue.net$/f:644:root:root:${sum%% *}\\tissue.net/" $before
sed -i 's/.*\\tissue$/f:644:root:root:other\\tissue/' $before
echo mine >issue
rm debian_version; sed -i 's/.*\\tdebian_version$/f:644:root:root:other\\tdebian_version/' $before
echo gone >gone; sum=$(sha256sum <gone); printf 'f:644:root:root:%s\\tgone\\n' "${sum%% *}" >>$before
wants=systemd/system/multi-user.target.wants
rm $wants/jepa-healing.service; sed -i '/jepa-healing.service$/d' $before
sync
"""
"""As if the version before had shipped no inputrc, nor enabled healing; another issue.net; another issue and
another debian_version, of which the owner changed one and removed the other; and something more."""
FAULT = f"rm -r {NOTES}; echo of the owner >{NOTES}; sync"


def test_what_is_shipped_comes_and_what_the_owner_changed_stays(machine: Machine) -> None:
    now = version(machine)
    assert machine.succeed(f"ls {NOTES}").split() == [now], "as shipped"
    machine.succeed(f"cmp {NOTES}/{now} /usr/share/factory/etc.list")
    machine.succeed(f"now={NOTES}/{now}; before={NOTES}/{BEFORE}; {SHIPPED}")
    reboot(machine)
    wait_until_ready(machine)
    for name in ("inputrc", "issue.net"):
        machine.succeed(f"cmp /etc/{name} /usr/share/factory/etc/{name}")
    assert machine.succeed("cat /etc/issue") == "mine\n"
    machine.fail("test -e /etc/debian_version -o -e /etc/gone")
    assert machine.succeed(f"ls {NOTES}").split() == [now]
    machine.succeed(f"cmp {NOTES}/{now} /usr/share/factory/etc.list")
    kept = f"/etc/issue stays as it is here; {now} ships another: /usr/share/factory/etc/issue"
    assert kept in machine.succeed("journalctl --boot --no-pager -o cat -u jepa-etc").splitlines()
    assert json.loads(machine.succeed("jepa update --json"))["etc"] == [kept]
    machine.wait_for_unit("jepa-healing.service", 120)  # enabled, and by that started in this very start


@pytest.mark.allow("jepa-etc", "its notes cannot be written")
@pytest.mark.allow("Bring what this version ships", "its notes cannot be written")
def test_where_it_fails_the_system_starts_all_the_same(machine: Machine) -> None:
    before = machine.succeed("ls -lAR /etc | sha256sum")
    machine.succeed(FAULT)
    reboot(machine)
    wait_until_ready(machine)
    assert machine.succeed("ls -lAR /etc | sha256sum") == before
    said = machine.succeed("journalctl --boot --no-pager -o cat -u jepa-etc")
    assert f"/etc was not made that of {version(machine)}: " in said
