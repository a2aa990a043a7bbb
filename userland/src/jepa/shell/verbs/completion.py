# SPDX-License-Identifier: Apache-2.0
"""`jepa completion`: a script that completes verbs and options in bash or zsh."""

import shtab

from jepa.shell.parser import build_parser
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Print the script."""
    script = shtab.complete(build_parser(), shell=request.args.shell)
    if request.out.json:
        request.out.data({"shell": request.args.shell, "script": script})
    else:
        request.out.line_raw(script)
    return 0
