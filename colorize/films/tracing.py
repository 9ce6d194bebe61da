"""Hints brought back to where their things are first seen in their shots.

Who names a colour has stopped the film somewhere in the middle of a shot, and means all
of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from colorize.films.coherence import APART, Carried, Look
from colorize.films.motion import Follower
from colorize.films.telling import followed
from colorize.hints import Point

_BACK = 20.0  # seconds, at most: what is seen of them is in memory

Looks = Callable[[float, float], Iterable[Look]]


def brought_back(points: Sequence[Point], looks: Looks) -> tuple[Point, ...]:
    """Return points at the beginning of their shots, or as near to it as motion leads.

    Args:
        points: at their times.
        looks: gives frames from a time to another, in seconds: the last is the first
            whose `time` is as late.
    """
    follower = Follower()
    return tuple(
        _first_seen(point, _shot(point.time, looks, follower), follower)
        for point in points
    )


def _shot(time: float, looks: Looks, follower: Follower) -> list[Look]:
    """Return what is seen of a shot up to a time; empty if nothing is shown then."""
    shot: list[Look] = []
    for look in looks(time - _BACK, time):
        if shot and follower.motion(shot[-1].grey, look.grey).cut:
            shot = []
        shot.append(replace(look, frame=None, levels=look.grey))
    return shot if shot and shot[-1].time >= time else []


def _first_seen(point: Point, shot: Sequence[Look], follower: Follower) -> Point:
    if len(shot) < 2:
        return point
    reach = Carried(shot[-1].grey, follower)
    for back, (look, after) in enumerate(_backwards(shot), 1):
        motion = follower.motion(look.grey, after.grey)
        reach = reach.on(look.grey, motion.ahead, motion.trust_ahead)
        if back % APART == 0 or look is shot[0]:
            places = followed((point,), reach.flow, reach.trust)
            if not places:
                return point
            point = replace(places[0], time=look.time)
            reach = Carried(look.grey, follower)
    return point


def _backwards(shot: Sequence[Look]) -> Iterator[tuple[Look, Look]]:
    """Yield each frame with the one after it, from the last to the first."""
    yield from zip(shot[-2::-1], shot[:0:-1], strict=True)
