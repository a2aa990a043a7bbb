# SPDX-License-Identifier: Apache-2.0
"""`jepa mcp`: lets an assistant ask about this machine and propose plans, on standard input and output."""

from jepa.errors import JepaError
from jepa.shell.request import Request


def run(request: Request) -> int:
    """Serve until the client closes its end."""
    try:
        from jepa.shell.mcp.server import server
    except ImportError as error:
        if not (error.name or "").startswith("mcp"):
            raise
        raise JepaError(
            "The SDK of the Model Context Protocol is not installed.", "Install jepa with its libraries."
        ) from error
    from jepa.shell.mcp.tools import Tools

    server(Tools(request)).run("stdio")
    return 0
