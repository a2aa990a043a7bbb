# SPDX-License-Identifier: Apache-2.0
"""Plans: which sessions together make a data set, and how they are split.

`transactions` and `backup` occur in held-out sessions only, so the held-out figures speak of programs, seeds
and mixtures that were never trained on.
"""

from jepa_lab.workloads.session import Session

_TRAINED = ("burst", "batch", "compile", "memory", "switches", "churn", "scan", "server", "log")

QUICK = (
    Session("t01-burst-scan", "train", "busy", 101, ("burst", "scan", "log"), 0.2),
    Session("t02-compile", "train", "busy", 102, ("compile", "burst"), 0.25),
    Session("h01-transactions", "heldout", "busy", 901, ("transactions", "burst"), 0.25),
    Session("t03-memory-batch", "train", "busy", 103, ("memory", "batch"), 0.2),
    Session("t04-churn-switches", "train", "busy", 104, ("churn", "switches"), 0.2),
    Session("v01-mixed", "validation", "busy", 501, _TRAINED, 0.25),
    Session("t05-server-log", "train", "busy", 105, ("server", "log"), 0.2),
    Session("h02-backup", "heldout", "busy", 902, ("backup", "memory", "server"), 0.25),
    Session("t06-day", "train", "day", 106, _TRAINED, 0.6),
    Session("t07-mixed", "train", "busy", 107, _TRAINED, 0.15),
    Session("h03-day", "heldout", "day", 903, (*_TRAINED, "transactions", "backup"), 0.6),
    Session("t08-mixed", "train", "busy", 108, _TRAINED, 0.15),
    Session("v02-day", "validation", "day", 502, _TRAINED, 0.6),
)

PLANS: dict[str, tuple[Session, ...]] = {"quick": QUICK}
