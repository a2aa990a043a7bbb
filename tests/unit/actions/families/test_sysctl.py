# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters are set and taken back on the running kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa.actions.catalogue import ActionType, Value, ValueType, catalogue
from jepa.actions.families import sysctl
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
from jepa.actions.values import parse
from jepa.errors import JepaError

FAMILY, HOST = Sysctl(), Host()
PARAMETERS = [action for action in catalogue().values() if action.family == "sysctl"]
SWAPPINESS = catalogue()["vm.swappiness"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set kernel parameters")


def file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


@pytest.fixture
def kept() -> Iterator[None]:
    """Puts every parameter back as it was, whatever a test leaves."""
    before = {each.name: file(each.name).read_text() for each in PARAMETERS if file(each.name).exists()}
    yield
    for name, text in before.items():
        if file(name).read_text() != text and not (name.startswith("vm.dirty") and text == "0\n"):
            file(name).write_text(text)


def others(action: ActionType, old: Value) -> Iterator[Value]:
    """Values in range that are not in force."""
    if action.type is ValueType.CHOICE:
        written: list[str] = [choice for choice in action.choices if choice != old]
    else:
        assert action.minimum is not None and action.maximum is not None
        low, high = int(action.minimum), int(action.maximum)
        written = [str(each) for each in (low, low + 1, high, (low + high) // 2) if each != old]
    for each in written:
        try:
            yield FAMILY.check(HOST, action, FAMILY.resolve(HOST, action, ""), parse(action, each))
        except JepaError as error:
            assert error.status in (409, 422)


@needs_root
@pytest.mark.parametrize("action", PARAMETERS, ids=lambda action: action.name)
def test_a_parameter_is_set_verified_and_taken_back(action: ActionType, kept: None) -> None:
    if FAMILY.missing(HOST, action):
        pytest.skip(str(FAMILY.missing(HOST, action)))
    resource = FAMILY.resolve(HOST, action, "")
    files = sorted(file(action.setting).parent.glob(f"{file(action.setting).name}*"))
    before = {path: path.read_text() for path in files}
    old = FAMILY.read(HOST, resource)
    new = next((value for value in others(action, old) if value != old), None)
    if new is None:
        pytest.skip("this kernel offers no other value")
    try:
        FAMILY.apply(HOST, resource, new)
    except JepaError as error:  # a module that this kernel lacks
        assert action.type is ValueType.CHOICE and error.status == 422
        assert FAMILY.read(HOST, resource) == old
        return
    FAMILY.verify(HOST, resource, new)
    assert FAMILY.read(HOST, resource) == new
    for _ in range(2):
        FAMILY.undo(HOST, resource, old)
        assert {path: path.read_text() for path in files} == before


@needs_root
@pytest.mark.parametrize("setting", ["vm.dirty", "vm.dirty_background"])
def test_of_a_share_and_a_size_the_one_that_was_in_force_comes_back(setting: str, kept: None) -> None:
    by_share, by_size = catalogue()[f"{setting}_ratio"], catalogue()[f"{setting}_bytes"]
    resource = FAMILY.resolve(HOST, by_share, "")
    assert resource == FAMILY.resolve(HOST, by_size, "")
    share = FAMILY.check(HOST, by_share, resource, 7)
    size = FAMILY.check(HOST, by_size, resource, 64 * 2**20)
    FAMILY.apply(HOST, resource, share)
    assert FAMILY.read(HOST, resource) == share == "7%"
    FAMILY.apply(HOST, resource, size)
    assert FAMILY.read(HOST, resource) == size == "67108864 bytes"
    assert file(f"{setting}_ratio").read_text() == "0\n"
    FAMILY.undo(HOST, resource, share)
    assert (file(f"{setting}_ratio").read_text(), file(f"{setting}_bytes").read_text()) == ("7\n", "0\n")
    FAMILY.undo(HOST, resource, size)
    assert (file(f"{setting}_ratio").read_text(), file(f"{setting}_bytes").read_text()) == (
        "0\n",
        "67108864\n",
    )
    FAMILY.apply(HOST, resource, share)


@pytest.fixture
def small(tmp_path: Path) -> Host:
    """A machine with 1 GiB of memory and one module."""
    modules = tmp_path / "lib/modules" / os.uname().release
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/ipv4/tcp_vegas.ko.xz:\n")
    for action in PARAMETERS:
        path = tmp_path / "proc/sys" / action.name.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        1048576 kB\nMemFree:          500000 kB\n")
    (tmp_path / "proc/sys/net/ipv4/tcp_available_congestion_control").write_text("reno cubic\n")
    return Host(root=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("vm.dirty_bytes", 2**30, "too much for this machine.*up to 644245094 bytes"),
        ("vm.min_free_kbytes", 2048, "too few for this machine.*4096 kB or more"),
        ("vm.min_free_kbytes", 65536, "too much for this machine.*up to 52428 kB"),
        ("net.ipv4.tcp_congestion_control", "bbr", "no congestion control bbr.*It has: reno, cubic"),
    ],
)
def test_what_this_machine_cannot_bear_is_refused(small: Host, name: str, value: Value, reason: str) -> None:
    action = catalogue()[name]
    with pytest.raises(JepaError, match=reason) as refused:
        FAMILY.check(small, action, FAMILY.resolve(small, action, ""), value)
    assert refused.value.status == 422


def test_a_module_that_is_not_loaded_yet_will_do_where_it_may_be_loaded(
    small: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctl, "effective", lambda right: True)
    modules = small.root / "lib/modules" / os.uname().release / "modules.dep"
    modules.write_text("kernel/net/ipv4/tcp_bbr.ko.xz:\n")
    action = catalogue()["net.ipv4.tcp_congestion_control"]
    assert FAMILY.check(small, action, FAMILY.resolve(small, action, ""), "bbr") == "bbr"
    modules.unlink()  # as in the actuator's sandbox
    assert FAMILY.check(small, action, FAMILY.resolve(small, action, ""), "bbr") == "bbr"
    monkeypatch.setattr(sysctl, "effective", lambda right: False)
    with pytest.raises(JepaError, match=r"bbr is not loaded.*`modprobe tcp_bbr`") as refused:
        FAMILY.check(small, action, FAMILY.resolve(small, action, ""), "bbr")
    assert refused.value.status == 409


@needs_root
def test_in_a_network_namespace_of_its_own_the_machines_network_cannot_be_set() -> None:
    code = """
from jepa.actions.catalogue import catalogue
from jepa.actions.families import sysctl
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
for name in ("net.ipv4.tcp_fin_timeout", "vm.swappiness"):
    print(Sysctl().missing(Host(), catalogue()[name]))
"""
    command = ["unshare", "--net", sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() == [
        "net.ipv4.tcp_fin_timeout cannot be set here: this process has a network namespace of its own.",
        "None",
    ]


def test_a_parameter_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    assert FAMILY.missing(Host(root=tmp_path), SWAPPINESS) == "This kernel has no vm.swappiness."


def test_a_parameter_takes_no_target() -> None:
    with pytest.raises(JepaError, match="takes no target"):
        FAMILY.resolve(HOST, SWAPPINESS, "nginx.service")


@pytest.mark.parametrize("value", ["7", "7 %", "-1%", "9999999999999999999999 pages", "7%\n8%"])
def test_a_journalled_value_that_is_damaged_is_not_written(small: Host, value: str) -> None:
    resource = FAMILY.resolve(small, catalogue()["vm.dirty_ratio"], "")
    with pytest.raises(JepaError, match=r"no value of vm\.dirty"):
        FAMILY.undo(small, resource, value)


@needs_root
def test_a_congestion_control_that_is_loaded_takes_no_right_to_load_it(kept: None) -> None:
    """Which is why the image loads it at boot: the actuator has no CAP_NET_ADMIN."""
    name = "net.ipv4.tcp_congestion_control"
    loaded = file("net.ipv4.tcp_available_congestion_control").read_text().split()
    other = next((each for each in loaded if each != file(name).read_text().strip()), None)
    if other is None:
        pytest.skip("only one is loaded here")
    code = f"""
from jepa.actions.catalogue import catalogue
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
family, host, action = Sysctl(), Host(), catalogue()["{name}"]
resource = family.resolve(host, action, "")
family.apply(host, resource, family.check(host, action, resource, "{other}"))
"""
    command = ["setpriv", "--bounding-set=-net_admin,-sys_module,-sys_admin", sys.executable, "-c", code]
    subprocess.run(command, check=True)
    assert file(name).read_text().strip() == other


@needs_root
@pytest.mark.parametrize(
    ("name", "right"), [("kernel.task_delayacct", "sys_admin"), ("net.core.default_qdisc", "net_admin")]
)
def test_a_parameter_that_wants_a_right_which_the_actuator_lacks_says_so(name: str, right: str) -> None:
    code = f"""
from jepa.actions.catalogue import catalogue
from jepa.actions.families import sysctl
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
print(Sysctl().missing(Host(), catalogue()["{name}"]))
"""
    command = ["setpriv", f"--bounding-set=-{right}", sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.endswith(f"the actuator has no CAP_{right.upper()}.\n")
