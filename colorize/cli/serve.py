"""`colorize serve`."""

import errno
import os
import signal
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colorize import signals
from colorize.cli.shared import (
    check_finite,
    command_errors,
    max_megapixels_option,
    model_option,
    model_path,
    precision_option,
    provenance_option,
    runtime_option,
    say,
    size_option,
)
from colorize.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

    from colorize.page.guard import Guard

_PORT = 8765


@click.command()
@model_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any but this lets other computers use the page.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="Of the page; 0 takes a free one.",
)
@click.option(
    "--open/--no-open", "opening", default=True, help="Open the page in the browser."
)
@click.option(
    "--max-uploads",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Photos that a page may hold at a time.",
)
@click.option(
    "--max-upload-mb",
    type=click.FloatRange(min=0, min_open=True),
    default=500.0,
    show_default=True,
    help="Refuse larger files.",
)
@click.option(
    "--keep/--no-keep",
    "stays",
    default=None,
    help="Whether photos stay until they are removed, over a reload and a restart; "
    "--no-keep deletes them with their page. [default: --keep, --no-keep with --host]",
)
@click.option(
    "--keep-gb",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Of disk for photos that stay; visits of longest ago go first.",
)
@click.option("--forget", is_flag=True, help="Remove all photos that stayed; then end.")
@size_option
@runtime_option
@precision_option
@max_megapixels_option
@provenance_option
def serve(
    named: Path | None,
    host: str,
    port: int,
    opening: bool,
    max_uploads: int,
    max_upload_mb: float,
    stays: bool | None,
    keep_gb: float,
    forget: bool,
    **options: Any,
) -> None:
    """Open a page in the browser, for photos and films.

    Drop them there, compare, put colours right, and download.

    What comes out is what `colorize predict` writes. The page is for this computer
    alone and loads nothing from elsewhere. Photos stay here, in a folder of yours,
    until you remove them on the page or by --forget. End it by Ctrl-C.

    \b
    colorize serve
    colorize serve --no-keep       # delete the photos when the page is closed
    colorize serve --port 0 --no-open --model runs/beta
    """  # noqa: D301
    with command_errors():
        check_finite({**options, "max_upload_mb": max_upload_mb, "keep_gb": keep_gb})
        if forget:
            return _forget()
        model = model_path(named)
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ModuleNotFoundError as e:
            raise UsageError(
                f"the page needs {e.name}: pip install starlette uvicorn"
            ) from e
        listening = _listen(host, port)
        if stays is None:
            from colorize.page import guard

            stays = guard.is_loopback(listening.getsockname()[0])
    signals.on_hang_up(lambda: signal.raise_signal(signal.SIGTERM))  # files go, too
    stay, go = "its photos are here when it is started again", "its files are deleted"
    with command_errors(lambda: f"the page is closed, and {stay if stays else go}"):
        most = keep_gb if stays else None
        limits = (max_uploads, max_upload_mb, most)
        _serve(model, listening, host, opening, limits, options)


def _forget() -> None:
    """Remove all photos that stayed, and say so."""
    from colorize.page import keeping

    root = keeping.data_folder()
    number = keeping.forget(root)
    say(f"removed {number} photo{'' if number == 1 else 's'}: {root}")


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UsageError: it cannot be had, and why.
    """
    if not host:
        raise UsageError("--host needs an address")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except socket.gaierror as e:
        raise UsageError(f"--host {host}: no address of this computer") from e
    except OSError as e:
        if e.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} is taken, maybe by another `colorize serve`; try --port 0"
            ) from e
        raise UsageError(f"{host}:{port} cannot be listened on: {e.strerror}") from e


def _serve(
    model: Path,
    listening: socket.socket,
    host: str,
    opening: bool,
    limits: tuple[int, float, float | None],
    options: dict[str, Any],
) -> None:
    """Answer until a signal ends it.

    `limits` are photos of a page, MB of each, and GB of those that stay, if they do.

    Raises:
        ColorizeError: the model cannot be opened.
    """
    from colorize.page import app, guard, keeping
    from colorize.page.answering import Limits
    from colorize.page.sessions import Sessions
    from colorize.page.worker import Worker

    address, port, *_ = listening.getsockname()
    worker = Worker(model, say=say, **options)
    most, megabytes, gigabytes = limits
    root = None if gigabytes is None else keeping.data_folder()
    with Sessions(
        root,
        int(1e9 * (gigabytes or 0)),
        on_return=worker.put,
        on_remove=worker.drop,
    ) as sessions:
        built = app.build(worker, sessions, Limits(most, int(megabytes * 1e6)))
        server = _server(guard.Guard(built, host, address, port))
        _announce(host, address, port, opening)
        try:
            worker.start(
                on_failure=lambda: setattr(server, "should_exit", True),
                note=sessions.note,
            )
            server.run(sockets=[listening])
        finally:
            worker.stop()
    if worker.error is not None:
        raise worker.error


def _server(app: "Guard") -> "uvicorn.Server":
    """Return what answers with an application over HTTP."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )


def _announce(host: str, address: str, port: int, opening: bool) -> None:
    """Say where the page is and who may use it, and open it where that is wanted."""
    from colorize.page import guard

    shown = guard.EVERYWHERE.get(address, host)
    url = f"http://{guard.in_url(shown)}:{port}/"
    click.echo(url)
    sys.stdout.flush()
    if not guard.is_loopback(address):
        say("anyone who can reach this computer may use the page, unencrypted")
    say("the page ends with this command: Ctrl-C")
    if opening:
        _open(url)


def _open(url: str) -> None:
    """Open a browser that has a window, without waiting for it."""
    windows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, windows)):
        say("no desktop here: open the address in a browser")
        return
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
