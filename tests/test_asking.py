"""How a network is asked, and what is remembered of its answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from colorize import asking, references
from colorize.outputs import FEATURES, LOGITS
from colorize.pictures import reading


class Counting:
    """A network whose answers are the mean L; it notes what it is asked for."""

    stride, size, fixed = 16, 32, None

    def __init__(self):
        self.asked = []

    def __call__(self, lightness, hints=None):
        return self.outputs([asking.AB], lightness, hints)[0]

    def outputs(self, names, lightness, hints=None):
        self.asked.append(tuple(names))
        mean = lightness.mean((1, 2, 3), keepdims=True)
        return [np.broadcast_to(mean, (len(lightness), 2, 3, 2)) for _ in names]


@pytest.fixture
def network():
    return Counting()


def levels(level, shape=(32, 40)):
    return np.full(shape, level, np.uint16)


def test_only_what_was_not_said_of_the_last_picture_is_asked(network):
    memory = asking.Memory(network)
    memory.outputs(levels(20000), asking.AB)
    memory.outputs(levels(20000), asking.AB, FEATURES)
    memory.outputs(levels(20000), FEATURES, asking.AB)
    memory.outputs(levels(20000), LOGITS, FEATURES)
    assert network.asked == [(asking.AB,), (FEATURES,), (LOGITS,)]
    memory.outputs(levels(30000), FEATURES)
    memory.outputs(levels(20000), FEATURES)
    memory.outputs(levels(20000, (40, 32)), FEATURES)  # the same bytes
    assert len(network.asked) == 6


def test_a_reference_is_remembered_beside_the_picture(network, draw):
    memory = asking.Memory(network)
    one, other = (
        references.Reference(reading.page_of(draw(48, 64, seed))) for seed in range(2)
    )
    before = memory.of_reference(one)
    memory.outputs(levels(20000), FEATURES)
    after = memory.of_reference(one)
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert len(network.asked) == 2
    assert memory.of_reference(other)[0] is not before[0]


def test_threads_that_share_a_memory_get_what_is_said_of_their_own_pictures(network):
    memory = asking.Memory(network)

    def mean(level):
        return memory.outputs(levels(level), asking.AB)[0][0, 0, 0]

    several = list(range(10000, 60000, 10000)) * 40
    expected = [asking.lightness_of(levels(level), network)[0, 0] for level in several]
    with ThreadPoolExecutor(8) as pool:
        np.testing.assert_allclose(list(pool.map(mean, several)), expected, rtol=1e-4)


def test_pictures_of_one_size_are_shown_together_and_come_back_in_order(network):
    shapes = [(32, 40), (16, 16), (32, 40), (16, 16), (32, 40)]
    several = [np.full(shape, i, np.float32) for i, shape in enumerate(shapes)]
    ab = asking.answers(network, several, [None] * len(several))
    assert [one[0, 0, 0] for one in ab] == [0, 1, 2, 3, 4]
    assert len(network.asked) == 2
