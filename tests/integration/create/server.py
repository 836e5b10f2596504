"""An HTTP server of a folder that can misbehave on request: stall, send other bytes, answer with an error."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Server:
    """Serves `folder` on a free port of this machine. Paths are told by a part of their text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requested: list[str] = []
        self.errors: dict[str, int] = {}
        self.tampered: set[str] = set()
        self.authorization: str | None = None
        """The header that every request must have, if any."""
        self._stalled: dict[str, threading.Event] = {}
        self.reached = threading.Event()
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self, directory=str(folder)))
        self._httpd.daemon_threads = True
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._httpd.server_address[1]}"

    def stall(self, part: str) -> None:
        """Send half of what matches and wait; `reached` is set then."""
        self._stalled[part] = threading.Event()

    def release(self) -> None:
        for event in self._stalled.values():
            event.set()
        self._stalled = {}

    def stalled(self, path: str) -> threading.Event | None:
        return next((event for part, event in self._stalled.items() if part in path), None)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, owner: Server, *arguments: object, directory: str) -> None:
        self._owner = owner
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._owner.requested.append(self.path)
        if self._owner.authorization not in (None, self.headers.get("Authorization")):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status = next((code for part, code in self._owner.errors.items() if part in self.path), None)
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if status is not None or not path.is_file():
            self.send_error(status or 404)
            return
        body = path.read_bytes()
        if any(part in self.path for part in self._owner.tampered):
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            if (gate := self._owner.stalled(self.path)) is not None:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self._owner.reached.set()
                gate.wait(60)
                body = body[len(body) // 2 :]
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # The client was killed, which is what many of these tests are about.
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Silent."""
