# SPDX-License-Identifier: Apache-2.0
"""The API answers what its OpenAPI document says, and refuses with a problem that names the remedy."""

import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from jepa.service import api, api_records
from jepa.service.http import BODY_BYTES, CONNECTIONS

MESSAGES = {
    "/v1/status": api.Status,
    "/v1/doctor": api.Doctor,
    "/v1/events": list[api.EventOut],
    "/v1/channels": list[api.ChannelInfo],
    "/v1/frames": list[api.FrameOut],
    "/v1/forecast": api.ForecastOut,
    "/v1/alerts": list[api.AlertKind],
    "/v1/history": list[api_records.ChangeOut],
    "/v1/actions": list[api_records.ActionOut],
    "/v1/tasks": list[api_records.TaskOut],
    "/v1/signals": list[api_records.SignalOut],
    "/v1/goals": list[api.GoalOut],
    "/v1/learning": api_records.LearningOut,
}
CHANGES = ["/v1/alerts/mute", "/v1/alerts/unmute"]
"""What changes something, and is asked with POST."""
POSTED = [*CHANGES, "/v1/plan", "/v1/parse", "/v1/pack"]
NAMED = ["/v1/plans/{id}", "/v1/tasks/{id}", "/v1/goals/{id}"]
METHODS = {
    "/v1/tasks": ["get", "post"],
    "/v1/tasks/{id}": ["get", "delete"],
    "/v1/goals": ["get", "post"],
    "/v1/goals/{id}": ["delete"],
    "/v1/learning": ["get", "delete"],
}
"""Of paths that have several."""
PATHS = [*MESSAGES, *POSTED, *NAMED, "/v1/stream", "/metrics", "/metrics/figures", "/openapi.json"]


@pytest.fixture(scope="session")
def document(served: Any) -> dict[str, Any]:
    status, kind, body = served.ask("/openapi.json")
    assert (status, kind) == (200, "application/json")
    found: dict[str, Any] = json.loads(body)
    return found


def problem(answer: tuple[int, str, bytes]) -> api.Problem:
    status, kind, body = answer
    assert kind == "application/problem+json", body
    said = TypeAdapter(api.Problem).validate_json(body, strict=True)
    assert said.status == status
    assert said.title
    return said


@pytest.mark.parametrize("path", MESSAGES)
def test_answers_have_the_documented_shape(served: Any, path: str) -> None:
    status, kind, body = served.ask(path)
    assert (status, kind) == (200, "application/json")
    told = TypeAdapter(MESSAGES[path]).validate_json(body)
    often_none = (
        "/v1/events",
        "/v1/history",
        "/v1/tasks",
        "/v1/signals",
        "/v1/goals",
    )  # nothing may have happened
    assert told or path in often_none


def test_every_path_is_documented_with_its_errors(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert sorted(document["paths"]) == sorted(PATHS)
    for path, methods in document["paths"].items():
        assert list(methods) == METHODS.get(path, ["post" if path in POSTED else "get"]), path
        for operation in methods.values():
            assert operation["summary"]
            assert set(operation["responses"]) == {"200", "4XX", "5XX"}, path
            assert operation["responses"]["200"]["content"]
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (path, parameter["name"])
    ids = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]
    assert len(set(ids)) == len(ids)


def test_every_reference_of_the_document_resolves(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert {"Status", "TickOut", "Problem", "Band"} <= references
    assert references <= set(document["components"]["schemas"])


def test_the_document_describes_fields_in_words(document: dict[str, Any]) -> None:
    missed = document["components"]["schemas"]["Status"]["properties"]["missed"]
    assert missed["description"] == "Periods with no frame since start."


def test_absent_channels_are_null_and_have_no_forecast(served: Any) -> None:
    newest = json.loads(served.ask("/v1/frames?limit=1")[2])[0]["values"]
    forecast = json.loads(served.ask("/v1/forecast")[2])
    absent = {name for name, value in newest.items() if value is None}
    assert absent, "a test machine with every channel?"
    assert absent.isdisjoint(forecast["channels"])
    refused = problem(served.ask(f"/v1/forecast?channel={sorted(absent)[0]}"))
    assert refused.status == 404
    assert "jepa doctor" in refused.remedy


def test_forecast_gives_the_channels_and_horizon_asked_for(served: Any) -> None:
    query = "channel=system.cpu.utilization&channel=system.memory.utilization&horizon=60"
    found = json.loads(served.ask(f"/v1/forecast?{query}")[2])
    assert list(found["channels"]) == ["system.cpu.utilization", "system.memory.utilization"]
    assert [band["horizon_s"] for band in found["channels"]["system.cpu.utilization"]] == [60]
    assert found["unit"]["system.cpu.utilization"] == "%"


def test_an_unknown_channel_is_answered_with_near_ones(served: Any) -> None:
    refused = problem(served.ask("/v1/forecast?channel=system.cpu.utilisation"))
    assert refused.status == 404
    assert "system.cpu.utilization" in refused.remedy


def test_an_unknown_horizon_is_answered_with_the_known_ones(served: Any) -> None:
    refused = problem(served.ask("/v1/forecast?horizon=50"))
    assert refused.status == 422
    assert "1, 5, 60" in refused.remedy
    assert "nearest is 60" in refused.remedy


def post(served: Any, path: str, body: bytes) -> tuple[int, str, bytes]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(served.socket))
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        response = http.client.HTTPResponse(line, method="POST")
        response.begin()
        return response.status, response.headers.get("Content-Type", ""), response.read()


def test_a_sentence_gives_a_task_spec(served: Any) -> None:
    status, _, text = post(served, "/v1/parse", b'{"text": "free memory"}')
    assert (status, json.loads(text)["intent"], json.loads(text)["resource"]) == (200, "reclaim", "memory")
    for carried in (b"", b"[]", b'{"text": 1}', b'{"text": "\xff"}'):
        assert problem(post(served, "/v1/parse", carried)).status == 422


def test_a_plan_takes_a_task_spec(served: Any, document: dict[str, Any]) -> None:
    taken = document["paths"]["/v1/plan"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert taken["$ref"].split("/")[-1] in document["components"]["schemas"]
    assert problem(post(served, "/v1/plan", b"")).status == 422
    assert "dance" not in problem(post(served, "/v1/plan", b'{"intent": "dance"}')).remedy
    refused = problem(post(served, "/v1/plan", b'{"intent": "prioritize"}'))
    assert (refused.status, refused.remedy) == (503, "Install a machine pack.")
    assert problem(served.ask("/v1/plan")).status == 405


def test_the_last_part_of_a_path_may_be_a_name(served: Any, document: dict[str, Any]) -> None:
    status, _, text = served.ask("/v1/plans/0123456789ab")
    assert (status, "no plan '0123456789ab'" in json.loads(text)["title"]) == (404, True)
    for target in ("/v1/plans", "/v1/plans/", "/v1/plans/a/b"):
        assert "There is no '/v1/plans" in json.loads(served.ask(target)[2])["title"]
    (parameter,) = document["paths"]["/v1/plans/{id}"]["get"]["parameters"]
    assert (parameter["in"], parameter["required"]) == ("path", True)


def test_a_task_takes_a_grant_of_ones_own(served: Any) -> None:
    for body in (
        b"",
        b"[]",
        b'{"task": "t1"}',
        b'{"task": "T 1", "grant": "g", "spec": {"intent": "limit"}}',
    ):
        assert problem(post(served, "/v1/tasks", body)).status == 422
    wrong = b'{"task": "t1", "grant": "g", "spec": {"intent": "dance"}}'
    assert "intent" in problem(post(served, "/v1/tasks", wrong)).title
    assert problem(served.ask("/v1/tasks/t1")).status == 404
    assert problem(served.ask("/v1/tasks/t1", "DELETE")).status == 404
    refused = problem(served.ask("/v1/tasks", "DELETE"))
    assert (refused.status, "GET, HEAD, POST" in refused.remedy) == (405, True)


def test_anybody_may_ask_for_a_plan_and_whatever_is_sent_is_answered(served: Any) -> None:
    for body in (b"\xff\xfe", b"[" * 60000, b"null", b'{"intent": "limit", "amount": 4}'):
        assert problem(post(served, "/v1/plan", body)).status == 422


def test_an_unknown_path_is_answered_with_a_near_one(served: Any) -> None:
    refused = problem(served.ask("/v1/frame"))
    assert refused.status == 404
    assert "/v1/frames" in refused.remedy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_api_only_reads(served: Any, method: str) -> None:
    assert problem(served.ask("/v1/status", method)).status == 405


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=601", "limit=x", "since_ns=-1", f"since_ns={2**63}", "surprise=1"]
)
def test_a_query_out_of_range_is_named(served: Any, query: str) -> None:
    refused = problem(served.ask(f"/v1/frames?{query}"))
    assert refused.status == 422
    assert query.split("=")[0] in refused.title


def test_frames_are_the_newest_in_order(served: Any) -> None:
    served.wait(lambda client: client.status().frames >= 3)
    frames = json.loads(served.ask("/v1/frames?limit=3")[2])
    times = [frame["ts_ns"] for frame in frames]
    assert times == sorted(times)
    assert len(times) == 3
    later = json.loads(served.ask(f"/v1/frames?since_ns={times[1]}")[2])
    assert later[0]["ts_ns"] == times[2]


names = st.sampled_from(["channel", "horizon", "limit", "since_ns", "x", ""])
values = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["system.cpu.utilization", "5", "%00", "nan", "1e9", "٣"]),
)


@given(
    st.sampled_from([*MESSAGES, "/metrics"]),
    st.lists(st.tuples(names, values), max_size=4),
    st.binary(max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_no_query_is_an_error_of_the_daemon(
    served: Any, path: str, query: list[tuple[str, str]], raw: bytes
) -> None:
    encoded = urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in query])
    status, kind, body = served.ask(f"{path}?{encoded}&{quote(raw)}")
    assert status in (200, 404, 422), body
    assert status == 200 or kind == "application/problem+json"


def test_the_stream_gives_every_tick_as_it_happens(served: Any) -> None:
    ticks = served.client.stream()
    try:
        times = []
        for _ in range(3):
            tick = next(each for each in ticks if isinstance(each, api.TickOut))
            times.append(tick.frame.ts_ns)
            assert abs(time.time_ns() - tick.frame.ts_ns) < 2e9
            assert tick.forecast is not None
            assert tick.forecast.ts_ns == tick.frame.ts_ns
    finally:
        ticks.close()
    steps = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
    assert all(0.3 < step < 4 for step in steps), steps


def test_a_stream_gives_the_channels_asked_for_and_no_other(served: Any) -> None:
    ticks = served.client.stream(["system.cpu.utilization"])
    tick = next(each for each in ticks if isinstance(each, api.TickOut))
    ticks.close()
    assert list(tick.frame.values) == ["system.cpu.utilization"]
    assert tick.forecast is not None and list(tick.forecast.channels) == ["system.cpu.utilization"]
    absent = next(
        name
        for name, value in json.loads(served.ask("/v1/frames?limit=1")[2])[0]["values"].items()
        if value is None
    )
    ticks = served.client.stream([absent])
    tick = next(each for each in ticks if isinstance(each, api.TickOut))
    ticks.close()
    assert tick.frame.values == {absent: None}
    assert tick.forecast is not None and tick.forecast.channels == {}
    assert problem(served.ask("/v1/stream?channel=system.cpu.utilisation")).status == 404


def test_a_cursor_of_another_log_is_refused(served: Any) -> None:
    assert problem(served.ask("/v1/stream?after=999999")).status == 410
    assert problem(served.ask("/v1/events?after=999999")).status == 410
    assert served.ask("/v1/events?after=0")[0] == 200


def test_a_closed_stream_is_forgotten(served: Any) -> None:
    served.wait(lambda _: b"\njepa_streams 0\n" in served.ask("/metrics")[2])  # those of earlier tests
    ticks = served.client.stream()
    next(ticks)
    assert b"\njepa_streams 1\n" in served.ask("/metrics")[2]
    ticks.close()
    served.wait(lambda _: b"\njepa_streams 0\n" in served.ask("/metrics")[2])


SAMPLE = re.compile(
    r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (?P<value>\S+)'
)


def test_figures_say_how_the_model_does_and_nothing_of_the_machine(served: Any) -> None:
    served.wait(lambda _: b"jepa_pack_info" in served.ask("/metrics/figures")[2])
    status, kind, body = served.ask("/metrics/figures")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = set(re.findall(r"^# TYPE (\S+)", body.decode(), re.MULTILINE))
    every = set(re.findall(r"^# TYPE (\S+)", served.ask("/metrics")[2].decode(), re.MULTILINE))
    assert names == {
        "jepa_system_info",
        "jepa_part_state",
        "jepa_frames_total",
        "jepa_surprise",
        "jepa_alerts_total",
        "jepa_pack_info",
        "jepa_forecast_windows_total",
        "jepa_forecast_right_total",
        "jepa_forecast_repeated_right_total",
        "jepa_forecast_covered_total",
        "jepa_surprise_frames_total",
        "jepa_surprising_frames_total",
    }
    assert names < every
    assert 'jepa_pack_info{pack="last-value",version="1"} 1' in body.decode()


def test_metrics_are_prometheus_text(served: Any) -> None:
    status, kind, body = served.ask("/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    text = body.decode()
    assert text.endswith("\n")
    typed: dict[str, str] = {}
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            family = re.sub(r"_(bucket|sum|count)$", "", match["name"])
            assert family in typed or match["name"] in typed, line
            samples[line.rpartition(" ")[0]] = float(match["value"])
    assert 0 <= samples['jepa_channel{channel="system.memory.utilization",unit="%"}'] <= 100
    assert samples["jepa_frames_total"] >= 1
    assert samples["jepa_tick_milliseconds_count"] >= 1
    assert samples['jepa_tick_milliseconds_bucket{le="+Inf"}'] == samples["jepa_tick_milliseconds_count"]
    assert samples['jepa_part_state{part="model",state="ok"}'] == 1
    assert samples["jepa_process_resident_memory_bytes"] > 2**20


def raw(served: Any, request: bytes) -> bytes:
    """Everything that comes back for the bytes of ``request``."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(served.socket))
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while part := line.recv(65536):
            answer += part
        return answer


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_http_do_no_harm(served: Any, noise: bytes) -> None:
    answer = raw(served, noise + b"\r\n\r\n")
    assert b" 500 " not in answer.split(b"\r\n")[0]
    assert served.ask("/v1/channels")[0] == 200


def test_an_endless_request_line_is_refused_with_a_problem(served: Any) -> None:
    answer = raw(served, b"GET /v1/status?x=" + b"y" * 70000 + b" HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 414 ") or answer.startswith(b"HTTP/1.0 414 ")
    assert b"application/problem+json" in answer


def test_one_connection_may_ask_again(served: Any) -> None:
    ask = b"GET /v1/channels HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(served, ask * 3).count(b"HTTP/1.1 200 OK") == 3


HIDDEN = b"GET /v1/channels HTTP/1.1\r\nHost: x\r\n\r\n"


def answers(reply: bytes) -> list[int]:
    """The status of every response in ``reply``."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", reply)]


def test_the_body_of_a_request_is_no_second_request(served: Any) -> None:
    carried = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(HIDDEN), HIDDEN)
    assert answers(raw(served, carried)) == [200]
    assert answers(raw(served, carried + HIDDEN)) == [200, 200]
    chunked = (
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    )
    assert answers(raw(served, chunked % (len(HIDDEN), HIDDEN) + HIDDEN)) == [200, 200]


def test_a_body_that_is_too_long_to_drop_ends_the_connection(served: Any) -> None:
    size = 4 * BODY_BYTES
    head = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(served.socket))
        line.sendall(head + b"z" * (BODY_BYTES + 1))
        reply = b""
        while part := line.recv(65536):
            reply += part
    assert answers(reply) == [200]
    assert b"connection: close" in reply.lower()


def test_a_client_that_waits_before_its_body_is_answered_at_once(served: Any) -> None:
    head = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    assert answers(raw(served, head)) == [200]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 44",
        b"Content-Length: 5, 44",
        b"Content-Length: +5",
        b"Content-Length: -1",
        b"Content-Length: 5x",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding : chunked",
        b"Name: with\x00nul",
        b"No colon",
        b"Host: again",
    ],
)
def test_a_request_that_two_readers_could_read_in_two_ways_is_refused(served: Any, headers: bytes) -> None:
    reply = raw(served, b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n" + HIDDEN)
    assert answers(reply) == [400], reply
    assert b"application/problem+json" in reply


def test_a_transfer_coding_that_is_not_known_is_refused(served: Any) -> None:
    assert answers(
        raw(served, b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n" + HIDDEN)
    ) == [501]


def test_endless_headers_are_refused(served: Any) -> None:
    reply = raw(served, b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"y" * 70000)
    assert answers(reply) == [431]


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 0",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"X:\ty",
                b" folded",
                b"",
            ]
        ),
        max_size=5,
    ),
    st.binary(max_size=40),
)
@settings(max_examples=80, deadline=None)
def test_no_request_is_answered_twice(served: Any, headers: list[bytes], body: bytes) -> None:
    request = b"\r\n".join([b"GET /v1/channels HTTP/1.1", b"Host: x", *headers, b"", b""])
    assert answers(raw(served, request + body))[:1] in ([200], [400], [501])
    assert served.ask("/v1/channels")[0] == 200


def test_head_gives_no_body(served: Any) -> None:
    answer = raw(served, b"HEAD /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\n")


def test_too_many_connections_are_refused_and_the_daemon_recovers(served: Any) -> None:
    lines = []
    try:
        for _ in range(CONNECTIONS):
            line = socket.socket(socket.AF_UNIX)
            lines.append(line)
            line.connect(str(served.socket))
        served.wait(lambda _: problem(served.ask("/v1/status")).status == 503)
    finally:
        for line in lines:
            line.close()
    served.wait(lambda _: served.ask("/v1/status")[0] == 200)


def kinds(answer: tuple[int, str, bytes]) -> dict[str, api.AlertKind]:
    status, _, body = answer
    assert status == 200, body
    return {each.kind: each for each in TypeAdapter(list[api.AlertKind]).validate_json(body)}


def test_a_kind_of_alert_is_muted_for_a_while_and_unmuted(served: Any) -> None:
    assert not kinds(served.ask("/v1/alerts"))["anomaly"].muted
    muted = kinds(served.ask("/v1/alerts/mute?kind=anomaly&for_s=3600", "POST"))["anomaly"]
    assert muted.muted
    assert 3500 < (muted.muted_until_ns or 0) / 1e9 - time.time() <= 3600
    assert kinds(served.ask("/v1/alerts/mute?kind=anomaly", "POST"))["anomaly"].muted_until_ns is None
    assert not kinds(served.ask("/v1/alerts/unmute?kind=anomaly", "POST"))["anomaly"].muted


def test_muting_takes_a_kind_that_there_is_and_a_post(served: Any) -> None:
    assert problem(served.ask("/v1/alerts/mute?kind=nonsense", "POST")).status == 404
    assert problem(served.ask("/v1/alerts/mute", "POST")).status == 422
    assert problem(served.ask("/v1/alerts/mute?kind=anomaly")).status == 405


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_pack_is_asked_for_by_one_name(served: Any) -> None:
    assert problem(served.ask("/v1/pack", "POST")).status == 422
    assert problem(served.ask("/v1/pack?name=machine&name=other", "POST")).status == 422
    fixed = problem(served.ask("/v1/pack?name=machine", "POST"))
    assert (fixed.status, fixed.title) == (409, "The pack of this process is fixed.")


def test_only_root_and_jepads_own_user_may_mute(served: Any) -> None:
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'POST /v1/alerts/mute?kind=anomaly HTTP/1.1\\r\\nHost: jepad\\r\\n\\r\\n');"
        "print(s.recv(4096).decode())"
    )
    served.socket.parent.chmod(0o711)  # it is in a private folder, which is not what is tested
    command = [sys.executable, "-c", code, str(served.socket)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("HTTP/1.1 403 "), said
