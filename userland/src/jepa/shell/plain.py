# SPDX-License-Identifier: Apache-2.0
"""The shell in plain lines: for serial lines, dumb terminals, screen readers and pipes."""

import math
import select
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from jepa.errors import JepaError
from jepa.service.api import Client, EventOut, ForecastOut, FrameOut
from jepa.shell.channel_names import choose, label
from jepa.shell.complete import Vocabulary
from jepa.shell.formatting import interval, quantity
from jepa.shell.habits.habits import Habits
from jepa.shell.output import Output, OutputError, writing
from jepa.shell.tick_table import TickTable, names_channels_alone
from jepa.text import shown

PROMPT = "jepa> "
READY = "jepa: ready"
"""Printed once, when the first prompt is about to come; scripts wait for it."""
SUMMARY = 4
"""Channels the one-line summary names."""
LEAD_S = 15
"""The forecast window the summary speaks of, in seconds, or the pack's nearest."""

WORDS = """\
status              state of each part       forecast [CHANNEL]  what is expected
doctor              what is wrong and why    watch [CHANNEL]     values each second, Enter ends it
Enter               one line of live values  help                every verb
quit or Ctrl-D      leaves                   Tab                 completes verbs and channels"""

RunLine = Callable[[Client, str, int], str]
"""Runs one verb line and gives its text for so many columns; raises JepaError."""


class PlainShell:
    """Reads verb lines and prints answers; every line says by itself what it is."""

    def __init__(
        self,
        client: Client,
        run_line: RunLine,
        vocabulary: Vocabulary,
        *,
        habits: Habits | None = None,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> None:
        self._client = client
        self._run_line = run_line
        self._vocabulary = vocabulary
        self._habits = habits or Habits()
        self._stdin = stdin or sys.stdin
        self._stdout = stdout or sys.stdout
        self._units: dict[str, str] = {}
        self._following = threading.Lock()
        """Held for a whole tick by who follows the stream, so that none falls into the next prompt."""

    def run(self) -> int:
        """Read until the end of input; always 0, since a refused verb does not end the shell."""
        interactive = self._stdin.isatty()
        if isinstance(self._stdout, TextIOWrapper):
            self._stdout.reconfigure(errors="replace")  # a C locale must not end the shell
        if interactive:
            self._edit_lines()
            self._welcome()
        while True:
            try:
                line = input(PROMPT) if interactive else self._stdin.readline()
            except KeyboardInterrupt:
                self._print("")
                continue
            except EOFError:
                self._print("")
                return 0
            except OSError:  # the terminal is gone
                return 0
            if not interactive and not line:
                return 0
            if interactive:
                self._habits.typed(line)
            try:
                if not self._do(line.strip()):
                    return 0
            except KeyboardInterrupt:
                self._print("Stopped.")
            except OutputError:
                raise
            except JepaError as error:
                self._print(f"Refused: {error.problem} {error.remedy}".rstrip())

    def _do(self, line: str) -> bool:
        """Run one line; False when it leaves the shell."""
        verb, *words = line.removeprefix("jepa ").split() or [""]
        if verb in ("quit", "exit"):
            return False
        if verb in ("", "live"):
            if line or self._stdin.isatty():
                self._print(self._summary())
        elif verb == "watch" and names_channels_alone(words):
            self._watch(words)
        else:
            width = shutil.get_terminal_size().columns
            for answer in self._run_line(self._client, line, width).rstrip().split("\n"):
                self._print(answer)
        return True

    def _print(self, line: str) -> None:
        with writing():
            print(shown(line), file=self._stdout, flush=True)

    def _welcome(self) -> None:
        try:
            status = self._client.status()
            self._vocabulary.channels = [channel.name for channel in self._client.channels()]
            self._print(f"JEPA OS {status.version} on {status.host}: {status.state}.")
            model = f"world model {status.pack}" if status.pack else "no world model"
            seen = f"{status.context_frames} of {status.context_limit} frames"
            self._print(f"Watching with {model}; it has seen {seen}.")
        except JepaError as error:
            self._print(f"Service: {error.problem} {error.remedy}".rstrip())
        for words in WORDS.split("\n"):
            self._print(words)
        self._print(READY)

    # Live values

    def _summary(self) -> str:
        frames = self._client.frames(limit=1)
        if not frames:
            return "Live: no frame yet."
        frame, forecast = frames[-1], None
        with suppress(JepaError):
            forecast = self._client.forecast()
        observed = {name for name, value in frame.values.items() if value is not None}
        names = choose(self._client.channels(), observed, SUMMARY)
        return "Live: " + "; ".join(self._said(name, frame, forecast) for name in names)

    def _said(self, name: str, frame: FrameOut, forecast: ForecastOut | None) -> str:
        if not self._units:
            self._units = {channel.name: channel.unit for channel in self._client.channels()}
        unit = self._units[name]
        value = frame.values.get(name)
        said = f"{label(name)} {quantity(math.nan if value is None else value, unit)}"
        bands = forecast.channels.get(name, []) if forecast else []
        if bands:
            band = min(bands, key=lambda b: abs(b.horizon_s - LEAD_S))
            found = interval(band.mean)
            if found is not None:
                low, high = quantity(found.low, unit), quantity(found.high, unit)
                said += f", next {band.horizon_s} s {low} to {high}"
        return said

    def _watch(self, words: Sequence[str]) -> None:
        """Print every tick until Enter, Ctrl-C or the service's end."""
        width = shutil.get_terminal_size().columns
        out = Output(self._stdout, json=False, unicode=False, colour=False, width=width)
        table = TickTable(out, self._client.channels(), words)
        self._print("Watching; Enter ends it.")
        done = threading.Event()
        failed: list[JepaError | OSError] = []
        printer = threading.Thread(target=self._follow, args=(table, done, failed), daemon=True)
        try:
            printer.start()  # Ctrl-C may come while it waits for the thread
            while printer.is_alive():
                if self._stdin.isatty() and select.select([self._stdin], [], [], 0.2)[0]:
                    self._stdin.readline()
                    break
                printer.join(0.0 if self._stdin.isatty() else 0.2)
        finally:
            with self._following:
                done.set()
        if failed:
            raise failed[0]

    def _follow(self, table: TickTable, done: threading.Event, failed: list[JepaError | OSError]) -> None:
        try:
            for tick in self._client.stream(table.names):
                if isinstance(tick, EventOut):
                    continue
                with self._following:
                    if done.is_set():
                        return
                    table.draw(tick)
        except (JepaError, OSError) as error:
            failed.append(error)

    # Line editing

    def _edit_lines(self) -> None:
        """History and completion, where Python has readline."""
        try:
            import readline
        except ImportError:
            return

        def complete(_: str, state: int) -> str | None:
            line = readline.get_line_buffer()[: readline.get_endidx()]
            found = self._vocabulary.completions(line)
            start = readline.get_begidx()
            return found[state][start:] + (" " if len(found) == 1 else "") if state < len(found) else None

        readline.set_completer_delims(" ")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")
        # Bracketed paste writes escape codes that a dumb terminal shows as rubbish.
        readline.parse_and_bind("set enable-bracketed-paste off")
