# SPDX-License-Identifier: Apache-2.0
"""`jepa grants`: what jepad may do by itself, and the end of that."""

from jepa.shell.request import Request


def run(request: Request) -> int:
    """List the grants, or end one first."""
    args, out, actuator = request.args, request.out, request.actuator
    if args.action == "revoke":
        actuator.revoke(args.grant)
        out.data({"revoked": args.grant}) if out.json else out.line(f"Grant {args.grant} has ended.")
        return 0
    grants = actuator.grants()
    if out.json:
        out.data(list(grants))
    elif not grants:
        out.line("There are no grants: jepad changes nothing by itself.")
    for grant in () if out.json else grants:
        out.line(f"{grant.get('id', '?')}")
        for name, value in grant.items():
            if name != "id" and value not in (None, "", [], {}):
                out.line(f"  {name:<10}  {_words(value)}")
    return 0


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    return str(value)
