"""What the page asks for, over HTTP.

Names of uploaded files come in as data and go out as data; on disk everything is called
by random tokens.
"""

import asyncio
import contextlib
import mimetypes
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from colorize.page.adding import Additions
from colorize.page.answering import Limits
from colorize.page.choosing import Choices
from colorize.page.downloading import Downloads
from colorize.page.sessions import Sessions
from colorize.page.showing import Views
from colorize.page.visiting import Visits
from colorize.page.worker import Worker

_SWEEP = 5.0  # seconds between looks for pages that have gone
_FAULT = "This is a fault of colorize: its terminal says more."
# Browsers run a script by this type alone, and Windows may have another for it.
mimetypes.add_type("text/javascript", ".js")


def build(worker: Worker, sessions: Sessions, limits: Limits) -> Starlette:
    """Return the application, without its guard."""
    sessions.say = worker.say
    visits = Visits(worker, sessions, limits)
    additions = Additions(worker, sessions, limits)
    choices = Choices(worker, sessions, limits)
    views = Views(worker, sessions, limits)
    downloads = Downloads(worker, sessions, limits)
    session = "/api/sessions/{token}"
    photo = f"{session}/photos/{{id}}"
    static = StaticFiles(packages=[("colorize.page", "static")], html=True)
    routes = [
        Route("/api/sessions", visits.open, methods=["POST"]),
        Route(session, visits.state),
        Route(f"{session}/close", visits.close, methods=["POST"]),
        Route(f"{session}/photos", additions.upload, methods=["POST"]),
        Route(f"{session}/photos.zip", downloads.download_all),
        Route(f"{session}/remove", visits.remove_all, methods=["POST"]),
        Route(f"{photo}/settings", choices.change, methods=["POST"]),
        Route(f"{photo}/hints", choices.tell, methods=["POST"]),
        Route(f"{photo}/hints", views.hints_file),
        Route(f"{photo}/likely", views.likely),
        Route(f"{photo}/reference", choices.refer, methods=["POST"]),
        Route(f"{photo}/reference", views.reference),
        Route(f"{photo}/frame", choices.reframe, methods=["POST"]),
        Route(f"{photo}/album", additions.album),
        Route(f"{photo}/split", additions.split, methods=["POST"]),
        Route(f"{photo}/remove", visits.remove, methods=["POST"]),
        Route(f"{photo}/preview", views.preview),
        Route(f"{photo}/thumbnail", views.thumbnail),
        Route(f"{photo}/part", views.part),
        Route(f"{photo}/player", views.player),
        Route(f"{photo}/copy", downloads.write_copy, methods=["POST"]),
        Route(f"{photo}/copy", downloads.download),
        Mount("/", static),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(sessions))
        yield
        sweeping.cancel()

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        # What is no HTTPException is raised on, so the terminal has its traceback.
        exception_handlers={HTTPException: _explain, Exception: _explain},
    )


async def _explain(request: Request, error: Exception) -> Response:
    """Return an error as one sentence, which the page shows."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    return JSONResponse({"error": _FAULT}, 500)


async def _sweep(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        await run_in_threadpool(sessions.close_silent)
