# SPDX-License-Identifier: Apache-2.0
"""`jepa act`: one typed change of the machine, shown before it is made, and what takes it back."""

from typing import TYPE_CHECKING, Any

from jepa.actions.catalogue import ActionType, TargetKind, action_type
from jepa.actions.messages import ActionRequest as ActionRequest
from jepa.actions.messages import Preview
from jepa.errors import JepaError
from jepa.shell import previews
from jepa.shell.consent import asked, can_ask
from jepa.shell.request import Request
from jepa.shell.usage import UsageError

if TYPE_CHECKING:
    from jepa.shell.output import Colour

VERDICTS = {"allow": "allowed", "ask": "needs consent", "deny": "refused"}
_COLOURS: "dict[str, Colour]" = {"allow": "green", "ask": "yellow", "deny": "red"}


def run(request: Request) -> int:
    """Show the change and make it; 1 when it is refused, reverted or failed."""
    try:
        return _act(request)
    except JepaError as error:
        if error.status == 422 and not isinstance(error, UsageError):
            raise UsageError(error.problem, error.remedy, status=422) from error
        raise


def _act(request: Request) -> int:
    args, out = request.args, request.out
    action = known(args.name)
    wanted = action_request(request, action)
    preview = request.actuator.check(wanted)
    decision, reasons = preview.verdict.decision, " ".join(preview.verdict.reasons)
    may_ask = args.yes or can_ask(request)
    if args.dry_run or not out.json:
        # What is refused for good is an error with these reasons, and they are not said twice.
        _show(
            request, action, preview, args.dry_run or decision == "allow" or (decision == "ask" and may_ask)
        )
    if args.dry_run:
        return 1 if decision == "deny" else 0
    if decision == "deny":
        raise JepaError(
            f"{args.name} is refused. {reasons}".strip(), "`jepa policy show` has the rules.", status=403
        )
    if decision == "ask" and not may_ask:
        raise JepaError(f"{args.name} needs consent. {reasons}".strip(), "Add --yes to give it.", status=403)
    consent = args.yes or (decision == "ask" and asked())
    from jepa.shell.making import make  # with all that a dry run has no use for

    return make(request, wanted, consent)


def known(name: str) -> ActionType:
    """The action of that name; UsageError naming the nearest ones."""
    try:
        return action_type(name)
    except JepaError as error:
        raise UsageError(error.problem, error.remedy, status=404) from error


def action_request(request: Request, action: ActionType) -> ActionRequest:
    """What the words of the command line ask for; UsageError when there are too few or too many."""
    args = request.args
    words = [word for word in (args.target, args.value) if word is not None]
    targeted = action.target is not TargetKind.MACHINE
    takes = [action.target.upper()] * targeted + ["VALUE"] * action.takes_value
    if len(words) != len(takes):
        wanted = " ".join(["jepa act", action.name, *takes])
        said = " and ".join(f"a {word}" for word in takes) or "neither target nor value"
        raise UsageError(
            f"{action.name} takes {said}: `{wanted}`.",
            f"For instance `{action.example}`; `jepa actions {action.name}` describes it.",
            status=400,
        )
    if args.keep_if and not args.watch:
        raise UsageError(
            "--keep-if holds while the change is watched.", "Add --watch 30s, for instance.", status=400
        )
    return ActionRequest(
        action=action.name,
        target=words[0] if targeted else "",
        value=words[-1] if action.takes_value else None,
        for_s=args.for_s,
        watch_s=float(args.watch),
        keep_if=args.keep_if,
        why=args.why,
    )


def _show(request: Request, action: ActionType, preview: Preview, verdict_too: bool) -> None:
    """What would be changed, what the guard says, what takes it back."""
    args, out = request.args, request.out
    ends = previews.end(action, args.for_s, args.watch, args.keep_if)
    verdict = preview.verdict
    if out.json:
        shown: dict[str, Any] = {
            "action": preview.action,
            "target": preview.target,
            "from": preview.old,
            "to": preview.new,
            "verdict": {"decision": verdict.decision, "reasons": list(verdict.reasons)},
            "tier": action.tier,
            "reversible": action.reversible,
            "for_s": args.for_s,
        }
        out.data(shown)
        return
    out.line(previews.what(action, preview.target, preview.old, preview.new))
    if not verdict_too:
        out.flush()
        return
    colour = _COLOURS[verdict.decision]
    word = out.coloured(VERDICTS[verdict.decision], colour)
    out.line(f"  {word}{': ' if verdict.reasons else ''}{' '.join(verdict.reasons)}")
    if verdict.decision != "deny":
        for sentence in ends:
            out.line(f"  {sentence}")
    out.flush()
