# SPDX-License-Identifier: Apache-2.0
"""`jepa do`: a task spec becomes a plan, and with consent a task that stands within a grant."""

import contextlib
import os
import time
from typing import Any, Final

from jepa.errors import JepaError
from jepa.service.api import TaskRequest
from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.shell.verbs.apply import consent, refuse_denied
from jepa.shell.verbs.plan import made, show, spec_text
from jepa.shell.verbs.tasks import describe, wait
from jepa.tasks.conditions import check_condition
from jepa.tasks.granting import grant_for

SETTLED_S: Final = 90.0
"""How long to wait until the first plan is carried out."""


def run(request: Request) -> int:
    """Have the task stand; 1 when it is refused, or has ended already."""
    out = request.out
    if "local" in request.args:
        raise UsageError("A task stands in jepad.", "Leave out --local.", status=400)
    plan = made(request, spec_text(request))
    if not out.json:
        show(request, plan)
    check_condition(plan["spec"])
    refuse_denied(plan)
    only_tells = plan["spec"]["intent"] == "watch" and not plan["settable"]
    if not plan["settable"] and not only_tells:
        reasons = " ".join(plan["verdict"]["reasons"])
        raise JepaError(f"There is nothing that a task could set. {reasons}", "Try again later.", status=409)
    task_id = f"t{os.urandom(4).hex()}"
    grant = None if only_tells else grant_for(task_id, plan)
    if grant is not None and not out.json:
        _say(request, grant)
    if grant is not None:  # to be told something takes no consent
        consent(request)
    granted = "" if grant is None else request.actuator.grant(grant)
    try:
        request.client.start_task(
            TaskRequest(task=task_id, grant=granted, spec=plan["spec"], plan=plan["id"])
        )
    except BaseException:  # nor does a person who interrupts leave a grant behind
        with contextlib.suppress(JepaError):
            if granted:
                request.actuator.revoke(granted)
        raise
    if request.conversation is not None:
        request.conversation.did(plan["id"], task=task_id)
    detail = wait(request, task_id, lambda task: task["settled"], time.monotonic() + SETTLED_S)
    if out.json:
        out.data({"task": detail["task"], "plan": plan, "history": detail["history"]})
    else:
        describe(out, detail)
    return 0 if detail["task"]["state"] == "active" else 1


def _say(request: Request, grant: dict[str, Any]) -> None:
    """What jepad may then do by itself."""
    out = request.out
    out.line()
    out.line("jepad may then, by itself and for this task alone, change")
    for action in grant["actions"]:
        low, high = grant.get("ranges", {}).get(action, (None, None))
        span = "" if low is None else f" from {low:g} to {high:g}" if low != high else f" to {low:g}"
        out.line(f"  {action}{span} of {', '.join(grant['targets'])}")
    until = f"for {grant['for_s']:.0f} s" if "for_s" in grant else "until `jepa tasks end`"
    out.line(f"  at most {grant['rate_per_hour']} times an hour, {until}")
