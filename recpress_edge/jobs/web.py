"""A web bundle's page, served on this machine alone: its own files, nothing beside them."""

import http.client
import http.server
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from recpress_edge.artifacts.bundle import MANIFEST, Bundle, open_bundle
from recpress_edge.artifacts.manifest import refuse_lean
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ConfigError, told_by_system

LOOPBACK: Final = "127.0.0.1"
_NAMES: Final = (LOOPBACK, "localhost")
PAGE: Final = "index.html"
MAX_PORT: Final = 65535
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".tsv": "text/plain; charset=utf-8",
}
_HEADERS: Final[Mapping[str, str]] = {
    # Whatever page a bundle of another's holds: it reaches nothing but its own files.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # A page apart from all others gets a clock of finer steps.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SECONDS: Final = 30.0
"""How long a connection may be silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """``recpress-edge web``."""

    bundle: Path
    port: int = 0
    """0: any that is free."""
    trust: Trust = ANYBODY

    def open(self) -> "PageServer":
        """Verify the bundle and take the port.

        ArtifactError for a damaged bundle; ConfigError for one without a page, and for a port that cannot
        be had.
        """
        if not 0 <= self.port <= MAX_PORT:
            raise ConfigError(f"--port {self.port} is not 0 to {MAX_PORT}; 0 takes any that is free")
        bundle = open_bundle(self.bundle, trust=self.trust)
        if PAGE not in bundle.files:
            refuse_lean(self.bundle, bundle.provenance, "it has no page, only what an application loads")
            raise ConfigError(
                f"{self.bundle} is a bundle of format {bundle.contract.format}, which has no page. "
                "Export the student with --format web."
            )
        try:
            return PageServer(bundle, self.port)
        except OSError as error:
            raise ConfigError(
                f"port {self.port} cannot be had: {told_by_system(error)}. "
                "Choose another --port, or leave it out."
            ) from None


class PageServer:
    """Answers GET and HEAD for the files of one bundle. A context manager: leaving it frees the port."""

    def __init__(self, bundle: Bundle, port: int) -> None:
        self._server = _Server((LOOPBACK, port), _Handler)
        taken = self._server.server_address[1]
        self._server.served = {f"/{name}": bundle.folder / name for name in (*bundle.files, MANIFEST)}
        self._server.served["/"] = bundle.folder / PAGE
        self._server.hosts = tuple(f"{name}{end}" for name in _NAMES for end in _endings(taken))
        self.url = f"http://{LOOPBACK}:{taken}/"

    def __enter__(self) -> "PageServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.server_close()

    def run(self) -> None:
        """Serve until :meth:`stop`, or until a KeyboardInterrupt."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End :meth:`run`, from another thread."""
        self._server.shutdown()


def _endings(port: int) -> tuple[str, ...]:
    """What may follow a host's name: of HTTP's own port browsers say nothing."""
    return (f":{port}", "") if port == http.client.HTTP_PORT else (f":{port}",)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    served: dict[str, Path]
    """What is there, by path; every other path is not."""
    hosts: tuple[str, ...]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error of ours."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "recpress-edge"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        # Another site's name that was made to point here would make its scripts ours.
        if (self.headers.get("Host") or "").lower() not in self.server.hosts:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = self.server.served.get(urlsplit(self.path).path)
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            with path.open("rb") as file:
                self._send(file, path.suffix, body=body)
        except FileNotFoundError:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, file: BinaryIO, suffix: str, *, body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
        self.end_headers()
        if body:
            shutil.copyfileobj(file, self.wfile)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # the base class names it
        """What is asked for is nobody else's business."""
