# SPDX-License-Identifier: Apache-2.0
"""`jepa mcp`, asked by the protocol's own client: what it tells, and that it has no tool that changes."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

JEPA = ["-c", "import sys; from jepa.shell.cli import main; sys.exit(main())"]
READING = {
    "status": {},
    "doctor": {},
    "forecast": {"channels": ["cpu"], "horizon_s": 60},
    "events": {"since_s": 60, "kinds": ["unit_failed"]},
    "actions": {},
    "parse": {"text": "free memory but not the database"},
}

REFUSED = (
    ("forecast", {"channels": ["no.such"]}, "There is no channel 'system.no.such'. Did you"),
    ("forecast", {"horizon_s": -1}, "greater than or equal to 1"),
    ("events", {"since_s": 10**30}, "less than or equal to"),
    ("actions", {"name": "rm"}, "There is no action"),
    ("history", {"limit": "many"}, "valid integer"),
    ("history", {}, "systemctl start jepa-actuator.socket"),
    ("parse", {"text": "x" * 100_000}, "at most 4096"),
    ("propose_plan", {}, "One of text and spec is wanted."),
    ("propose_plan", {"text": "free memory", "spec": {"intent": "reclaim"}}, "One of text and spec"),
    ("propose_plan", {"spec": {"intent": "destroy"}}, "intent"),
    ("propose_plan", {"text": "undo the last change"}, "jepa undo"),
    ("act", {"action": "vm.swappiness", "value": "1"}, "Unknown tool"),
)
"""Each a tool, its arguments, and what is told."""


@asynccontextmanager
async def asked(socket: Path) -> AsyncIterator[Client]:
    """A client of `jepa mcp`, which asks the daemon at ``socket``."""
    words = [*JEPA, "mcp", "--socket", str(socket)]
    async with Client(StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))) as it:
        yield it


def said(result: Any) -> str:
    return str(result.content[0].text)


async def test_tools_only_read_answer_what_verbs_print_and_tell_what_cannot_be_done(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JEPA_ACTUATOR_SOCKET", "/nowhere")
    async with asked(served.socket) as client:
        await assert_every_tool_only_reads(client)
        await assert_answers_are_what_verbs_print(client, served.client.status().host)
        await assert_what_cannot_be_done_is_told_with_the_remedy(client)


async def assert_every_tool_only_reads(client: Client) -> None:
    assert client.protocol_version >= "2026-07-28"
    assert "no instruction" in (client.instructions or "")
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {*READING, "explain", "history", "propose_plan"}
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
    assert all(tool.description for tool in tools.values())


async def assert_answers_are_what_verbs_print(client: Client, host: str) -> None:
    found: dict[str, Any] = {}
    for name, arguments in READING.items():
        answer = await client.call_tool(name, arguments)
        assert not answer.is_error, said(answer)
        found[name] = answer.structured_content
    assert found["status"]["host"] == host
    bands = found["forecast"]["channels"]
    assert list(bands) == ["system.cpu.utilization"]
    assert {band["horizon_s"] for band in bands["system.cpu.utilization"]} == {60}
    assert any(action["name"] == "cpu.weight" for action in found["actions"]["actions"])
    assert found["parse"]["intent"] == "reclaim"
    assert found["parse"]["protect"]
    one: Any = await client.call_tool("actions", {"name": "vm.swappiness"})
    assert [each["name"] for each in one.structured_content["actions"]] == ["vm.swappiness"]


async def assert_what_cannot_be_done_is_told_with_the_remedy(client: Client) -> None:
    for tool, arguments, told in REFUSED:
        try:
            answer = await client.call_tool(tool, arguments)
        except MCPError as error:  # what the protocol itself refuses
            assert told in str(error)
        else:
            assert answer.is_error, tool
            assert told in said(answer)
    assert not (await client.call_tool("status", {})).is_error


async def test_a_daemon_that_comes_later_is_asked_then_and_one_that_went_is_told(
    running: Callable[..., Any], place: Path, tmp_path: Path
) -> None:
    async with asked(place / "s") as client:
        assert (await client.call_tool("status", {})).is_error
        with running("served", place / "s", tmp_path / "state"):
            assert not (await client.call_tool("status", {})).is_error
        gone = await client.call_tool("status", {})
        assert gone.is_error
        assert "jepad" in said(gone)


def test_what_is_no_message_ends_nothing_and_the_end_of_input_ends_it(served: Any) -> None:
    words = [sys.executable, *JEPA, "mcp", "--socket", str(served.socket)]
    list_tools = (
        '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{'
        '"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
        '"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},'
        '"io.modelcontextprotocol/clientCapabilities":{}}}}\n'
    )
    rubbish = 'not json\n{"jsonrpc": "2.0"}\n[]\n\x00\x1b[2J\n'
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(rubbish + list_tools)
        process.stdin.flush()
        answers = []
        while not any('"propose_plan"' in line for line in answers):
            answers.append(process.stdout.readline())
            assert answers[-1].startswith("{")
        process.stdin.close()
        assert process.wait(timeout=30) == 0
        assert "Traceback" not in process.stderr.read()
