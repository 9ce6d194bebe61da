"""Colour for black-and-white photographs, and training of your own colorizer."""

__version__ = "0.1.0"
