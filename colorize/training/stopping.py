"""How a training is asked to end: by a signal, or because its time is up."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from colorize import signals

_TICK = 1.0  # seconds between calls of `idle`


class Stopped(Exception):
    """A training ends, at a moment when nothing is half done."""


class Stop:
    """Whether a training shall end as soon as nothing is half done.

    Attributes:
        signal: the number of the first signal that asked for it; None for none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def check(self) -> None:
        """Raise Stopped where a signal has come."""
        if self.signal is not None:
            raise Stopped


@contextlib.contextmanager
def listening(
    answer: Callable[[int], None], idle: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Have a thread answer signals at once, whatever the main thread is doing.

    Python runs its handlers in the main thread, between two of its own instructions:
    not while TensorFlow computes a step, which may take minutes. And an exception from
    a handler could come while TensorFlow traces a graph, and break its memory.

    A signal that is ignored, as under nohup, stays ignored. Outside of the main thread
    nothing is done: signals are that thread's affair.

    Args:
        answer: called with the number of each signal.
        idle: called every second in which there was none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    reader.settimeout(_TICK)

    def listen() -> None:
        while True:
            try:
                numbers = reader.recv(16)
            except TimeoutError:
                idle()
                continue
            if not numbers:
                return
            for number in set(signals.ENDING).intersection(numbers):
                answer(number)

    handlers = {
        number: signal.signal(number, lambda *_: None)
        for number in signals.ENDING
        if signal.getsignal(number) != signal.SIG_IGN
    }
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        writer.close()  # which ends the thread
        thread.join()
        reader.close()
