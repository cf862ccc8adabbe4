"""The page of the explorer on this machine alone: a token in the address, and no answer to pages from elsewhere."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

from edgewise.errors import CancelledError, EdgewiseError, InputError, missing_extra
from edgewise.escaping import printable_text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"  # no other machine can connect
BUNDLE = {"explore.js": "text/javascript", "explore.css": "text/css"}


class Answers:
    """Requests of a page, each answered by the method that a subclass names."""

    methods: ClassVar[Mapping[str, Callable[..., dict[str, Any]]]]

    def answer(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request with plain values; "error" holds a sentence where it is wrong."""
        known = self.methods.get(name)
        if known is None:
            return {"error": f"There is no request {name!r:.40}."}
        try:
            return known(self, body)
        except CancelledError:
            return {"cancelled": True}
        except EdgewiseError as error:
            return {"error": str(error)}


def bundled(name: str) -> str:
    """Return a file of the front end, which the package ships."""
    return files("edgewise.explore.page").joinpath("bundle", name).read_text(encoding="utf-8")


def application(requests: Answers, token: str, port: int, workers: ThreadPoolExecutor) -> Starlette:
    """Make the ASGI application that answers the page; answers are computed in the threads of `workers`.

    Who does not send the token gets 403; the header Host must name the port. A wrong request gets one sentence with a
    status of 4xx. MissingExtraError where the extra `explore` is not installed.
    """
    # The page runs its own script and style alone, and talks to its own server alone.
    headers = {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "font-src data:; img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    try:
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise missing_extra("starlette", "explore", "The explorer") from error

    # Who may ask: a page of this host and port that knows the token.
    def allowed(request: Request, sent: str) -> bool:
        hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = request.headers.get("origin")
        same = origin is None or origin in {f"http://{host}" for host in hosts}
        return request.headers.get("host") in hosts and same and secrets.compare_digest(sent.encode(), token.encode())

    def refused(status: int, sentence: str) -> Response:
        return Response(sentence, status, headers, "text/plain")

    forbidden = refused(403, "Forbidden: open the address that `edgewise explore` printed, with its token.")

    # Files of the page.
    async def page(request: Request) -> Response:
        if not allowed(request, request.query_params.get("token", "")):
            return forbidden
        name = request.path_params.get("name", "index.html")
        if name == "index.html":
            text = bundled(name).replace('"explore.js"', f'"explore.js?token={token}"')
            return Response(text.replace('"explore.css"', f'"explore.css?token={token}"'), 200, headers, "text/html")
        if name not in BUNDLE:
            return refused(404, "There is no such file.")
        return Response(bundled(name), 200, headers, BUNDLE[name])

    # Answers to its requests, each with its status.
    async def answer(request: Request) -> Response:
        if not allowed(request, request.headers.get("x-edgewise-token", "")):
            return forbidden
        # The body, up to a limit, as a JSON object of finite numbers.
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > 1 << 20:  # bytes: an edit has some hundred
                return refused(413, "The request is too large.")
        name = request.path_params["name"]
        try:
            values = json.loads(body or b"{}", parse_constant=_no_number)
        except (ValueError, RecursionError):
            values = None
        if name not in requests.methods or not isinstance(values, dict):
            return refused(400, "The request must be a known one, with a JSON object of finite numbers.")
        # The answer, computed in a thread so that the page stays alive.
        try:
            result = await asyncio.get_running_loop().run_in_executor(workers, requests.answer, name, values)
        except asyncio.CancelledError:  # by uvicorn, after `timeout_graceful_shutdown`
            return refused(503, "The page was ended before the answer was there.")
        if "error" in result:
            return refused(400, printable_text(result["error"]))
        try:
            text = json.dumps(result, allow_nan=False)
        except ValueError:
            return refused(400, "The request must hold smaller numbers: with these the answer is not finite.")
        return Response(text, 200, headers, "application/json")

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/api/{name}", answer, methods=["POST"]),
            Route("/{name}", page, methods=["GET"]),
        ]
    )


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


class Server:
    """A server whose socket listens, with the address of its page."""

    def __init__(self, requests: Answers, port: int = 0) -> None:
        try:
            import uvicorn
        except ImportError as error:
            raise missing_extra("uvicorn", "explore", "The explorer") from error
        self._socket = socket.socket()
        try:
            self._socket.bind((HOST, port))
            self._socket.listen()  # who connects before `run` waits for it
        except OSError as error:
            self._socket.close()
            raise InputError(f"port must be a free one, got {port}, which is taken or closed") from error
        self.port = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{self.port}/?token={token}"
        self._requests = requests
        # Of several threads, a job that computes leaves others for the page.
        self._workers = ThreadPoolExecutor(8)
        config = uvicorn.Config(
            application(requests, token, self.port, self._workers),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=2,  # seconds that a request has to end after Ctrl-C
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Answer until Ctrl-C, or until `stop`; a job that is computed is cancelled and ends before this returns."""
        # In a thread of its own, where uvicorn leaves the signals of the process to those who called. No thread is a
        # daemon: one that computes while the interpreter ends would abort it. It is waited for by its future: Python
        # takes a thread whose `join` Ctrl-C has interrupted for ended.
        with ThreadPoolExecutor(1) as thread:
            serving = thread.submit(self._server.run, [self._socket])
            try:
                while not serving.done():
                    # A thread that wakes twice a second hears of Ctrl-C on every system.
                    wait([serving], 0.5)
            except KeyboardInterrupt:
                pass
            finally:
                self.stop()
                wait([serving])
                self.stop()  # what waited for a thread of its own, and began since
                self._workers.shutdown(cancel_futures=True)
                self._socket.close()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._requests.answer("cancel", {})
        self._server.should_exit = True
