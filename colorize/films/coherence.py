"""Colours that stay on what moves: key frames by the network, the others carried.

From a key frame to the next, the colours of both are carried along motion to each frame
between, as far as motion is to be trusted. What neither knows is the network's own
colour of that frame. Most of what is sure is taken over from the frame before. A key
frame itself keeps, where motion is sure, most of what was carried to it: else each
would have other colours than the last. The first of a shot takes some from the next,
for two answers err less than one. How strong they are as a whole goes half way to the
network's own, lest they fade. What passes quickly has softer colours: their place is
less sure there. A frame that is told colours is a key frame, and what it is told
follows its thing to those after it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np

from colorize.films.motion import Follower, Motion, carried, length, likeness
from colorize.films.telling import Predict, Timeline, followed
from colorize.hints import Point

SHORT_SIDE = 192  # pixels of a frame that motion and colours are worked out at, at most
APART = 14  # frames from one key frame to the next, at most
_LEAST = 0.3  # of trust in what was carried, over the picture: below, a key frame comes
_KEPT = 0.8  # share of a sure colour that a key frame keeps of what was carried to it
_AHEAD = 0.4  # share of one that the first key frame of a shot takes from the next
_OWN_STRENGTH = 0.5  # of 1: how far a key frame's strength of colour goes to its own
_SLOW, _QUICK = 1.0, 5.0  # pixels a frame: colours are softer from the one to the other
_SOFT = 3.0  # pixels by which colours of what is quick spread
_STEADY = 0.6  # share of a sure colour that the next frame takes over as it is
_SURE = 0.25  # weight from which carried colours are taken as they are
_HOLES = 0.3  # share of a frame without carried colours, from which the network sees it
_LITTLE = 1e-6  # that nothing is divided by zero
_TOLD = 10.0  # Lab units by which colours change that were told for certain


@dataclass(frozen=True)
class Look:
    """A frame, as small as its motion and its colours are worked out.

    Attributes:
        frame: of whatever it is a look at; it is only handed on.
        grey: (h, w) uint8 of it.
        levels: (h', w') uint16, what the network may see of it.
        time: in seconds, up to which times are nearer to it than to the next frame.
        points: what the network is told of it first.
    """

    frame: Any
    grey: np.ndarray
    levels: np.ndarray
    time: float = 0.0
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Colored:
    """A frame and its colours.

    Attributes:
        frame: the frame.
        ab: (h, w, 2) in Lab units, as it is shown.
        key: (h, w, 2) of a key frame, from which what comes can be worked out.
        points: what the network was told of it, if it is a key frame.
    """

    frame: Any
    ab: np.ndarray
    key: np.ndarray | None = None
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class _Key:
    """A key frame and its colours.

    Attributes:
        look: the frame.
        ab: (h, w, 2) in Lab units.
        points: what the network is told of it, also from before.
        first: whether it begins a shot, coloured by itself for now.
    """

    look: Look
    ab: np.ndarray
    points: tuple[Point, ...]
    first: bool = False


class _Step(NamedTuple):
    """A frame after a key frame, how it moved, and that key frame carried on to it."""

    look: Look
    motion: Motion
    ahead: "Carried"


@dataclass(frozen=True)
class _Span:
    """A key frame and those up to the next, or to the end of their shot.

    Attributes:
        key: the key frame.
        steps: the frames after it; the last of them is the next key frame.
        behind: the next key frame, carried back to each of them; itself at last.
        over: whether the shot ends with it.
    """

    key: Look
    steps: list[_Step]
    behind: list["Carried"]
    over: bool


class Coherence:
    """Colours the frames of a film.

    Args:
        predict: from levels (h', w') uint16 and points to ab (h'', w'', 2).
        look: makes of a frame what it is worked out from.
        timeline: of points, from the first frame on.
        alone: whether each frame is coloured by itself, to compare with.
    """

    def __init__(
        self,
        predict: Predict,
        look: Callable[[Any], Look],
        timeline: Timeline | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._predict = predict
        self._look = look
        self._timeline = timeline or Timeline(())
        self._alone = alone
        self._follower = Follower()

    def run(
        self,
        frames: Iterable[Any],
        ab: np.ndarray | None = None,
        points: tuple[Point, ...] = (),
    ) -> Iterator[Colored]:
        """Yield frames with their colours.

        Args:
            frames: in the order that they are shown.
            ab: of the first of them, where that was worked out before.
            points: on the first of them, then.
        """
        looks = self._looks(frames, None if ab is None else points)
        if self._alone:
            yield from self._each_alone(looks)
            return
        key: _Key | None = None
        for span in self._spans(looks):
            if key is None:
                key, ab = self._begun(span.key, ab), None
            if span.steps:
                key, following = self._ends(key, span)
                yield from self._shown(key, following, span)
                key = following
            if span.over:
                yield self._last(key, span)
                key = None

    def _looks(
        self, frames: Iterable[Any], points: tuple[Point, ...] | None
    ) -> Iterator[Look]:
        """Yield what is worked with of each frame, with the points that begin on it.

        Args:
            frames: the frames.
            points: on the first of them, where these are known from before.
        """
        for frame in frames:
            look = self._look(frame)
            if points is None:
                points = self._timeline.until(look.time)
            else:
                self._timeline.pass_over(look.time)
            yield replace(look, points=points)
            points = None

    def _each_alone(self, looks: Iterator[Look]) -> Iterator[Colored]:
        """Yield frames with the network's own colours; points stay where they are."""
        points: tuple[Point, ...] = ()
        for look in looks:
            points += look.points
            ab = self._own(look, points)
            yield Colored(look.frame, ab, ab, points)

    def _spans(self, looks: Iterator[Look]) -> Iterator[_Span]:
        """Yield all frames, from key frame to key frame: what is known of motion."""
        key: Look | None = None
        steps: list[_Step] = []
        for look in looks:
            if key is None:
                key = look
                continue
            if steps:
                before, _, ahead = steps[-1]
            else:
                before, ahead = key, Carried(key.grey, self._follower)
            motion = self._follower.motion(before.grey, look.grey)
            if motion.cut:
                yield _Span(key, steps, self._behind(steps), over=True)
                key, steps = look, []
                continue
            ahead = ahead.on(look.grey, motion.back, motion.trust_back)
            steps.append(_Step(look, motion, ahead))
            lost = ahead.trust.mean() < _LEAST
            if len(steps) >= APART or lost or look.points:
                yield _Span(key, steps, self._behind(steps), over=False)
                key, steps = look, []
        if key is not None:
            yield _Span(key, steps, self._behind(steps), over=True)

    def _behind(self, steps: list[_Step]) -> list["Carried"]:
        """Return what the last frame is carried back to: each frame, itself at last."""
        if not steps:
            return []
        behind = [Carried(steps[-1].look.grey, self._follower)]
        for step, after in zip(steps[-2::-1], steps[:0:-1], strict=True):
            motion = after.motion
            behind.append(
                behind[-1].on(step.look.grey, motion.ahead, motion.trust_ahead)
            )
        return behind[::-1]

    def _begun(self, look: Look, ab: np.ndarray | None) -> _Key:
        """Return the first frame of a shot, or one whose colours are known already."""
        if ab is not None:
            return _Key(look, ab, look.points)
        ab = self._own(look, look.points)
        return _Key(look, ab, look.points, first=not look.points)

    def _ends(self, key: _Key, span: _Span) -> tuple[_Key, _Key]:
        """Return the key frame of a span, and the next one."""
        look, _, ahead = span.steps[-1]
        points = followed(key.points, ahead.flow, ahead.trust)
        answer = self._own(look, points)
        if key.first:
            motion = span.steps[0].motion
            back = span.behind[0].on(key.look.grey, motion.ahead, motion.trust_ahead)
            share = _of_both(_AHEAD * back.trust)
            ab = _mean(key.look.grey, back.carry(answer), key.ab, share)
            key = replace(key, ab=ab)
        share = _of_both(_KEPT * ahead.trust)
        if look.points:  # what is told now is not known from before
            points += look.points
            before, answer = answer, self._own(look, points)
            change = np.linalg.norm(answer - before, axis=-1, keepdims=True)
            share *= 1 - np.minimum(1, change / _TOLD)
        ab = _mean(look.grey, ahead.carry(key.ab), answer, share)
        return key, _Key(look, ab, points)

    def _shown(self, key: _Key, following: _Key, span: _Span) -> Iterator[Colored]:
        """Yield a key frame and those up to the next."""
        steps = span.steps
        shown = softened(key.ab, steps[0].motion.ahead)
        yield Colored(key.look.frame, shown, key.ab, key.points)
        before = key.ab
        for i, (look, motion, ahead) in enumerate(steps[:-1]):
            passed = (i + 1) / len(steps)
            points = followed(key.points, ahead.flow, ahead.trust)
            ab = self._mixed(
                look,
                points,
                ((1 - passed, ahead, key.ab), (passed, span.behind[i], following.ab)),
            )
            steady = _of_both(_STEADY * motion.trust_back)
            before = ab + steady * (carried(before, motion.back) - ab)
            yield Colored(look.frame, softened(before, motion.back))

    def _last(self, key: _Key, span: _Span) -> Colored:
        """Return the last frame of a shot, with the colours of a key frame."""
        if not span.steps:
            return Colored(key.look.frame, key.ab, key.ab, key.points)
        return Colored(key.look.frame, softened(key.ab, span.steps[-1].motion.back))

    def _mixed(
        self,
        look: Look,
        points: tuple[Point, ...],
        sides: tuple[tuple[float, "Carried", np.ndarray], ...],
    ) -> np.ndarray:
        """Return the colours of a frame between two key frames.

        Args:
            look: the frame.
            points: what the network is told of it.
            sides: the share of each key frame, where it is carried, and its colours.
        """
        weights = [share * side.trust for share, side, _ in sides]
        total = weights[0] + weights[1]
        ab = sum(
            _of_both(w / (total + _LITTLE)) * side.carry(ab)
            for w, (_, side, ab) in zip(weights, sides, strict=True)
        )
        sure = np.minimum(1, total / _SURE)
        if float(1 - sure.mean()) > _HOLES:
            answer = self._own(look, points)
            return _of_both(sure) * ab + _of_both(1 - sure) * answer
        return filled(ab, sure)

    def _own(self, look: Look, points: tuple[Point, ...]) -> np.ndarray:
        """Return what the network says of a frame alone, (h, w, 2)."""
        predicted = self._predict(look.levels, points)
        ab = np.ascontiguousarray(predicted, np.float32)
        size = look.grey.shape[::-1]
        return cv2.resize(ab, size, interpolation=cv2.INTER_AREA).reshape(
            *size[::-1], 2
        )


def softened(ab: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return colours (h, w, 2) that are softer where flow (h, w, 2) is quick."""
    quick = length(flow)
    if quick.max() <= _SLOW:
        return ab
    share = _of_both(np.clip((quick - _SLOW) / (_QUICK - _SLOW), 0, 1))
    return ab + share * (cv2.GaussianBlur(ab, (0, 0), _SOFT) - ab)


def _mean(
    grey: np.ndarray, brought: np.ndarray, answer: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return a share of the colours brought to a frame and the rest of its own.

    All are (h, w, 2), but `grey` (h, w) uint8, which is the frame.
    """
    ab = share * brought + (1 - share) * answer
    light = _of_both(grey.astype(np.float32))
    return ab * (_strength(light * answer) / _strength(light * ab)) ** _OWN_STRENGTH


def _strength(ab: np.ndarray) -> float:
    """Return how strong colours are, weighed by their light, as RGB shows them.

    Much as `metrics.colourfulness` says it.
    """
    mean, spread = cv2.meanStdDev(ab)
    return float(np.linalg.norm(spread) + 0.3 * np.linalg.norm(mean)) + _LITTLE


def filled(ab: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Return colours whose holes take what is around them, however wide they are.

    Args:
        ab: (h, w, 2) float32.
        sure: (h, w) float32 in [0, 1]; 0 for a hole.

    Returns:
        (h, w, 2): ab where it is sure, and elsewhere ever coarser means of it.
    """
    if sure.min() == 1:
        return ab
    share = _of_both(sure)
    if min(sure.shape) < 2:
        mean = (share * ab).sum((0, 1)) / (sure.sum() + _LITTLE)
        return share * ab + (1 - share) * mean
    half, weight = cv2.pyrDown(share * ab), cv2.pyrDown(sure)
    coarse = filled(half / (_of_both(weight) + _LITTLE), np.minimum(1, 4 * weight))
    size = sure.shape[::-1]
    around = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    return share * ab + (1 - share) * around.reshape(ab.shape)


def _of_both(weights: np.ndarray) -> np.ndarray:
    """Return weights (h, w) of a and of b, (h, w, 2): NumPy spreads them slowly."""
    return cv2.merge((weights, weights))


class Carried:
    """Where the things of a key frame are in another.

    Colours are looked up in the key frame itself, however far it is: carried from frame
    to frame they would blur.

    Args:
        grey: (h, w) uint8 of the key frame, which is where it begins.
        follower: of motion.
    """

    def __init__(self, grey: np.ndarray, follower: Follower) -> None:
        self._grey = grey
        self._follower = follower
        self.trust = np.ones(grey.shape, np.float32)
        self.flow: np.ndarray = np.zeros((*grey.shape, 2), np.float32)

    def carry(self, ab: np.ndarray) -> np.ndarray:
        """Return colours (h, w, 2) of the key frame where its things are."""
        return carried(ab, self.flow)

    def on(self, grey: np.ndarray, flow: np.ndarray, trust: np.ndarray) -> "Carried":
        """Return the same carried on to the next frame.

        Args:
            grey: that frame, (h, w) uint8.
            flow: its motion, (h, w, 2) in pixels.
            trust: in that, (h, w) from 0 to 1.
        """
        moved = Carried(self._grey, self._follower)
        about = flow + carried(self.flow, flow)
        moved.flow = self._follower.refined(grey, self._grey, about)
        alike = likeness(grey, carried(self._grey, moved.flow))
        # What was hidden on the way stays unknown; brightness may change slowly.
        moved.trust = np.minimum(trust * carried(self.trust, flow), 1) * np.sqrt(alike)
        return moved
