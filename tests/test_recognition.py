import numpy as np
import pytest

from colorize.evaluation import recognition
from colorize.models import backbones

pytestmark = pytest.mark.numeric


@pytest.mark.slow
def test_classes_are_those_of_the_classifier(draw):
    rgb = np.stack([draw(256, 256, seed) for seed in range(4)])
    features, classes = recognition.recogniser()(rgb)
    assert features.shape == (4, recognition.FEATURES)
    logits = backbones.find(backbones.DEFAULT).build()(rgb.astype(np.float32))
    np.testing.assert_array_equal(classes, np.argmax(logits, axis=-1))
    assert len(set(classes.tolist())) > 1
