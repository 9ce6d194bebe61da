"""A function applied in threads, its results in order: for what one picture needs."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_THREADS = 8  # at the most: each holds some of what it works on
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """Apply a function to each of many items, several at once.

    Args:
        function: takes one; it is called in threads.
        items: are taken one by one, in the thread that asks for results, and not many
            more than have been asked for.

    Yields:
        What the function returns, in the order of the items.
    """
    threads = min(os.cpu_count() or 1, _THREADS)
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads, "side-by-side") as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
