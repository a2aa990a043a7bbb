#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Render the measured figures in README and docs from the committed JSON files.

A block begins with ``<!-- figures: PATH... -->`` and ends with ``<!-- /figures -->``; what lies between is
written by this script. ``PATH#BEGINNING`` shows the benchmarks whose names begin so, ``PATH#!BEGINNING`` the
others; ``PATH#kinds`` of a pack's results shows them by kind of recording, events and effects. A file with
``columns`` and ``rows`` is a table as it stands; one with ``targets`` names each measure, its target and
where in other files the figure reached and that of the best baseline lie (``FILE:key.key`` or
``FILE:[name].key``). ``--check`` changes nothing and exits 1 when a page differs from its figures.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- figures: (?P<paths>[^>]+?) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def number(value: float | None) -> str:
    """Three significant digits; an absent value says so."""
    if value is None:
        return "not measured"
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2g}"


ENOUGH_FOR_P99 = 100
"""Of fewer runs a 99th percentile is the maximum under another name, and is not shown."""


def bench_rows(entries: Iterable[dict[str, Any]]) -> list[str]:
    """One Markdown row a benchmark of DESIGN §7."""
    rows = ["| what | value | p50 / p99 | beside | n |", "|---|---|---|---|---|"]
    for entry in entries:
        spread = "" if entry.get("p50") is None else number(entry["p50"])
        if spread and entry["n"] >= ENOUGH_FOR_P99:
            spread += f" / {number(entry.get('p99'))}"
        base = entry.get("baseline")
        beside = "" if not base or base.get("value") is None else f"{base['name']}: {number(base['value'])}"
        value = f"{number(entry['value'])} {entry['unit']}"
        rows.append(f"| `{entry['name']}` | {value} | {spread} | {beside} | {entry['n']} |")
    return rows


def pack_rows(results: dict[str, Any]) -> list[str]:
    """The pack's headline beside its baselines, from results/heldout.json."""
    baselines: dict[str, dict[str, Any]] = results.get("baselines", {})
    names = [
        "banded_accuracy",
        "banded_accuracy_lower",
        "ceiling",
        "gap_closed",
        "gap_closed_lower",
        "hard_recovery",
        "missed_recovery",
        "mae_skill_5_30s",
        "crps_skill_5_30s",
        "coverage_90",
    ]
    rows = [
        "| measure | this pack | " + " | ".join(baselines) + " |",
        "|---|---|" + "---|" * len(baselines),
    ]
    for name in names:
        beside = [number(base.get(name)) if name in base else "" for base in baselines.values()]
        rows.append(f"| `{name}` | {number(results.get(name))} | " + " | ".join(beside) + " |")
    return rows


KINDS = ("day", "busy", "steady", "changing", "acting", "scarce", "lived")


def kind_rows(results: dict[str, Any]) -> list[str]:
    """The headline by kind of recording, the events predicted, and whether imagined effects were real."""
    names = list(results["baselines"])
    wanted = ("banded_accuracy_lower", "ceiling", "mae_skill_5_30s", "crps_skill_5_30s", "coverage_90")
    rows = [
        f"| recordings | this pack | {' | '.join(names)} | {' | '.join(wanted)} |",
        "|---|" + "---|" * (1 + len(names) + len(wanted)),
    ]
    for kind in KINDS:
        if kind in results:
            figures = results[kind]
            cells = [figures["banded_accuracy"]]
            cells += [figures["baselines"][name]["banded_accuracy"] for name in names]
            cells += [figures[name] for name in wanted]
            rows.append(f"| {kind} | " + " | ".join(map(number, cells)) + " |")
    rows += [
        "",
        "| event | alerts by | onsets | predicted | median lead | false alarms an hour "
        "| recall at 1 false alarm a day |",
        "|---|---|---|---|---|---|---|",
    ]
    for who, events in results["events"].items():
        for name, found in events.items():
            lead = "" if found["lead_s"] is None else f"{number(found['lead_s'])} s"
            best = results["recall_at_1_fa_per_day"][who].get(name)
            once = "" if best is None else number(best["recall"])
            if best is not None and best["level"] is not None:
                once += f", from {number(best['level'])}"
            cells = [found["onsets"], found["predicted"], lead, number(found["false_alarms_per_hour"]), once]
            rows.append(f"| `{name}` | {who} | " + " | ".join(map(str, cells)) + " |")
    if (effects := results["effects"]) is not None:
        rows += [
            "",
            "| effects of actions | sign right | lower | shuffled | size imagined | shuffled |",
            "|---|---|---|---|---|---|",
        ]
        for part in (effects["beyond"], effects["clear"]):
            wanted = ("sign_right", "sign_right_lower", "shuffled", "size", "size_shuffled")
            cells = [number(part[name]) for name in wanted]
            beyond = f"{part['windows']} beyond {part['deviations']:.0f} deviations"
            rows.append(f"| {beyond}, {part['by_chance']} by chance | " + " | ".join(cells) + " |")
        for name, of_it in effects["settings"].items():
            cells = [number(of_it[name]) for name in ("sign_right", "shuffled", "size", "size_shuffled")]
            cells.insert(1, "")
            rows.append(f"| of the latter, {of_it['judged']:.0f} of `{name}` | " + " | ".join(cells) + " |")
    if (found := results["anomalies"]) is not None:
        who = " | ".join(found["vus_pr"])
        rows += ["", f"| VUS-PR of faults | {who} | at random | detected | delay | false alarms |"]
        rows += ["|---|" + "---|" * (len(found["vus_pr"]) + 4)]
        cells = [number(area) for area in (*found["vus_pr"].values(), found["chance"])]
        delay = "" if found["delay_s"] is None else f"{number(found['delay_s'])} s"
        hours = f"{number(found['hours'] * 60)} min"
        cells += [f"{found['detected']} of {found['faults']}", delay, f"{found['false_alarms']} in {hours}"]
        rows.append("| surprise and others | " + " | ".join(cells) + " |")
    return rows


def table_rows(table: dict[str, Any]) -> list[str]:
    """A table as it stands in its file."""
    rows = ["| " + " | ".join(table["columns"]) + " |", "|" + "---|" * len(table["columns"])]
    for row in table["rows"]:
        rows.append(
            "| " + " | ".join(each if isinstance(each, str) else number(each) for each in row) + " |"
        )
    return rows


def reach_rows(results: dict[str, Any]) -> list[str]:
    """How often goals that are pictures are reached, and by whom."""
    title = f"{results['environment']}, {results['episodes']} episodes"
    rows = [f"| {title} | reached | lower | {results['hard_means']} |", "|---|---|---|---|"]
    for who, row in {"**this pack, planning**": results, **results["baselines"]}.items():
        cells = [number(row[name]) for name in ("success_rate", "success_rate_lower", "hard")]
        rows.append(f"| {who} | " + " | ".join(cells) + " |")
    took = results["plan_ms"]
    return [*rows, "", f"A plan, with seeing: {number(took['p50'])} ms (p99 {number(took['p99'])} ms)."]


def look_up(reference: str, root: Path) -> float:
    """The figure at ``FILE:key.key``; ``[name]`` picks from a list the entry of that name."""
    path, _, keys = reference.partition(":")
    found: Any = json.loads((root / path).read_text())
    for key in re.findall(r"\[[^]]+\]|[^.\[\]]+", keys):
        if key.startswith("["):
            found = next(entry for entry in found if entry["name"] == key[1:-1])
        else:
            found = found[key]
    return float(found)


def target_rows(targets: Iterable[dict[str, Any]], root: Path) -> list[str]:
    """Target, figure reached and best baseline of each measure, every figure from its own file."""
    rows = ["| measure | target | reached | best baseline |", "|---|---|---|---|"]
    for each in targets:
        low, unit = each.get("lower"), each.get("unit", "")
        reached = f"**{number(look_up(each['reached'], root))}**{unit}"
        reached += f" (lower end {number(look_up(low, root))})" if low else ""
        baseline = each.get("baseline")
        beside = f"{number(look_up(baseline['at'], root))}{unit}, {baseline['name']}" if baseline else "–"
        rows.append(f"| {each['measure']} | {each['target']} | {reached} | {beside} |")
    return rows


def rows_of(content: Any, chosen: str, root: Path = ROOT) -> list[str]:
    """The rows of one file, or of the part of it that is chosen."""
    if isinstance(content, dict):
        if "targets" in content:
            return target_rows(content["targets"], root)
        if "columns" in content:
            return table_rows(content)
        if "environment" in content:
            return reach_rows(content)
        return kind_rows(content) if chosen == "kinds" else pack_rows(content)
    if chosen:
        beginning = chosen.removeprefix("!")
        wanted = beginning == chosen
        content = [each for each in content if each["name"].startswith(beginning) == wanted]
    return bench_rows(content)


def render(text: str, root: Path = ROOT) -> str:
    """The page with every figure block written anew.

    Raises FileNotFoundError when a block names a file that is not there.
    """

    def fill(match: re.Match[str]) -> str:
        lines: list[str] = []
        for name in match["paths"].split():
            path, _, chosen = name.partition("#")
            lines += [*rows_of(json.loads((root / path).read_text()), chosen, root), ""]
        return match[1] + "\n".join(lines).rstrip() + "\n" + match[3]

    return BLOCK.sub(fill, text)


def main() -> int:
    """Render or check every page that has figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is stale")
    check = parser.parse_args().check
    stale = []
    for page in [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted(ROOT.glob("model-packs/*/*.md")),
    ]:
        old = page.read_text()
        new = render(old)
        if new != old:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new)
    for page in stale:
        print(f"{page}: figures {'differ from their JSON; run make figures' if check else 'rendered'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
