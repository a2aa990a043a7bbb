# SPDX-License-Identifier: Apache-2.0
"""What is asked of the slim kernel is all that is asked of a kernel, and what it lacks of that is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jepa import kernel_config
from jepa.errors import JepaError
from tools import slim_kernel
from tools.build_kernel import keep
from tools.slim_kernel import PLACE, X86, asked, dropped, groups, ignored, key, source_version, unhardened

VERSION = "7.3.4-1~bpo13+1"


def whole() -> dict[str, str]:
    """A configuration that is as asked, and no more."""
    return kernel_config.parse_config(asked(X86))


def test_what_is_asked_is_everything_in_kernel_config_built_in() -> None:
    config = whole()
    assert "m" not in config.values()
    assert kernel_config.lacking(kernel_config.groups_for(X86), config) == []
    assert dropped(config) == []
    assert len(config) > 200


def test_its_own_fragment_is_sorted_says_why_and_asks_for_nothing_again() -> None:
    own = kernel_config.parse_fragment("slim", (PLACE / "slim.config").read_text())
    for group in own:
        assert list(group.options) == sorted(group.options)
        assert group.reason.endswith(".") and not group.without.endswith(".")
    names = [name for group in groups(X86) for name in group.options] + list(slim_kernel.values())
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EROFS_FS", None, "CONFIG_EROFS_FS is n, asked: y (image.config: /usr, compressed and read-only"),
        ("BLK_DEV_LOOP", "m", "CONFIG_BLK_DEV_LOOP is m, asked: y (image.config: Images and extensions"),
        ("WLAN", "y", "CONFIG_WLAN is y, asked: n (slim.config: "),
        ("MODULE_SIG_KEY", '"certs/key.pem"', 'CONFIG_MODULE_SIG_KEY is "certs/key.pem", asked: ""'),
        ("IPV6_SIT_6RD", "m", "CONFIG_IPV6_SIT_6RD is a module, and there is no place for one"),
    ],
)  # fmt: skip
def test_an_option_that_was_dropped_is_named_with_its_group(name: str, value: str | None, said: str) -> None:
    config = whole()
    config.pop(name, None)
    if value is not None:
        config[name] = value
    lines = dropped(config)
    assert lines[0].startswith(said)
    assert len(lines) == (2 if value == "m" and name == "BLK_DEV_LOOP" else 1)


def finding(name: str, passed: bool) -> dict[str, object]:
    """One finding as the checker writes it."""
    return {
        "option_name": f"CONFIG_{name}",
        "decision": "kspp",
        "desired_val": "y",
        "check_result": "OK" if passed else 'FAIL: "is not set"',
        "check_result_bool": passed,
    }


def test_a_weakness_needs_a_reason_and_a_reason_a_weakness() -> None:
    reasons = ignored()
    assert len(reasons) > 50 and all(reasons.values())
    known = [finding(name.removeprefix("CONFIG_"), False) for name in reasons]
    assert unhardened([*known, finding("VMAP_STACK", True)], reasons) == []
    assert unhardened([*known, finding("VMAP_STACK", False)], reasons) == [
        'CONFIG_VMAP_STACK should be y: FAIL: "is not set" (kspp)'
    ]
    assert unhardened(known[1:], reasons) == [
        f"{next(iter(reasons))} is in hardening.toml, and is not found"
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of slim-kernel/ that a test may change."""
    copy = tmp_path / "slim-kernel"
    copy.mkdir()
    for path in PLACE.iterdir():
        (copy / path.name).write_text(path.read_text())
    return copy


CHANGES: dict[str, tuple[Callable[[str], str], str, bool]] = {
    "an option": (lambda text: text.replace("CONFIG_FUSE_FS=y\n", ""), "slim.config", True),
    "a value": (lambda text: text.replace("65536", "4096"), "values.config", True),
    "how it is compiled": (lambda text: text + "\n", "mkosi.build.chroot", True),
    "its first program": (lambda text: text + "\n", "init.c", True),
    "a reason": (lambda text: text.replace("# Serial lines", "# Lines"), "slim.config", False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_key_changes_with_what_is_compiled_and_not_with_reasons(change: str, place: Path) -> None:
    alter, name, another = CHANGES[change]
    before, text = key(VERSION, place), (place / name).read_text()
    assert before == key(VERSION)
    assert alter(text) != text
    (place / name).write_text(alter(text))
    assert (key(VERSION, place) != before) == another
    assert key("7.3.5-1", place) != key(VERSION, place)


def test_the_source_is_of_the_images_kernel(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match="Run: make image"):
        source_version(tmp_path)
    packages = [
        {"name": "linux-base", "version": "4.17"},
        {"name": "linux-image-amd64", "version": VERSION},
    ]
    (tmp_path / "jepa-os.manifest").write_text(json.dumps({"packages": packages}))
    assert source_version(tmp_path) == VERSION
    (tmp_path / "jepa-os.manifest").write_text(json.dumps({"packages": packages[:1]}))
    with pytest.raises(JepaError, match="names no kernel for x86-64"):
        source_version(tmp_path)


def test_a_new_kernel_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    built, kernels = tmp_path / "built", tmp_path / "kernels"
    built.mkdir()
    (kernels / "old").mkdir(parents=True)
    (built / "vmlinuz").write_text("kernel")
    with pytest.raises(FileNotFoundError):
        keep(built, kernels, "key")
    assert (kernels / "old").is_dir() and not (kernels / "key").exists()
    (built / "config").write_text("config")
    assert keep(built, kernels, "key") == kernels / "key"
    assert [path.name for path in kernels.iterdir()] == ["key"]
    assert sorted(path.name for path in (kernels / "key").iterdir()) == ["config", "vmlinuz"]


def test_the_program_in_the_build_prints_what_is_asked_and_fails_for_what_was_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    monkeypatch.setattr("sys.argv", ["slim_kernel", "asked"])
    assert slim_kernel.main() == 0
    config.write_text(capsys.readouterr().out)
    monkeypatch.setattr("sys.argv", ["slim_kernel", "dropped", str(config)])
    assert slim_kernel.main() == 0
    config.write_text(config.read_text().replace("CONFIG_DM_INIT=y\n", ""))
    assert slim_kernel.main() == 1
    assert "CONFIG_DM_INIT is n, asked: y (slim.config: " in capsys.readouterr().err
