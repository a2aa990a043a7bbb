# SPDX-License-Identifier: Apache-2.0
"""`jepa watch`: each second what was observed, what was forecast for it, and what is forecast next."""

from jepa.service.api import TickOut
from jepa.shell.request import Request
from jepa.shell.tick_table import TickTable


def run(request: Request) -> int:
    """Show ticks until --count or Ctrl-C; at the prompt one, unless --count is given."""
    count: int | None = request.args.count
    if count is None and request.prompt:
        count = 1
    table = TickTable(request.out, request.client.channels(), request.args.channels)
    try:
        ticks = (each for each in request.client.stream(table.names) if isinstance(each, TickOut))
        for seen, tick in enumerate(ticks, start=1):
            if request.out.json:
                request.out.data(tick)
            else:
                table.draw(tick)
            if count is not None and seen >= count:
                break
    except KeyboardInterrupt:
        if request.prompt:
            raise
    return 0
