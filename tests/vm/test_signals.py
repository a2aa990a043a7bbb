# SPDX-License-Identifier: Apache-2.0
"""Signals in the image: what the reader's sandbox lets through, and a change that is kept or taken back."""

import json
import re
import time
from typing import Any

import pytest

from tests.vm.test_run import GET
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SHOP = """\
import http.server, os, socket, threading, time
counts = {0.1: 0, 1.0: 0}

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        slow = os.path.exists("/run/shop/slow")
        n = int(time.monotonic() * 100) % 97 + 20
        counts[0.1] += 0 if slow else n
        counts[1.0] += n
        rows = [f'request_seconds_bucket{{le="{le}"}} {count}' for le, count in counts.items()]
        rows.append(f'request_seconds_bucket{{le="+Inf"}} {counts[1.0]}')
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\\n".join(rows).encode() + b"\\n")

    def log_message(self, *_):
        pass

def lines():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("/run/shop/socket")
        os.chmod("/run/shop/socket", 0o666)
        listener.listen()
        line, _ = listener.accept()
        while True:
            line.sendall(b"%f\\n" % time.monotonic())
            time.sleep(0.5)

threading.Thread(target=lines, daemon=True).start()
http.server.HTTPServer(("127.0.0.1", 9102), Page).serve_forever()
"""
P99 = "prometheus:http://127.0.0.1:9102/metrics#request_seconds:p99"


def wait_for(machine: Machine, name: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60 * machine.factor
    while True:
        listed = json.loads(machine.succeed("jepa signal list --json"))
        found: dict[str, Any] = next(each for each in listed if each["name"] == name)
        if found["state"] == state:
            return found
        assert time.monotonic() < deadline, (found, machine.succeed("journalctl -u jepa-signals --no-pager"))
        time.sleep(1)


def test_signals_are_read_within_the_sandbox_and_decide(machine: Machine) -> None:
    assert machine.execute("systemctl is-active jepa-signals").out.strip() == "inactive"
    machine.succeed(f"mkdir -p /run/shop && cat > /run/shop/shop.py <<'E'\n{SHOP}E")
    machine.succeed("systemd-run -q --unit shop python3 -IS /run/shop/shop.py")
    machine.succeed("systemd-run -q --unit pen sh -c 'while sleep 1; do date +%s > /run/shop/queue; done'")
    machine.wait_until_succeeds("test -S /run/shop/socket -a -s /run/shop/queue")
    for name, source in (
        ("p99", P99),
        ("lines", "unix:/run/shop/socket"),
        ("queue", "file:/run/shop/queue"),
    ):
        machine.execute(f"jepa signal add {name} '{source}'")
    for name in ("p99", "lines", "queue"):
        assert wait_for(machine, name, "ok")["value"] > 0
    metrics = machine.succeed(f"python3 -c '{GET}' /metrics")
    assert 'jepa_signal{signal="p99"}' in metrics

    report = machine.succeed("systemd-analyze security --no-pager jepa-signals.service", 60)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure and float(exposure[1]) <= 1.7
    allowed = machine.succeed("systemctl show -P IPAddressAllow jepa-signals").split()
    assert all(each.startswith(("127.", "::1")) for each in allowed), allowed

    act = "jepa act vm.swappiness {} --watch 10s --keep-if 'p99 below 0.2' --yes"
    machine.succeed(act.format(40), 120)
    assert machine.succeed("cat /proc/sys/vm/swappiness").strip() == "40"
    machine.succeed("touch /run/shop/slow")
    machine.wait_until_succeeds('jepa signal list --json | grep -q \'"p99".*"value": *0[.][3-9]\'', 60)
    machine.fail(act.format(50), 120)
    assert machine.succeed("cat /proc/sys/vm/swappiness").strip() == "40"
    told = machine.succeed("jepa history --json --limit 1")
    assert "p99 was" in told, told

    machine.succeed("systemctl stop shop")
    wait_for(machine, "p99", "unreachable")
    said = machine.fail(act.format(60), 120)
    assert "the signal is unreachable" in said.err
    for name in ("p99", "lines", "queue"):
        machine.succeed(f"jepa signal remove {name}")
    machine.wait_until_succeeds("test $(systemctl is-active jepa-signals) = inactive")
    machine.succeed("jepa undo")
