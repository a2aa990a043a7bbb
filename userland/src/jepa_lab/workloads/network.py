# SPDX-License-Identifier: Apache-2.0
"""Programs that talk over loopback: a web server, streams, crawlers, a store in memory, a queue."""

import http.client
import http.server
import math
import os
import queue
import socket
import threading

from jepa_lab.workloads.context import Work


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.path.rsplit("/", 1)[-1])
        body = sum(range(size)).to_bytes(16, "little") * (size // 16 + 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def server(work: Work) -> None:
    """An HTTP server and its clients on loopback, whose load swings and jumps."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", httpd.server_port)
    period, jump_at, factor = work.rng.uniform(15, 60), 0.0, 1.0
    while work.left() > 0:
        now = work.elapsed()
        if now > jump_at:
            factor, jump_at = work.rng.uniform(0.1, 1.0), now + work.rng.uniform(8, 30)
        wave = 0.55 + 0.45 * math.sin(now * math.tau / period)
        for _ in range(int(1 + 25 * work.level * factor * wave)):
            connection.request("GET", f"/{work.rng.choice([500, 5000, 50_000])}")
            connection.getresponse().read()
        work.sleep(0.05)
    connection.close()
    httpd.shutdown()
    httpd.server_close()


def stream(work: Work) -> None:
    """A media-like stream: bytes at a steady rate that changes now and then, with pauses to buffer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server_end, _ = listener.accept()
    threading.Thread(target=_drain, args=(client,), daemon=True).start()
    rate_mib, change_at = 0.0, 0.0
    chunk = os.urandom(1 << 16)
    while work.left() > 0:
        if work.elapsed() >= change_at:
            change_at = work.elapsed() + work.rng.uniform(6, 25)
            rate_mib = work.rng.choice([0.3, 1, 2, 4, 8]) * (0.5 + 2 * work.level)
        for _ in range(max(1, round(rate_mib * 16 / 10))):
            server_end.sendall(chunk)
        work.sleep(0.1 if work.rng.random() > 0.02 else work.rng.uniform(0.5, 3))
    server_end.close()


def _drain(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass
    connection.close()


def crawler(work: Work) -> None:
    """Many short connections, in waves, each for one small answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        address = listener.getsockname()
        for end in work.cycles(work.rng.uniform(3, 12), work.rng.uniform(2, 15)):
            until = end - work.started
            while work.elapsed() < until:
                for _ in range(int(2 + 40 * work.level)):
                    with socket.create_connection(address) as connection:
                        connection.sendall(b"GET\n")
                        connection.recv(4096)
                work.sleep(0.1)


def _greet(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(64)
            connection.sendall(b"x" * 2000)


def keyvalue(work: Work) -> None:
    """A store in memory behind a socket, whose appended log is synced every second."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=_store, args=(theirs, work), daemon=True).start()
    period = work.rng.uniform(20, 50)
    while work.left() > 0:
        wave = 0.5 + 0.5 * math.sin(work.elapsed() * math.tau / period)
        for _ in range(int(5 + 200 * work.level * wave)):
            ours.sendall(work.rng.randrange(1 << 16).to_bytes(4, "little") + b"v" * 60)
            ours.recv(64)
        work.sleep(0.05)
    ours.close()


def _store(connection: socket.socket, work: Work) -> None:
    values: dict[bytes, bytes] = {}
    synced = 0.0
    with (work.dir / "append.log").open("wb") as log, connection:
        while request := connection.recv(64):
            values[request[:4]] = request
            log.write(request)
            connection.sendall(b"ok")
            if work.elapsed() - synced > 1:
                synced = work.elapsed()
                log.flush()
                os.fsync(log.fileno())
                if log.tell() > 40 << 20:
                    log.seek(0)
                    log.truncate()


def backlog(work: Work) -> None:
    """Work that arrives in crowds and is done by one worker at its own pace: queues that fill and empty."""
    jobs: queue.Queue[int] = queue.Queue()

    def worker() -> None:
        while size := jobs.get():
            sum(range(size))

    thread = threading.Thread(target=worker)
    thread.start()
    while work.left() > 0:
        for _ in range(int(work.rng.paretovariate(1.2) * (3 + 20 * work.level)) % 400):
            jobs.put(int(20_000 + 80_000 * work.rng.random()))
        work.sleep(work.rng.expovariate(0.4))
        while jobs.qsize() > 2_000:
            jobs.get()
    while not jobs.empty():
        jobs.get()
    jobs.put(0)
    thread.join()
