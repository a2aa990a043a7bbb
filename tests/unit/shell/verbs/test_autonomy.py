# SPDX-License-Identifier: Apache-2.0
"""`jepa autonomy` gives healing its grant with auto, and takes it with any other mode."""

import json
from pathlib import Path

import pytest

from jepa.shell.verbs import autonomy
from tests.unit.shell.verbs.conftest import Jepa


@pytest.fixture(autouse=True)
def mode_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "healing.toml"
    monkeypatch.setattr(autonomy, "FILE", path)
    return path


def test_advice_is_the_default(jepa: Jepa) -> None:
    assert json.loads(jepa("autonomy", "--json")[1]) == {"mode": "advise", "fault": ""}


def test_auto_gives_a_grant_and_any_other_mode_ends_it(jepa: Jepa) -> None:
    assert jepa("grants", "list")[1].startswith("There are no grants")
    for _ in range(2):  # a second time there is one already
        status, out, _ = jepa("autonomy", "auto")
        assert status == 0
        assert out.startswith("auto: ")
        (grant,) = json.loads(jepa("grants", "list", "--json")[1])
        assert (grant["task"], grant["daemon"]) == ("healing", "jepa-healing.service")
        assert "unit.restart" in grant["actions"]
        assert grant["targets"] == ["*"]
    assert grant["id"] in jepa("grants", "list")[1]
    assert jepa("autonomy", "ask")[0] == 0
    assert json.loads(jepa("grants", "list", "--json")[1]) == []


def test_an_approval_is_a_grant_for_that_unit_until_the_mode_is_set_anew(jepa: Jepa) -> None:
    assert jepa("autonomy", "--approve", "shop.service")[0] == 1  # advise: nothing waits
    assert jepa("autonomy", "ask")[0] == 0
    assert jepa("autonomy", "--approve", "shop.service", "--approve", "db.service")[0] == 0
    (grant,) = json.loads(jepa("grants", "list", "--json")[1])
    assert grant["targets"] == ["shop.service", "db.service"]
    assert jepa("autonomy", "advise")[0] == 0
    assert json.loads(jepa("grants", "list", "--json")[1]) == []


def test_a_grant_is_revoked_and_unknown_ones_are_told(jepa: Jepa) -> None:
    jepa("autonomy", "auto")
    (grant,) = json.loads(jepa("grants", "list", "--json")[1])
    assert jepa("grants", "revoke", grant["id"])[0] == 0
    assert jepa("grants", "revoke", grant["id"])[0] == 1
    assert jepa("grants", "revoke")[0] == 2


def test_an_unknown_mode_is_a_usage_error(jepa: Jepa) -> None:
    assert jepa("autonomy", "always")[0] == 2
