"""The signals that end a command, on every system."""

import signal
from collections.abc import Callable

# Windows has no SIGHUP: there, a terminal that is closed ends what runs in it.
HANG_UP: int | None = getattr(signal, "SIGHUP", None)
ENDING: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM) + (
    () if HANG_UP is None else (HANG_UP,)
)


def on_hang_up(handler: Callable[[], object]) -> None:
    """Call a function when the terminal is closed, unless that is ignored (nohup)."""
    if HANG_UP is not None and signal.getsignal(HANG_UP) != signal.SIG_IGN:
        signal.signal(HANG_UP, lambda number, frame: handler())
