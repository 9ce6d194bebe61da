"""How far references and other colourings help, on a folder of colour photos.

    python benchmarks/variants.py PHOTOS [COUNT]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import colorize
from colorize import color, metrics, references, variants
from colorize.datasets import embeddings
