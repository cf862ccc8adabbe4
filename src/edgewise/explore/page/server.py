"""The page of the explorer on this machine alone: a token in the address, and no answer to pages from elsewhere."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from edgewise.errors import InputError, missing_extra

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"  # no other machine can connect
WAKING = 0.5  # seconds after which a waiting thread hears of Ctrl-C on every system
SECONDS_TO_END = 2  # that a request has to end after Ctrl-C
LARGEST_BODY = 1 << 20  # bytes of a request: an edit has some hundred
# The page runs its own script and style alone, and talks to its own server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
BUNDLE = {"explore.js": "text/javascript", "explore.css": "text/css"}


class Answers(Protocol):
    """Interface that answers the requests of a page, by their names."""

    names: frozenset[str]

    def answer(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request with plain values."""
        ...


def bundled(name: str) -> str:
    """Return a file of the front end, which the package ships."""
    return files("edgewise.explore.page").joinpath("bundle", name).read_text(encoding="utf-8")


def application(requests: Answers, token: str, port: int) -> Starlette:
    """Make the ASGI application that answers the page.

    Who does not send the token gets 403; the header Host must name the port. MissingExtraError where the extra
    `explore` is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise missing_extra("starlette", "explore", "The explorer") from error

    def allowed(request: Request, sent: str) -> bool:
        hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = request.headers.get("origin")
        same = origin is None or (origin.startswith("http://") and urlsplit(origin).netloc in hosts)
        return request.headers.get("host") in hosts and same and secrets.compare_digest(sent.encode(), token.encode())

    def refused() -> Response:
        text = "Forbidden: open the address that `edgewise explore` printed, with its token."
        return Response(text, 403, HEADERS, "text/plain")

    async def page(request: Request) -> Response:
        if not allowed(request, request.query_params.get("token", "")):
            return refused()
        name = request.path_params.get("name", "index.html")
        if name == "index.html":
            text = bundled(name).replace('"explore.js"', f'"explore.js?token={token}"')
            return Response(text.replace('"explore.css"', f'"explore.css?token={token}"'), 200, HEADERS, "text/html")
        if name not in BUNDLE:
            return Response("There is no such file.", 404, HEADERS, "text/plain")
        return Response(bundled(name), 200, HEADERS, BUNDLE[name])

    async def answer(request: Request) -> Response:
        if not allowed(request, request.headers.get("x-edgewise-token", "")):
            return refused()
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                return Response("The request is too large.", 413, HEADERS, "text/plain")
        name = request.path_params["name"]
        try:
            values = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            values = None
        if name not in requests.names or not isinstance(values, dict):
            return Response("The request must be a known one, with a JSON object.", 400, HEADERS, "text/plain")
        result = await run_in_threadpool(requests.answer, name, values)
        return Response(json.dumps(result, allow_nan=False), 200, HEADERS, "application/json")

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/api/{name}", answer, methods=["POST"]),
            Route("/{name}", page, methods=["GET"]),
        ]
    )


class Server:
    """A server that is ready to run, with the address of its page."""

    def __init__(self, requests: Answers, port: int = 0) -> None:
        try:
            import uvicorn
        except ImportError as error:
            raise missing_extra("uvicorn", "explore", "The explorer") from error
        self._socket = socket.socket()
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise InputError(f"port must be a free one, got {port}, which is taken or closed") from error
        self.port = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{self.port}/?token={token}"
        config = uvicorn.Config(
            application(requests, token, self.port),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Answer until Ctrl-C, or until `stop`."""
        # In a thread of its own, where uvicorn leaves the signals of the process to those who called.
        thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        with self._socket:
            thread.start()
            try:
                while thread.is_alive():
                    thread.join(WAKING)
            except KeyboardInterrupt:
                self.stop()
                thread.join(2 * SECONDS_TO_END)

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._server.should_exit = True
