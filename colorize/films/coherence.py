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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from colorize.films.motion import Follower, Motion, carried, likeness
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


@dataclass
class Look:
    """A frame, as small as its motion and its colours are worked out.

    Attributes:
        frame: of whatever it is a look at; it is only handed on.
        grey: (h, w) uint8 of it.
        levels: (h', w') uint16, what the network may see of it.
        time: in seconds, up to which times are nearer to it than to the next frame.
        points: what the network is told of it.
        first: whether it begins a shot.
        ab: (h, w, 2) in Lab units, once known.
    """

    frame: Any
    grey: np.ndarray
    levels: np.ndarray
    time: float = 0.0
    points: tuple[Point, ...] = ()
    first: bool = False
    ab: np.ndarray = field(init=False)


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


_Step = tuple[Look, Motion, "Carried"]  # what a key frame is carried on to


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
        frames: Iterator[Any],
        ab: np.ndarray | None = None,
        points: tuple[Point, ...] = (),
    ) -> Iterator[Colored]:
        """Yield frames with their colours.

        Args:
            frames: in the order that they are shown.
            ab: of the first of them, where that was worked out before.
            points: on the first of them, then.
        """
        key: Look | None = None
        between: list[_Step] = []
        going_on = ab is not None
        for frame in frames:
            look = self._look(frame)
            if going_on:
                self._timeline.pass_over(look.time)
                look.points, going_on = points, False
            else:
                look.points = self._timeline.until(look.time)
                if self._alone:  # nothing is followed: each stays where it is
                    look.points = (*points, *look.points)
            if self._alone:
                points = look.points
                ab = self._own(look)
                yield Colored(frame, ab, ab, points)
                continue
            if key is None:
                key = look
                if ab is None:
                    self._begin(look)
                else:
                    look.ab = ab
                continue
            before = between[-1][0] if between else key
            motion = self._follower.motion(before.grey, look.grey)
            if motion.cut:
                yield from self._shown(key, between)
                yield self._last(key, between)
                key, between = look, []
                self._begin(look)
                continue
            reach = between[-1][2] if between else Carried(key, self._follower)
            reach = reach.on(look, motion.back, motion.trust_back)
            between.append((look, motion, reach))
            lost = reach.trust.mean() < _LEAST
            if len(between) >= APART or lost or look.points:
                yield from self._shown(key, between)
                key, between = between[-1][0], []
        if key is not None:
            yield from self._shown(key, between)
            yield self._last(key, between)

    def _begin(self, look: Look) -> None:
        """Color the first frame of a shot by itself, for now unless it is told."""
        look.ab = self._own(look)
        look.first = not look.points

    def _last(self, key: Look, between: list[_Step]) -> Colored:
        if not between:
            return Colored(key.frame, key.ab, key.ab, key.points)
        look, motion, _ = between[-1]
        return Colored(look.frame, softened(look.ab, motion.back))

    def _shown(self, key: Look, between: list[_Step]) -> Iterator[Colored]:
        """Work out the colours up to the last frame; yield all frames before that."""
        if not between:
            return
        last, _, reach = between[-1]
        begun, last.points = last.points, followed(key.points, reach.flow, reach.trust)
        last.ab = self._own(last)
        behind = self._behind(between)
        if key.first:
            _, motion, _ = between[0]
            back = behind[0].on(key, motion.ahead, motion.trust_ahead)
            key.ab = _mean(key, back.ab, key.ab, _of_both(_AHEAD * back.trust))
        last.ab = self._keyed(last, reach, begun)
        shown = softened(key.ab, between[0][1].ahead)
        yield Colored(key.frame, shown, key.ab, key.points)
        before = key
        for i, (look, motion, ahead) in enumerate(between[:-1]):
            passed = (i + 1) / len(between)
            sides = ((1 - passed, ahead), (passed, behind[i]))
            look.points = followed(key.points, ahead.flow, ahead.trust)
            ab = self._mixed(look, sides)
            steady = _of_both(_STEADY * motion.trust_back)
            look.ab = ab + steady * (carried(before.ab, motion.back) - ab)
            yield Colored(look.frame, softened(look.ab, motion.back))
            before = look

    def _behind(self, between: list[_Step]) -> list["Carried"]:
        """Return what the last frame is carried back to: each frame, itself at last."""
        behind = [Carried(between[-1][0], self._follower)]
        for (look, *_), (_, motion, _) in zip(
            between[-2::-1], between[:0:-1], strict=True
        ):
            behind.append(behind[-1].on(look, motion.ahead, motion.trust_ahead))
        return behind[::-1]

    def _keyed(
        self, last: Look, reach: "Carried", begun: tuple[Point, ...]
    ) -> np.ndarray:
        """Return the colours of the next key frame.

        Args:
            last: with the network's own, as it hears what the last key frame heard.
            reach: what is carried to it.
            begun: points that begin on it.
        """
        answer = last.ab
        share = _of_both(_KEPT * reach.trust)
        if begun:  # what is told now is not known from before
            last.points += begun
            before, answer = answer, self._own(last)
            change = np.linalg.norm(answer - before, axis=-1, keepdims=True)
            share *= 1 - np.minimum(1, change / _TOLD)
        return _mean(last, reach.ab, answer, share)

    def _mixed(
        self, look: Look, sides: tuple[tuple[float, "Carried"], ...]
    ) -> np.ndarray:
        """Return the colours of a frame between two key frames."""
        weights = [share * side.trust for share, side in sides]
        total = weights[0] + weights[1]
        ab = sum(
            _of_both(w / (total + _LITTLE)) * side.ab
            for w, (_, side) in zip(weights, sides, strict=True)
        )
        sure = np.minimum(1, total / _SURE)
        if float(1 - sure.mean()) > _HOLES:
            return _of_both(sure) * ab + _of_both(1 - sure) * self._own(look)
        return filled(ab, sure)

    def _own(self, look: Look) -> np.ndarray:
        """Return what the network says of a frame alone, (h, w, 2)."""
        predicted = self._predict(look.levels, look.points)
        ab = np.ascontiguousarray(predicted, np.float32)
        size = look.grey.shape[::-1]
        return cv2.resize(ab, size, interpolation=cv2.INTER_AREA).reshape(
            *size[::-1], 2
        )


def softened(ab: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return colours (h, w, 2) that are softer where flow (h, w, 2) is quick."""
    quick = cv2.magnitude(*cv2.split(flow))
    if quick.max() <= _SLOW:
        return ab
    share = _of_both(np.clip((quick - _SLOW) / (_QUICK - _SLOW), 0, 1))
    return ab + share * (cv2.GaussianBlur(ab, (0, 0), _SOFT) - ab)


def _mean(
    look: Look, brought: np.ndarray, answer: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return a share of the colours brought to a frame and the rest of its own.

    All are (h, w, 2).
    """
    ab = share * brought + (1 - share) * answer
    light = _of_both(look.grey.astype(np.float32))
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
    """The colours of a key frame, at the places where its things are in another.

    They are looked up in the key frame itself, however far it is: carried from frame to
    frame they would blur.
    """

    def __init__(self, key: Look, follower: Follower) -> None:
        self.key = key
        self.follower = follower
        self.trust = np.ones(key.grey.shape, np.float32)
        self.flow: np.ndarray = np.zeros((*key.grey.shape, 2), np.float32)

    @property
    def ab(self) -> np.ndarray:
        """The colours (h, w, 2), as the key frame has them now."""
        return carried(self.key.ab, self.flow)

    def on(self, look: Look, flow: np.ndarray, trust: np.ndarray) -> "Carried":
        """Return the same one frame on, whose motion from here is given."""
        moved = Carried(self.key, self.follower)
        about = flow + carried(self.flow, flow)
        moved.flow = self.follower.refined(look.grey, self.key.grey, about)
        alike = likeness(look.grey, carried(self.key.grey, moved.flow))
        # What was hidden on the way stays unknown; brightness may change slowly.
        moved.trust = np.minimum(trust * carried(self.trust, flow), 1) * np.sqrt(alike)
        return moved
