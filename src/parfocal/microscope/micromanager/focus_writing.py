"""FocusWriting: what is known of the focus of each image, in the files that pymmcore-plus writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

LABEL = "parfocal"
"""Of the autofocus device, as programs see it; and of its facts in an event's metadata."""


class FocusWriting:
    """Adds what is known of the focus of each image to what is written of it.

    Parameters
    ----------
    facts : callable
        Gives the facts of the next frame.

    Notes
    -----
    The sink of pymmcore-plus hands on time, exposure and position of a frame and drops all else, while the
    stream of ome-writers behind it takes anything. Both are private to the runner; without them, files are
    written as ever and the facts stand in the events alone.
    """

    def __init__(self, facts: Callable[[], dict[str, Any]]) -> None:
        self._facts = facts

    def begin(self, core: CMMCorePlus) -> None:
        """Files were opened, and the first image is about to be taken."""
        sink: Any = getattr(core.mda, "_sink", None)
        stream = getattr(sink, "_stream", None)
        if stream is not None and not isinstance(stream, _TellingStream):
            sink._stream = _TellingStream(stream, self._facts)


class _TellingStream:
    """A stream of ome-writers, which writes the facts of each frame beside it."""

    def __init__(self, stream: Any, facts: Callable[[], dict[str, Any]]) -> None:
        self._stream, self._facts = stream, facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def append(self, frame: NDArray[Any], *, frame_metadata: dict[str, Any] | None = None) -> None:
        self._stream.append(frame, frame_metadata={**(frame_metadata or {}), **self._facts()})
