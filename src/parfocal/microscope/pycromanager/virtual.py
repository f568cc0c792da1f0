"""PycroManagerCore: any core of Micro-Manager, the virtual one too, for pycro-manager's Python back end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from parfocal.microscope.pycromanager.devices import camel_case


@dataclass
class ImageWithTags:
    """An image (Y, X) on its way, and its metadata. Pycro-manager writes into it."""

    tags: dict[str, Any] | None
    pix: NDArray[Any] | None


class PycroManagerCore:
    """A core under the names by which pycro-manager's engine calls one, ``set_position`` for ``setPosition``.

    With this, pycro-manager acquires from the virtual microscope, without Java and without Micro-Manager.

    Parameters
    ----------
    core : CMMCorePlus
        For example a `parfocal.microscope.virtual_core`.

    Examples
    --------
    >>> Engine(PycroManagerCore(virtual_core(microscope)))  # doctest: +SKIP
    """

    TaggedImage = ImageWithTags

    def __init__(self, core: Any) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._core, camel_case(name))
        return method

    def get_tagged_image(self, channel: int, camera: str, height: int, width: int) -> ImageWithTags:
        """The image that was snapped last."""
        tags = {"Camera": camera, "Height": height, "Width": width, "CameraChannelIndex": channel}
        return ImageWithTags(tags, self._core.getImage(channel))

    def pop_next_tagged_image(self) -> ImageWithTags:
        """The next image of those that the camera took in one go.

        Raises
        ------
        IndexError
            If it has not come yet.
        """
        image, metadata = self._core.popNextImageAndMD()
        return ImageWithTags(dict(metadata), image)
