# SPDX-License-Identifier: Apache-2.0
"""The command line answers people and programs, with the exit status it promises, and starts fast."""

import argparse
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jepa.fleet.keys import make_keys
from jepa.service.api import Band, ChannelInfo, ForecastOut, FrameOut
from jepa.service.serialisation import channel_infos
from jepa.shell import arguments
from jepa.shell.cli import main
from jepa.shell.output import Output
from jepa.shell.parser import build_parser, parse
from jepa.shell.prompt_line import run_line, verbs
from jepa.shell.usage import span
from jepa.shell.verbs.forecast import event_lines, is_quiet, overview
from jepa.telemetry.schema import load_schema

JEPA = [sys.executable, "-c", "import sys; from jepa.shell.cli import main; sys.exit(main())"]
HEAVY = ["numpy", "onnxruntime", "fastapi", "uvicorn", "pydantic", "duckdb", "textual", "psutil", "asyncio"]


@pytest.fixture
def socket(served: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The socket of a running daemon, which is also the default one."""
    monkeypatch.setenv("JEPA_SOCKET", str(served.socket))
    path: Path = served.socket
    return path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    said = capsys.readouterr()
    return status, said.out, said.err


def jepa(*words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*JEPA, *words], capture_output=True, text=True, timeout=120, **more)


@pytest.mark.parametrize("words", [("update", "apply", "0.2.0"), ("packs", "use", "none", "1.0.0")])
def test_a_version_that_a_verb_takes_is_not_a_wish_for_ours(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status, out, error = answer(capsys, *words)
    assert (status, out) == (1, "")
    assert "no image of JEPA OS" in error or "There is no pack none 1.0.0 here" in error or "root" in error


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["status"], ("state", "parts", "sources", "budget")),
        (["doctor"], ("state", "checks")),
        (["today"], ("since_ns", "predicted", "changes", "brought", "in_force", "cost", "limits")),
        (["watch", "--count", "1"], ("frame", "forecast", "surprise")),
        (["watch", "cpu", "--count", "1"], ("frame", "forecast")),
        (["forecast"], ("channels", "unit", "ts_ns")),
        (["forecast", "system.cpu.utilization", "--horizon", "60"], ("channels",)),
        (["--version"], ("version",)),
        (["completion", "bash"], ("shell", "script")),
    ],
    ids=" ".join,
)
def test_a_verb_gives_one_line_of_json(
    socket: Path, capsys: pytest.CaptureFixture[str], words: list[str], fields: tuple[str, ...]
) -> None:
    status, out, err = answer(capsys, *words, "--json")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    assert set(fields) <= set(json.loads(out))


@pytest.mark.parametrize(
    "words",
    [["status"], ["doctor"], ["watch", "--count", "1"], ["forecast"], ["forecast", "cpu"]],
    ids=" ".join,
)
def test_a_verb_gives_plain_ascii_lines_to_a_pipe(
    socket: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    status, out, err = answer(capsys, *words)
    assert (status, err) == (0, "")
    assert out.isascii()
    assert "\x1b" not in out
    assert len(out.splitlines()) > 3


def test_a_forecast_shows_every_horizon_with_its_band(
    socket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = answer(capsys, "forecast", "system.memory.utilization")
    assert [f"next {horizon} s" in out for horizon in (1, 5, 60)] == [True] * 3
    assert ".." in out
    assert " %" in out


@pytest.mark.parametrize("width", [80, 82, 100, 160])
def test_no_line_of_the_overview_is_wider_than_the_screen(width: int) -> None:
    schema = load_schema()
    channels = {each.name: each for each in channel_infos(schema)}
    bands = {
        each.name: [Band(horizon_s=30, mean=quantiles, p90=quantiles)]
        for each in schema.channels
        for quantiles in ({"0.05": 0.0149 * each.high, "0.5": 0.51 * each.high, "0.95": 0.951 * each.high},)
    }
    forecast = ForecastOut(
        ts_ns=1, unit={name: each.unit for name, each in channels.items()}, channels=bands
    )
    past = [FrameOut(ts_ns=1, values={name: 0.511 * each.high for name, each in channels.items()})]
    out = Output(io.StringIO(), json=False, unicode=True, colour=False, width=width)
    overview(out, channels, forecast, past)
    lines = out.stream.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == len(channels) + 1
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("now", "high", "quiet"), [(0.0, 0.5, True), (0.0, 30.0, False), (9.0, 0.5, False)])
def test_a_channel_is_quiet_when_it_does_nothing_and_is_expected_to_do_nothing(
    now: float, high: float, quiet: bool
) -> None:
    channel = ChannelInfo(
        name="x", unit="%", low=0.0, high=100.0, noise_floor=1.0, source="test", description="x"
    )
    quantiles = {"0.05": 0.0, "0.5": 0.1, "0.95": high}
    band = Band(horizon_s=30, mean=quantiles, p90=quantiles)
    assert is_quiet(channel, band, [FrameOut(ts_ns=1, values={"x": now})]) is quiet
    assert not is_quiet(channel, band, [FrameOut(ts_ns=1, values={"x": None})])


def test_events_that_may_well_come_are_told_the_likeliest_first() -> None:
    probability = {
        "io_stall": {"5": 0.01, "60": 0.2},
        "cpu_saturation": {"5": 0.7, "60": 0.7},
        "oom_kill": {"5": 0.0, "60": 0.04},
    }
    told = io.StringIO()
    out = Output(told, json=False, unicode=False, colour=False)
    event_lines(out, ForecastOut(ts_ns=1, unit={}, channels={}, event_probability=probability))
    assert told.getvalue().splitlines() == ["cpu saturation within 5 s: 70 %", "io stall within 60 s: 20 %"]


def test_watch_compares_with_what_was_forecast(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, "watch", "memory", "--count", "2")
    first, second = out.strip().split("\n\n")
    assert ".." in second.splitlines()[-1].split("%")[1]
    assert "- " in first.splitlines()[-1]


def test_status_counts_channels_once(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, "status")
    assert len(re.findall(r"\d+ of \d+ channels", out)) == 1


def test_doctor_names_every_source(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = answer(capsys, "doctor")
    for source in ("cpu", "memory", "disk", "hardware"):
        assert f"source {source}" in out
    assert "socket" in out


def test_a_kind_of_alert_is_muted_listed_and_unmuted(
    socket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = answer(capsys, "alerts", "mute", "io_stall", "--for", "1d")
    assert status == 0
    assert re.search(r"^  io_stall +0 right +0 false  muted until 20\d\d-", out, re.MULTILINE)
    _, out, _ = answer(capsys, "alerts", "list", "--json")
    assert [each["kind"] for each in json.loads(out) if each["muted"]] == ["io_stall"]
    _, out, _ = answer(capsys, "doctor")
    assert "Muted: io_stall." in out
    _, out, _ = answer(capsys, "alerts", "unmute", "io_stall")
    assert "muted" not in out
    status, _, error = answer(capsys, "alerts", "mute", "nonsense")
    assert status == 1
    assert "cpu_saturation" in error


def test_record_writes_what_the_contract_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answer(capsys, "record", str(tmp_path / "r"), "--seconds", "1", "--json")
    assert status == 0
    assert json.loads(out)["frames"] == 1
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"frames.parquet", "actions.parquet", "events.parquet", "meta.json"} <= names


def test_record_sends_its_parts_to_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_keys(tmp_path)
    (tmp_path / "store").mkdir()
    to = ("--to", (tmp_path / "store").as_uri(), "--key", str(tmp_path / "fleet.key"))
    status, out, _ = answer(
        capsys, "record", str(tmp_path / "r"), "--seconds", "2", "--every", "1s", *to, "--json"
    )
    said = json.loads(out)
    assert (status, said["parts"], said["sent"]["waiting"], said["sent"]["fault"]) == (0, 2, 0, None)
    assert len(said["sent"]["sent"]) == 2
    assert len(list((tmp_path / "store").glob("hosts/*/*/frames.parquet"))) == 2
    assert [each.name for each in (tmp_path / "r").iterdir()] == [".fleet"]


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--socket", "/nowhere/s"],
        ["forecast", "system.cpu.utilisation"],
        ["forecast", "--horizon", "59"],
        ["watch", "system.cpu.utilisation"],
        ["evaluate", "/nowhere"],
        ["packs", "verify", "--pack", "/nowhere"],
        ["record", "/proc/nowhere", "--seconds", "1"],
    ],
    ids=" ".join,
)
def test_a_refusal_names_problem_and_remedy_and_exits_1(
    socket: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    status, out, err = answer(capsys, *words)
    assert status == 1
    assert "Traceback" not in out + err
    assert (out + err).strip()
    status, out, err = answer(capsys, *words, "--json")
    assert (status, err) == (1, "")
    said = json.loads(out)
    error = said[0] if isinstance(said, list) else said["error"]
    assert error["problem"]
    assert error["remedy"]


@pytest.mark.parametrize(
    "words",
    [
        ["stauts"],
        ["forecast", "--horizon", "soon"],
        ["watch", "--count", "0"],
        ["status", "now"],
        ["--jsn"],
        ["packs"],
        ["packs", "lst"],
        ["packs", "list", "--checkpoint", "y"],
        ["packs", "verify", "vjepa2"],
        ["packs", "build", "vjepa2"],
        ["packs", "build", "vjepa2", "--checkpoint", "x", "--out", "y", "--pack", "z"],
        ["vision"],
        ["vision", "embed", "x", "--robot", "arm"],
        ["vision", "embed", "x", "--most", "3"],
        ["vision", "search", "x", "--clips", "3"],
        ["vision", "watch", "x", "--index", "y"],
        ["vision", "reach", "x", "--fps", "3"],
        ["vision", "reach", "x", "--skip-unchanged", "3"],
        ["vision", "embed", "x", "--skip-unchanged", "nan"],
        ["vision", "embed", "x", "--fps", "inf"],
        ["evaluate", "x", "--local"],
        ["--local", "packs", "list"],
        ["--socket", "x", "record", "y"],
        ["--local", "--socket", "x", "status"],
        ["--plain", "status"],
    ],
    ids=" ".join,
)
def test_what_is_not_understood_exits_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    status, out, err = answer(capsys, *words)
    assert (status, out) == (2, "")
    assert err.strip()
    status, out, err = answer(capsys, *words, "--json")
    assert (status, err) == (2, "")
    assert set(json.loads(out)["error"]) == {"problem", "remedy"}


def test_an_unknown_verb_is_answered_with_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean forecast?" in answer(capsys, "forcast")[2]


def test_doctor_says_that_jepad_does_not_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = answer(capsys, "doctor", "--json", "--socket", str(tmp_path / "none"))
    assert status == 1
    found = json.loads(out)
    assert found["state"] == "failed"
    assert "systemctl start jepad" in found["checks"][0]["remedy"]


def test_global_options_stand_before_or_after_the_verb(
    socket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JEPA_SOCKET")
    before = answer(capsys, "--json", "--socket", str(socket), "status")
    after = answer(capsys, "status", "--socket", str(socket), "--json")
    assert json.loads(before[1])["host"] == json.loads(after[1])["host"]


def words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Where the values of all verbs' positional words go, below ``parser``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from (word.dest for word in each._actions if not word.option_strings)
                yield from words_of(each)


def test_no_word_of_a_verb_is_taken_for_a_global_option() -> None:
    parser = build_parser()
    options = {action.dest for action in parser._actions if action.option_strings}
    assert "own_version" in options
    assert options.isdisjoint(words_of(parser))
    assert parse(["update", "apply", "9.9"]).named == "9.9"


@pytest.mark.parametrize("family", arguments.FAMILIES)
def test_the_table_of_families_names_the_verbs_that_each_module_has(family: str) -> None:
    module = importlib.import_module(f"jepa.shell.arguments.{family}")
    assert tuple(verb.name for verb in module.VERBS) == arguments.FAMILIES[family]


@pytest.mark.parametrize(
    "words",
    [
        *([name] for name in arguments.NAMES),
        *([verb.name, each.name] for verb in arguments.verbs() for each in verb.actions),
    ],
    ids=" ".join,
)
def test_every_verb_has_help_with_an_example(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    status, out, err = answer(capsys, *words, "--help")
    assert (status, err) == (0, "")
    assert "examples:" in out
    assert out.count(f"jepa {' '.join(words)}") >= 2
    assert answer(capsys, "help", *words) == (status, out, err)


@pytest.mark.parametrize(
    "words", [["--help"], ["status"], ["forecast"], ["watch", "--count", "1"]], ids=" ".join
)
def test_the_commands_used_most_import_nothing_heavy(socket: Path, words: list[str]) -> None:
    code = (
        "import sys; from jepa.shell.cli import main; status = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == "[]\n"


def test_a_reader_that_leaves_is_no_error(socket: Path) -> None:
    with subprocess.Popen(
        [*JEPA, "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout
        assert watch.stderr
        watch.stdout.readline()
        watch.stdout.close()
        assert watch.wait(timeout=30) == 0
        assert watch.stderr.read() == ""


def test_ctrl_c_ends_watch_quietly(socket: Path) -> None:
    with subprocess.Popen(
        [*JEPA, "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout
        assert watch.stderr
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=30) == 0
        assert watch.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_a_stop_ends_a_recording_with_the_frames_so_far(
    tmp_path: Path, number: signal.Signals
) -> None:
    # In the background of a script it is started with Ctrl-C's signal ignored.
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    command = [*ignoring, *JEPA, "record", str(tmp_path / "r"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as recorder:
        while not any(path.stat().st_size > 400 for path in tmp_path.glob("r/log/*.frames")):
            assert recorder.poll() is None
        recorder.send_signal(number)
        out, err = recorder.communicate(timeout=60)
    assert (recorder.returncode, err) == (0, "")
    assert json.loads(out)["frames"] >= 1
    assert (tmp_path / "r" / "frames.parquet").exists()


def test_without_jepad_a_local_client_watches_by_itself(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "JEPA_PACK": str(tmp_path / "none")}
    done = jepa("--local", "status", "--json", env=environ)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mode"] == "local"
    assert found["frames"] >= 2
    assert next(part for part in found["parts"] if part["name"] == "model")["state"] == "degraded"


def test_a_real_machine_is_explained_with_what_was_measured(served: Any) -> None:
    found = json.loads(run_line(served.client, "explain cpu --json"))
    assert found["sampled_s"] >= 3
    assert {each["source"] for each in found["facts"]} >= {"system.cpu.utilization"}
    assert all(cause["evidence"] for cause in found["causes"])


def test_the_prompt_answers_the_same_verbs(served: Any) -> None:
    assert "telemetry" in run_line(served.client, "status")
    assert "next 60 s" in run_line(served.client, "forecast system.cpu.utilization")
    assert "next 60 s" in run_line(served.client, "jepa forecast cpu")
    assert "next 60 s" in run_line(served.client, "forecast cpu.utilization")
    assert json.loads(run_line(served.client, "status --json"))["host"]
    assert len(run_line(served.client, "watch").split("\n\n")) == 1


def test_the_prompt_answers_errors_with_their_sentence(served: Any) -> None:
    assert run_line(served.client, "statu") == "There is no verb 'statu'. Did you mean status?"
    assert "Did you mean system.cpu.utilization" in run_line(
        served.client, "forecast system.cpu.utilisation"
    )
    assert "in a terminal" in run_line(served.client, "serve")
    assert "--seconds" in run_line(served.client, "record x")
    assert "quotation" in run_line(served.client, "forecast 'cpu")
    assert run_line(served.client, "  ") == ""


@pytest.mark.parametrize(
    ("term", "ascii_only"), [("vt220", True), ("dumb", True), ("xterm-256color", False)]
)
def test_the_prompt_answers_in_what_the_terminal_shows(
    served: Any, monkeypatch: pytest.MonkeyPatch, term: str, ascii_only: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert run_line(served.client, "forecast cpu").isascii() is ascii_only


def test_help_at_the_prompt_lists_the_verbs(served: Any) -> None:
    text = run_line(served.client, "help")
    assert "usage" not in text
    for verb in verbs():
        assert verb == "help" or f"  {verb} " in text
    assert "--horizon" in run_line(served.client, "help forecast")
    assert "Did you mean" in run_line(served.client, "help forcast")


def test_the_parser_never_prints_or_exits_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="usage"):
        build_parser().parse_args(["--help"])
    assert capsys.readouterr() == ("", "")


def test_a_terminal_without_utf8_gets_ascii() -> None:
    from jepa.shell.output import Output

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Output(stream, json=False, unicode=False, colour=False).line("24 °C — fine")
    stream.flush()
    assert stream.buffer.getvalue() == b"24 C ? fine\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_and_honours_no_color(no_color: str, coloured: bool) -> None:
    from jepa.shell.output import Output

    class Tty(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    environ = {"TERM": "xterm", "NO_COLOR": no_color}
    out = Output.to(Tty(), json=False, environ=environ)
    assert out.unicode
    out.line(out.state("ok"))
    assert ("\x1b" in out.stream.getvalue()) is coloured  # type: ignore[attr-defined]
    assert Output.to(io.StringIO(), json=False, environ={"TERM": "xterm"}).state("ok") == "ok"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)])
def test_a_span_of_time_has_a_unit(text: str, seconds: int) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "d", "0d", "-1d", "1w", "1.5h", "99999999d", "٣d"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="span of time"):
        span(text)
