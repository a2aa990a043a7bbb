# SPDX-License-Identifier: Apache-2.0
"""Real connections of this process are seen once, at the end that asked."""

import socket

import pytest

from jepa.telemetry.sources.connections import asked_for
from jepa.telemetry.sources.listeners import open_diag


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_connection_is_seen_at_the_end_that_asked_while_it_lasts(host: str) -> None:
    diag = open_diag()
    before = {each.cookie for each in asked_for(diag)}
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        made = [socket.create_connection(server.getsockname()[:2]) for _ in range(3)]
        taken = [server.accept()[0] for _ in made]
        new = {each.cookie for each in asked_for(diag)} - before
        for each in (*made, *taken):
            each.close()
    assert len(new) >= 3
    assert not new & {each.cookie for each in asked_for(diag)}
    diag.close()
