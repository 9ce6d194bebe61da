"""The one exception for everything the user can put right."""


class ColorizeError(Exception):
    """Something the user can put right: shown as one line, without a traceback."""
