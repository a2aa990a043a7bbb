# SPDX-License-Identifier: Apache-2.0
"""The speed of the CPUs is set for all of them and taken back for each, in trees as machines have them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from jepa.actions.catalogue import ActionType, catalogue
from jepa.actions.families.cpufreq import Cpufreq
from jepa.actions.family import Host
from jepa.errors import JepaError

FAMILY = Cpufreq()
CPU = "sys/devices/system/cpu"
GOVERNOR, EPP, BOOST, PROFILE = (
    catalogue()[name] for name in ("cpu.governor", "cpu.epp", "cpu.boost", "platform.profile")
)
PREFERENCES = "default performance balance_performance balance_power power"


def machine(root: Path, policies: int, policy: Mapping[str, str], **files: str) -> Host:
    """A machine whose CPUs have one policy each, with the files of ``policy``, and others by their paths."""
    content = {
        f"{CPU}/cpufreq/policy{number}/{name}": text
        for number in range(policies)
        for name, text in policy.items()
    } | files
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return Host(root=root)


@pytest.fixture
def server(tmp_path: Path) -> Host:
    """acpi-cpufreq, as on an older AMD server."""
    policy = {
        "scaling_driver": "acpi-cpufreq",
        "scaling_governor": "schedutil",
        "scaling_available_governors": "conservative ondemand userspace powersave performance schedutil ",
    }
    return machine(tmp_path, 12, policy, **{f"{CPU}/cpufreq/boost": "1"})


@pytest.fixture
def laptop(tmp_path: Path) -> Host:
    """intel_pstate in active mode, with a vendor's profiles."""
    policy = {
        "scaling_driver": "intel_pstate",
        "scaling_governor": "powersave",
        "scaling_available_governors": "performance powersave",
        "energy_performance_preference": "balance_performance",
        "energy_performance_available_preferences": PREFERENCES,
    }
    return machine(
        tmp_path,
        8,
        policy,
        **{
            f"{CPU}/intel_pstate/no_turbo": "0",
            "sys/firmware/acpi/platform_profile": "balanced",
            "sys/firmware/acpi/platform_profile_choices": "low-power balanced performance",
        },
    )


def contents(host: Host) -> dict[Path, str]:
    return {file: file.read_text().strip() for file in host.root.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("kind", "action", "new", "file", "written"),
    [
        ("server", GOVERNOR, "performance", f"{CPU}/cpufreq/policy11/scaling_governor", "performance"),
        ("server", BOOST, "off", f"{CPU}/cpufreq/boost", "0"),
        ("laptop", EPP, "power", f"{CPU}/cpufreq/policy3/energy_performance_preference", "power"),
        ("laptop", BOOST, "off", f"{CPU}/intel_pstate/no_turbo", "1"),
        ("laptop", PROFILE, "low-power", "sys/firmware/acpi/platform_profile", "low-power"),
    ],
)
def test_a_setting_is_set_for_all_and_taken_back(
    request: pytest.FixtureRequest, kind: str, action: ActionType, new: str, file: str, written: str
) -> None:
    host: Host = request.getfixturevalue(kind)
    before = contents(host)
    assert FAMILY.missing(host, action) is None
    resource = FAMILY.resolve(host, action, "")
    old = FAMILY.read(host, resource)
    assert FAMILY.check(host, action, resource, new) == new
    FAMILY.apply(host, resource, new)
    FAMILY.verify(host, resource, new)
    assert FAMILY.read(host, resource) == new
    assert (host.root / file).read_text().strip() == written
    for _ in range(2):
        FAMILY.undo(host, resource, old)
        FAMILY.verify(host, resource, old)
        assert contents(host) == before


def test_each_cpu_goes_back_to_what_it_had_and_a_new_one_to_what_most_had(server: Host) -> None:
    policies = server.root / CPU / "cpufreq"
    (policies / "policy10/scaling_governor").write_text("performance\n")
    resource = FAMILY.resolve(server, GOVERNOR, "")
    old = FAMILY.read(server, resource)
    assert old == "schedutil; policy10: performance"
    FAMILY.apply(server, resource, "powersave")
    (policies / "policy12").mkdir()
    (policies / "policy12/scaling_governor").write_text("powersave\n")
    (policies / "policy0/scaling_governor").unlink()
    assert FAMILY.is_mixture(FAMILY.read(server, resource), old, "powersave")
    FAMILY.undo(server, resource, old)
    assert (policies / "policy12/scaling_governor").read_text().strip() == "schedutil"
    assert (policies / "policy10/scaling_governor").read_text().strip() == "performance"


def test_when_one_cpu_refuses_none_is_changed(server: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = FAMILY.resolve(server, GOVERNOR, "")
    before = contents(server)
    from jepa.actions import kernel_file

    write = kernel_file.write

    def refuse_policy7(file: Path, text: str, name: str) -> None:
        if file.parent.name == "policy7":
            raise JepaError("The kernel does not take it.", "", status=409)
        write(file, text, name)

    monkeypatch.setattr(kernel_file, "write", refuse_policy7)
    with pytest.raises(JepaError, match="does not take it"):
        FAMILY.apply(server, resource, "performance")
    assert contents(server) == before


def test_where_the_hardware_chooses_the_governor_is_not_offered(laptop: Host) -> None:
    reason = "The CPUs choose their frequency themselves: set what they weigh with cpu.epp."
    assert FAMILY.missing(laptop, GOVERNOR) == reason
    with pytest.raises(JepaError, match="choose their frequency themselves"):
        FAMILY.check(laptop, GOVERNOR, FAMILY.resolve(laptop, GOVERNOR, ""), "performance")


def test_a_preference_that_the_governor_would_not_keep_is_refused(laptop: Host) -> None:
    (laptop.root / CPU / "cpufreq/policy2/scaling_governor").write_text("performance\n")
    with pytest.raises(JepaError, match="governor `performance` holds") as refused:
        FAMILY.check(laptop, EPP, FAMILY.resolve(laptop, EPP, ""), "power")
    assert refused.value.status == 409


def test_a_profile_that_could_not_be_taken_back_to_is_left(laptop: Host) -> None:
    (laptop.root / "sys/firmware/acpi/platform_profile").write_text("custom\n")
    with pytest.raises(JepaError, match="could not be taken back to"):
        FAMILY.check(laptop, PROFILE, FAMILY.resolve(laptop, PROFILE, ""), "performance")


def test_only_what_the_driver_offers_is_taken(server: Host, laptop: Host) -> None:
    with pytest.raises(
        JepaError, match=r"does not offer quiet.*It offers: balanced, low-power, performance"
    ):
        FAMILY.check(laptop, PROFILE, FAMILY.resolve(laptop, PROFILE, ""), "quiet")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("proc/cpuinfo", "flags\t\t: fpu hypervisor lahf_lm\n"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n"),  # arm64, by UEFI and ACPI
        ("proc/device-tree/compatible", "linux,dummy-virt\0"),  # arm64, by a device tree
    ],
)
def test_a_virtual_machine_says_why_it_has_none(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(said)
    for action in (GOVERNOR, EPP, BOOST):
        assert FAMILY.missing(Host(root=tmp_path), action) == (
            "The frequency of the CPUs cannot be set from here: it is a virtual machine."
        )
    assert "no power profiles" in str(FAMILY.missing(Host(root=tmp_path), PROFILE))
    with pytest.raises(JepaError, match="it is a virtual machine") as absent:
        FAMILY.resolve(Host(root=tmp_path), GOVERNOR, "")
    assert absent.value.status == 404


def test_a_real_machine_is_not_taken_for_a_virtual_one(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("Features\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\n")
    assert "the kernel has no driver for it" in str(FAMILY.missing(Host(root=tmp_path), GOVERNOR))


def test_a_driver_that_is_unloaded_in_the_middle_is_told(server: Host) -> None:
    resource = FAMILY.resolve(server, GOVERNOR, "")
    for file in (server.root / CPU / "cpufreq").glob("policy*/scaling_governor"):
        file.unlink()
    for use in (
        lambda: FAMILY.read(server, resource),
        lambda: FAMILY.apply(server, resource, "performance"),
        lambda: FAMILY.undo(server, resource, "schedutil"),
    ):
        with pytest.raises(JepaError, match=r"cpu\.governor is gone") as gone:
            use()
        assert gone.value.status == 409
