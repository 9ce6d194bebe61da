"""The one exception for everything the user can put right."""


class ColorizeError(Exception):
    """Something the user can put right: shown as one line, without a traceback."""


class UsageError(ColorizeError):
    """Something that was named wrongly: a file, a folder, a setting, a value."""
