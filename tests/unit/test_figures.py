# SPDX-License-Identifier: Apache-2.0
"""Pages show the figures that were measured, not others."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The script on a copy of the tree's layout."""
    script = root / "tools" / "figures.py"
    return subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True)


def test_no_page_differs_from_its_figures() -> None:
    done = run(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_differs_is_named_and_then_mended(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "tools" / "figures.py").write_text((ROOT / "tools" / "figures.py").read_text())
    entry = {
        "name": "tick_ms",
        "value": 2.5,
        "unit": "ms",
        "n": 900,
        "p50": 2.5,
        "p99": 4.0,
        "baseline": None,
    }
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    page = tmp_path / "README.md"
    page.write_text("Before.\n<!-- figures: a.json -->\nold\n<!-- /figures -->\nAfter.\n")
    stale = run(tmp_path, "--check")
    assert stale.returncode == 1
    assert "README.md" in stale.stdout
    assert run(tmp_path).returncode == 0
    assert "| `tick_ms` | 2.5 ms | 2.5 / 4 |" in page.read_text()
    assert page.read_text().startswith("Before.\n") and page.read_text().endswith("After.\n")
    assert run(tmp_path, "--check").returncode == 0


def test_a_block_may_show_a_part(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "figures.py").write_text((ROOT / "tools" / "figures.py").read_text())
    entries = [
        {"name": name, "value": 1, "unit": "ns", "n": 1, "p50": None, "p99": None, "baseline": None}
        for name in ("hook_a", "cpu")
    ]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    page = tmp_path / "README.md"
    blocks = [f"<!-- figures: a.json#{chosen} -->\n<!-- /figures -->\n" for chosen in ("hook", "!hook")]
    page.write_text("".join(blocks))
    assert run(tmp_path).returncode == 0
    first, second = page.read_text().split("<!-- /figures -->")[:2]
    assert "hook_a" in first and "cpu" not in first
    assert "cpu" in second and "hook_a" not in second


def test_a_percentile_of_few_runs_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "figures.py").write_text((ROOT / "tools" / "figures.py").read_text())
    entry = {"name": "a", "value": 1, "unit": "s", "n": 99, "p50": 1.5, "p99": 7.25, "baseline": None}
    (tmp_path / "a.json").write_text(json.dumps([entry, {**entry, "name": "b", "n": 100}]))
    page = tmp_path / "README.md"
    page.write_text("<!-- figures: a.json -->\n<!-- /figures -->\n")
    assert run(tmp_path).returncode == 0
    assert "| `a` | 1 s | 1.5 |" in page.read_text() and "| `b` | 1 s | 1.5 / 7.25 |" in page.read_text()


def test_targets_take_each_figure_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "figures.py").write_text((ROOT / "tools" / "figures.py").read_text())
    (tmp_path / "a.json").write_text(json.dumps([{"name": "tick_ms", "p99": 1.5}]))
    (tmp_path / "b.json").write_text(json.dumps({"trees": {"score": 0.25}}))
    row = {
        "measure": "tick",
        "target": "< 10 ms",
        "unit": " ms",
        "reached": "a.json:[tick_ms].p99",
        "baseline": {"name": "trees", "at": "b.json:trees.score"},
    }
    (tmp_path / "targets.json").write_text(json.dumps({"targets": [row]}))
    page = tmp_path / "README.md"
    page.write_text("<!-- figures: targets.json -->\n<!-- /figures -->\n")
    assert run(tmp_path).returncode == 0
    assert "| tick | < 10 ms | **1.5** ms | 0.25 ms, trees |" in page.read_text()
