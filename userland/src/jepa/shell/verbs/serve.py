# SPDX-License-Identifier: Apache-2.0
"""`jepa serve`: the daemon in the foreground."""

from jepa.service.daemon import serve
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    serve(getattr(request.args, "socket", None), request.args.state_dir)
    return 0
