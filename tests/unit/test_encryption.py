# SPDX-License-Identifier: Apache-2.0
"""Whether data are encrypted is told, and their recovery key is shown once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jepa import encryption
from jepa.encryption import PLACE, Encryption, forget, read, recovery_key, tell
from jepa.errors import JepaError
from jepa.shell.cli import main
from jepa.shell.verbs import encryption as verb
from jepa.shell.verbs.doctor import disk

KEY = "-".join(["cbdefghi"] * 8)


def mapped(root: Path, *names: str) -> Path:
    """A root of a machine with these devices of the device mapper."""
    for number, name in enumerate(names):
        place = root / f"sys/class/block/dm-{number}/dm"
        place.mkdir(parents=True)
        (place / "name").write_text(f"{name}\n")
    return root


def with_key(root: Path) -> Path:
    (root / PLACE).mkdir(parents=True)
    (root / PLACE / "recovery-key").write_text(f"{KEY}\n")
    return root


def test_a_root_on_an_opened_device_is_encrypted(tmp_path: Path) -> None:
    assert read(mapped(tmp_path, "usr", "jepa-root")) == Encryption(encrypted=True, tpm=False)
    part = disk(tmp_path)
    assert (part.name, part.state) == ("encryption", "ok")


def test_usr_on_verity_alone_is_not_and_that_is_no_fault(tmp_path: Path) -> None:
    root = mapped(tmp_path, "usr")
    assert disk(root).state == "off"
    assert "has no TPM 2" in disk(root).reason
    (root / "sys/class/tpmrm/tpmrm0").mkdir(parents=True)
    assert "factory reset" in tell(read(root))


def test_a_recovery_key_is_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verb, "_ROOT", with_key(tmp_path))
    assert main(["encryption", "recovery-key"]) == 0
    assert capsys.readouterr().out == f"{KEY}\n"
    assert main(["encryption", "recovery-key"]) == 1
    assert f"was shown on {datetime.now(UTC):%Y-%m-%d}" in capsys.readouterr().err
    assert not any(KEY in path.read_text() for path in (tmp_path / PLACE).iterdir())


def test_forgetting_leaves_the_day(tmp_path: Path) -> None:
    forget(with_key(tmp_path), datetime(2026, 11, 30, tzinfo=UTC))
    with pytest.raises(JepaError, match="was shown on 2026-11-30"):
        recovery_key(tmp_path)


def test_without_one_the_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match=r"There is no recovery key. .* not encrypted"):
        recovery_key(tmp_path)


def test_the_name_is_that_of_the_image() -> None:
    script = Path(__file__).parents[2] / "mkosi.extra/usr/lib/jepa/open-root"
    assert f"name={encryption.NAME}\n" in script.read_text()
    assert f"recovery_key=/{PLACE}/recovery-key\n" in script.read_text()
