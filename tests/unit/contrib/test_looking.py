# SPDX-License-Identifier: Apache-2.0
"""The rules and the dashboard say what they should, of metrics that jepad gives."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = Path(__file__).parents[3]
RULES = ROOT / "contrib/prometheus/jepa.rules.yml"
BOARD = ROOT / "contrib/grafana/jepa-fleet.json"
METRIC = re.compile(r"\bjepa_[a-z_]+\b")
RECORDED = re.compile(r"\bjepa:[a-z0-9_:]+\b")
OF_PROMETHEUS = {"up", "ALERTS"}


def promtool(*words: str | Path) -> str:
    program = shutil.which("promtool")
    assert program, "promtool is missing: run make test, which installs Debian's package prometheus"
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(served: Any) -> set[str]:
    """The families that a jepad gives."""
    served.wait(lambda _: b"jepa_surprise " in served.ask("/metrics")[2])
    return set(re.findall(r"^# TYPE (\S+)", served.ask("/metrics")[2].decode(), re.MULTILINE))


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOARD.read_text())
    return found


def rules_text() -> str:
    """The rules without comments and texts for people, in which words are no metrics."""
    lines = RULES.read_text().splitlines()
    return "\n".join(line for line in lines if not re.match(r"\s*(#|summary:|description:)", line))


def expressions(board: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [each.replace("$instance", ".*").replace("$job", "jepa") for each in found]


def test_the_rules_and_the_example_are_valid_and_do_what_their_tests_say() -> None:
    promtool("check", "rules", RULES)
    promtool("check", "config", RULES.with_name("prometheus.yml"))
    promtool("test", "rules", *sorted(Path(__file__).parent.glob("*.rules.test.yml")))


def test_every_alert_has_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.rules.test.yml"))
    for name in re.findall(r"alert: (\w+)", RULES.read_text()):
        assert re.search(rf"alertname: {name}\n\s+eval_time: \S+\n\s+exp_alerts:", tests), name


def test_what_the_rules_look_at_is_exported(exported: set[str]) -> None:
    used = set(METRIC.findall(rules_text()))
    assert used
    assert used <= exported
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    assert set(RECORDED.findall(rules_text())) == recorded


def test_the_dashboard_is_what_grafana_reads(board: dict[str, Any]) -> None:
    """Grafana's own models, written by its makers from its schema, read it and lose nothing of it."""
    register_default_plugins()
    assert lost(board, read_and_written(board)) == []
    wrong = copy.deepcopy(board)
    wrong["panels"][0]["gridpos"] = wrong["panels"][0].pop("gridPos")
    wrong["panels"][5]["options"]["legend"]["show"] = True
    assert lost(wrong, read_and_written(wrong)) == [".panels.0.gridpos", ".panels.5.options.legend.show"]


def read_and_written(board: dict[str, Any]) -> Any:
    return json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(board))))


def lost(before: Any, after: Any, where: str = "") -> list[str]:
    """What of ``before`` is not in ``after`` as it was."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            each
            for name, value in before.items()
            for each in (
                lost(value, after[name], f"{where}.{name}") if name in after else [f"{where}.{name}"]
            )
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for place, (one, other) in pairs for each in lost(one, other, f"{where}.{place}")]
    return [] if before == after else [where]


def test_the_panels_of_the_dashboard_lie_side_by_side(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(places)


def test_prometheus_reads_every_expression_of_the_dashboard(board: dict[str, Any], tmp_path: Path) -> None:
    rules = tmp_path / "board.yml"
    records = [{"record": f"board:{n}", "expr": each} for n, each in enumerate(expressions(board))]
    rules.write_text(json.dumps({"groups": [{"name": "board", "rules": records}]}))  # JSON is YAML
    assert f"{len(records)} rules found" in promtool("check", "rules", rules)


def test_what_the_dashboard_shows_is_exported_or_recorded(board: dict[str, Any], exported: set[str]) -> None:
    known = exported | set(re.findall(r"record: (\S+)", RULES.read_text())) | OF_PROMETHEUS
    queries = [each["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    for text in [*expressions(board), *queries]:
        used = set(METRIC.findall(text)) | set(RECORDED.findall(text))
        used |= {name for name in OF_PROMETHEUS if re.search(rf"\b{name}\b", text)}
        assert used, text
        assert used <= known, text


def test_the_reference_names_what_is_exported(exported: set[str]) -> None:
    page = (ROOT / "docs/reference/api.md").read_text()
    table = page.split("## Running figures")[1].split("## States")[0]
    documented = set(METRIC.findall(table))
    assert len(documented) == 12
    assert documented <= exported
