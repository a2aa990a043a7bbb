# SPDX-License-Identifier: Apache-2.0
"""Pictures the real shell on this machine, after two minutes: `screenshot.py docs/images/shell.svg`."""

import argparse
import asyncio
import re
from pathlib import Path

from jepa.service.client import connect
from jepa.shell.complete import Vocabulary
from jepa.shell.prompt_line import LineRunner, verbs
from jepa.shell.tui.app import ShellApp


async def picture(out: Path, seconds: float, size: tuple[int, int], typed: list[str]) -> None:
    """Run the shell for ``seconds`` on live telemetry, type the lines and write what it shows as SVG."""
    client = connect(local=True)
    app = ShellApp(client, LineRunner(), Vocabulary(verbs()))
    async with app.run_test(size=size):
        await asyncio.sleep(seconds)
        for line in typed:
            await app.submit(line)
            while app.query(".-waiting"):
                await asyncio.sleep(0.5)
            await asyncio.sleep(1)
        out.parent.mkdir(parents=True, exist_ok=True)
        # A picture in a page may load nothing from elsewhere, so it goes without its web fonts.
        svg = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(), flags=re.DOTALL)
        out.write_text(svg.replace("Fira Code,", ""), encoding="utf-8")
    client.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--seconds", type=float, default=110)
    arguments.add_argument("--size", type=int, nargs=2, default=(120, 36), metavar=("COLUMNS", "ROWS"))
    arguments.add_argument("--type", nargs="*", default=["why is it slow?"], metavar="LINE")
    wanted = arguments.parse_args()
    asyncio.run(picture(wanted.out, wanted.seconds, tuple(wanted.size), wanted.type))
