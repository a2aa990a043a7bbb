# SPDX-License-Identifier: Apache-2.0
"""`jepa apply`: the steps of a plan, exactly as they were shown; all of them are kept, or none."""

from collections.abc import Mapping
from typing import Any, Final

from jepa.actions.catalogue import catalogue
from jepa.actions.change import Change
from jepa.actions.clock import HostClock
from jepa.actions.request import make
from jepa.actions.rows import change_row, state
from jepa.actions.values import shown as shown_value
from jepa.errors import JepaError
from jepa.planning.plan import verify
from jepa.shell import changes
from jepa.shell.consent import asked, can_ask
from jepa.shell.formatting import quantity
from jepa.shell.request import Request
from jepa.shell.verbs.plan import show
from jepa.tasks.durations import seconds
from jepa.tasks.steps import Terms, carry_out, requests

CONSENT: Final = "Add --yes to give consent, or ask at a terminal."


def run(request: Request) -> int:
    """Apply the plan after consent; 1 when it is refused, or a step was not kept."""
    args, out = request.args, request.out
    plan = request.client.kept_plan(args.plan)
    clock = HostClock()
    verify(plan, clock.boot_id, clock.boottime_s())
    if not out.json:
        show(request, plan)
    refuse_denied(plan)
    if not plan["steps"]:
        out.data({"plan": plan, "history": []}) if out.json else out.line("There is nothing to do.")
        return 0
    consent(request)
    until, horizon_s = plan["spec"].get("until"), plan["imagined"]["horizon_s"]
    terms = Terms(
        why=args.why,
        for_s=float(args.for_s) if args.for_s else seconds(until) if until else None,
        watch_s=horizon_s,
    )
    if not out.json:
        out.line(f"Each step is watched for some seconds, the last for {horizon_s} s.")
        out.flush()
    carried = carry_out(
        requests(plan, terms),
        request.actuator,
        lambda **what: make(clock, **what),
        consent=True,
        told=lambda change: None if out.json else tell(request, change, plan["imagined"]["unit"]),
    )
    if request.conversation is not None:
        request.conversation.did(plan["id"], [each.id for each in carried.changes if each.in_force])
    if out.json:
        answer: dict[str, Any] = {"plan": plan, "history": [change_row(each) for each in carried.changes]}
        if carried.problem is not None:
            answer["error"] = {"problem": carried.problem.problem, "remedy": carried.problem.remedy}
        out.data(answer)
    elif carried.problem is not None:
        raise carried.problem
    return 1 if carried.problem is not None else 0


def refuse_denied(plan: dict[str, Any]) -> None:
    """JepaError (403) with its reasons for a plan that nothing can be done about."""
    if plan["verdict"]["decision"] == "deny":
        reasons = " ".join(plan["verdict"]["reasons"])
        raise JepaError(f"The plan is refused. {reasons}", "`jepa plan` makes another.", status=403)


def consent(request: Request) -> None:
    """JepaError (403) unless the person gave their consent, or gives it now."""
    if request.args.yes:
        return
    if not can_ask(request):
        raise JepaError("Applying a plan needs your consent.", CONSENT, status=403)
    request.out.flush()
    asked()


def tell(request: Request, change: Change, units: Mapping[str, str]) -> None:
    """A line for a change made or taken back; what was predicted and came, in ``units`` by channel."""
    out = request.out
    word = out.coloured(state(change), changes.STATE_COLOURS[state(change)])
    to = shown_value(catalogue().get(change.action), change.new)
    detail = f": {change.detail}" if change.detail else ""
    out.line(f"  {change.id}  {change.action} {change.target} {to}  {word}{detail}")
    for name, (low, middle, high) in change.predicted.items():
        if name in change.observed and change.in_force:
            unit = units.get(name, "")
            said = [quantity(value, unit) for value in (middle, low, high, change.observed[name])]
            out.line("    {}: predicted {} ({} .. {}), came {}".format(name, *said))
    out.flush()
