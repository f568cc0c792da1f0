"""Every error that parfocal raises on purpose, as one tree.

::

    ParfocalError                 the root: catch this to catch them all
    ├── InputError                what came in cannot be used (a command exits with 2)
    │   ├── ImageFileError        a file is missing, truncated, not an image, or of a wrong kind
    │   ├── DatasetError          a dataset folder, its annotations or its split are not usable
    │   ├── SettingsError         a recipe or settings file has an unknown key or a bad value
    │   └── ModelError            a model file is unreadable, or not made for this image
    ├── OutputError               a result could not be written (disk full, no permission)
    ├── FocusError                the focus was not found, and what was to be done depends on it
    └── DeviceError               a camera or focus drive failed or did not do what it was told
        └── LimitError            a move was refused because it would leave the allowed window

A message says what was expected, what came, and what to do.
"""

from __future__ import annotations


class ParfocalError(Exception):
    """Root of every error that parfocal raises on purpose."""


class InputError(ParfocalError):
    """What came in cannot be used; the message says why and what to do."""


class ImageFileError(InputError):
    """An image file is missing, truncated, not an image, or of a kind that holds no single plane."""


class DatasetError(InputError):
    """A dataset folder, its annotations or its split cannot be used."""


class SettingsError(InputError):
    """A settings file has an unknown key or a value out of range."""


class ModelError(InputError):
    """A model file is unreadable, or the model was not made for this image."""


class OutputError(ParfocalError):
    """A result could not be written; nothing half-written is left under its final name."""


class FocusError(ParfocalError):
    """The focus was not found, and what was to be done depends on it."""


class DeviceError(ParfocalError):
    """A camera or focus drive failed, or did not do what it was told."""


class LimitError(DeviceError):
    """A move was refused because it would leave the window that the user allowed."""
