# SPDX-License-Identifier: Apache-2.0
"""What is on a machine is found where the kernel and systemd keep it, and classes by what runs."""

from pathlib import Path

from jepa.language.inventory import LiveInventory, look
from jepa.language.parser import parse
from jepa.language.resolve import resolve


def test_units_programs_devices_and_users_are_found(tmp_path: Path) -> None:
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/My-App.service").touch()
    process = tmp_path / "proc/42"
    process.mkdir(parents=True)
    (process / "cgroup").write_text("0::/system.slice/postgresql@17-main.service\n")
    (process / "comm").write_text("postgres\n")
    (tmp_path / "sys/class/block/sda1").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("anna:x:1000:1000::/home/anna:/bin/bash\n")
    here = look(tmp_path)
    for name in ("my-app", "my-app.service", "postgres", "postgresql@17-main.service", "sda1", "anna"):
        assert here.knows(name), name
    assert here.units_of("postgres") == {"postgresql@17-main.service"}


def test_the_machine_that_runs_this_test_has_a_python() -> None:
    assert any(look().knows(name) for name in ("python", "python3", "pytest", "python3.11"))


def test_an_empty_machine_has_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == LiveInventory(frozenset())


HERE = LiveInventory(
    frozenset(("nginx.service", "nginx")),
    {"postgres": frozenset(("postgresql@17-main.service",)), "mysqld": frozenset(("mysql.service",)),
     "firefox": frozenset(("app-firefox.scope",))},
)  # fmt: skip


def test_a_class_means_the_units_in_which_such_things_run() -> None:
    spec = resolve(parse("free memory but don't touch the database"), HERE)
    assert spec["protect"] == ["mysql.service", "postgresql@17-main.service"]


def test_names_mean_units_and_what_is_not_here_stays_as_it_was_said() -> None:
    assert resolve(parse("limit firefox to 40 %"), HERE)["targets"] == ["app-firefox.scope"]
    assert resolve(parse("limit nginx to 40 %"), HERE)["targets"] == ["nginx.service"]
    assert resolve(parse("limit redis to 40 %"), HERE)["targets"] == ["redis"]
    assert resolve(parse("limit the background to 40 %"), HERE)["targets"] == ["background"]


def test_what_is_protected_wins_over_what_it_resolves_to() -> None:
    spec = resolve(parse("limit postgres and nginx to 40 %, but not the database"), HERE)
    assert spec["targets"] == ["nginx.service"]
