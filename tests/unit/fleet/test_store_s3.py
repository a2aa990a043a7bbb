# SPDX-License-Identifier: Apache-2.0
"""The same store behind the S3 protocol."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from jepa.errors import JepaError
from jepa.fleet.store import Store, is_away

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator["ThreadedMotoServer"]:
    import boto3  # takes a second, which every process would spend that collects tests
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    address = f"http://127.0.0.1:{port}"
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ALLOW_HTTP", "true"),
    ):
        monkeypatch.setenv(name, value)
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
