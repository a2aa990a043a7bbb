# SPDX-License-Identifier: Apache-2.0
"""The same store behind the S3 protocol."""

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from jepa.errors import JepaError
from jepa.fleet.store import Store, is_away

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer


def look_at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let S3 be what answers at ``address``."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ALLOW_HTTP", "true"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator["ThreadedMotoServer"]:
    import boto3  # takes a second, which every process would spend that collects tests
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    address = f"http://127.0.0.1:{port}"
    look_at(monkeypatch, address)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="fleet")
    yield server
    server.stop()


def test_a_bucket_is_a_store(server: "ThreadedMotoServer") -> None:
    store = Store("s3://fleet/a/b")
    store.write("hosts/x/y", b"first")
    store.write("hosts/x/y", b"second")
    store.write("hosts/z", b"1")
    assert store.read("hosts/x/y", 10) == b"second"
    assert (store.size("hosts/z"), store.size("none")) == (1, None)
    assert [(each.path, each.size) for each in store.find("hosts")] == [("hosts/x/y", 6), ("hosts/z", 1)]
    assert store.find("none") == []
    assert store.modified_ns("hosts/z") > 0
    with pytest.raises(JepaError, match="6 bytes, more than 5"):
        store.read("hosts/x/y", 5)
    with pytest.raises(JepaError, match="cannot be reached") as refused:
        Store("s3://none/a").write("x", b"1")
    assert "<?xml" not in refused.value.problem
    server.stop()
    with pytest.raises(JepaError) as refused:
        store.write("hosts/z", b"2")
    assert is_away(refused.value)
    server.start()


class Refusing(BaseHTTPRequestHandler):
    """What S3 answers whoever may do nothing there."""

    def refuse(self) -> None:
        content = (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        )
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    do_GET = do_PUT = do_HEAD = refuse

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_bucket_without_rights_refuses_and_is_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=refusing.serve_forever, daemon=True).start()
    look_at(monkeypatch, f"http://127.0.0.1:{refusing.server_port}")
    store = Store("s3://fleet/a")
    try:
        for ask in (lambda: store.write("x", b"1"), lambda: store.size("x"), lambda: store.find("hosts")):
            with pytest.raises(JepaError, match="refuses") as refused:
                ask()
            assert (refused.value.status, is_away(refused.value)) == (403, False)
            assert "<?xml" not in refused.value.problem
    finally:
        refusing.shutdown()
        refusing.server_close()
