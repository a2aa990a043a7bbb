# SPDX-License-Identifier: Apache-2.0
"""`jepa today` says in a screenful what was predicted, done and brought, what stands and what it cost."""

import io
import time

from jepa.service.receipt import Brought, Prediction, Receipt
from jepa.service.unit_costs import UnitCost
from jepa.shell.output import Output
from jepa.shell.verbs.today import MOST, show

NOW_NS = time.time_ns()


def said(found: Receipt) -> list[str]:
    text = io.StringIO()
    show(Output(text, json=False, unicode=False, colour=False), found)
    return text.getvalue().splitlines()


def of(**fields: object) -> Receipt:
    empty: dict[str, object] = {each: [] for each in ("predicted", "changes", "brought", "in_force", "cost")}
    return Receipt(since_ns=NOW_NS, at_ns=NOW_NS, **{**empty, **fields})  # type: ignore[arg-type]


def test_a_quiet_day_is_four_lines() -> None:
    assert [line[10:] for line in said(of())[1:]] == [
        "no alert",
        "nothing was changed",
        "nothing is changed now",
    ]


def test_all_of_a_busy_day_is_told() -> None:
    row = {
        "id": "c7", "ts": NOW_NS, "action": "cpu.max", "target": "background.slice", "from": None,
        "to": "40%", "state": "applied", "task": "t1", "left_s": 60.0, "reversible": True,
    }  # fmt: skip
    text = "\n".join(
        said(
            of(
                predicted=[
                    Prediction(ts_ns=NOW_NS, kind="io_stall", detail="io stall: 97 %", outcome="right"),
                    Prediction(ts_ns=NOW_NS, kind="anomaly", detail="stranger", outcome="false"),
                ],
                changes=[row],
                in_force=[row],
                brought=[
                    Brought(task="t1", intent="prioritize", targets=["web.service"], state="active",
                            energy_with=0.1, energy_without=0.3, windows=7, saved=(0.15, 0.25)),
                    Brought(task="t2", intent="limit", targets=[], state="active",
                            energy_with=None, energy_without=None, windows=0, saved=None),
                ],
                cost=[UnitCost(unit="jepad.service", since_s=7200.0, cpu_s=60.0, cpu_percent=0.83,
                               memory_mib=96.0, wakeups_per_s=3.25)],
                limits=["Tasks are not known: jepad is not running."],
            )
        )
    )  # fmt: skip
    assert "predicted 2 alerts: 1 came true, 1 did not come" in text
    assert "unusual: stranger" in text
    assert "cpu.max background.slice" in text
    assert "-> 40%  applied  for task t1, for 1 min 0 s" in text
    assert "saves 0.150 .. 0.250 (90 %), 7 hold-outs" in text
    assert "task t2, limit: not measured yet" in text
    assert "0.83 % of a core, 96 MiB, 3.2 wake-ups a second, over 2 h 0 min" in text
    assert "packets" not in text
    assert text.endswith("jepad is not running.")


def test_of_very_many_the_newest_are_shown() -> None:
    alerts = [
        Prediction(ts_ns=NOW_NS, kind="io_stall", detail=f"number {n}", outcome="right") for n in range(100)
    ]
    lines = said(of(predicted=alerts))
    assert f"  {100 - MOST} earlier ones" in lines
    assert sum("number" in line for line in lines) == MOST
    assert any("number 99" in line for line in lines)
