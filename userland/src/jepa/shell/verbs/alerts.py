# SPDX-License-Identifier: Apache-2.0
"""`jepa alerts`: the kinds of alerts, what they came to on this machine, and which are muted."""

import time

from jepa.service.api import AlertKind
from jepa.shell.request import Request


def run(request: Request) -> int:
    """List the kinds, or first mute or unmute one."""
    args, client = request.args, request.client
    if args.action == "mute":
        kinds = client.mute_alerts(args.kind, args.seconds)
    elif args.action == "unmute":
        kinds = client.unmute_alerts(args.kind)
    else:
        kinds = client.alerts()
    if request.out.json:
        request.out.data(kinds)
        return 0
    width = max(len(each.kind) for each in kinds)
    for each in kinds:
        request.out.line(
            f"  {each.kind:{width}}  {each.right:4} right  {each.false_alarms:4} false  {_state(each)}"
        )
    return 0


def _state(kind: AlertKind) -> str:
    if not kind.muted:
        return ""
    if kind.muted_until_ns is None:
        return "muted"
    return f"muted until {time.strftime('%Y-%m-%d %H:%M', time.localtime(kind.muted_until_ns / 1e9))}"
