"""Encoders may put the process that calls them into real time; this puts it back.

SVT-AV1 does so to its caller, for good, and to all of its own threads wherever it may:
as root. Real-time threads come before all else on the machine, and what they start is
in real time too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unchanged() -> Iterator[None]:
    """Give all threads, at the end, the scheduling the caller has now."""
    if not (hasattr(os, "sched_setscheduler") and os.path.isdir("/proc/self/task")):
        yield  # Windows and macOS, where encoders do not do this
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in map(int, os.listdir("/proc/self/task")):
            with suppress(OSError):  # it may have ended
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, param)
