"""FocusWriting: what is known of the focus of each image, in the files that pymmcore-plus writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from useq import MDAEvent

LABEL = "parfocal"
"""Of the autofocus device, as programs see it; and of its facts in an event's metadata."""


class FocusWriting:
    """Adds the facts of an event's metadata to what is written of its image.

    Notes
    -----
    The sink of pymmcore-plus hands on time, exposure and position of a frame and drops all else, while the
    stream of ome-writers behind it takes anything. Both are private to the runner; without them, files are
    written as ever and the facts stand in the events alone.
    """

    def begin(self, core: CMMCorePlus) -> None:
        """An acquisition has begun, and its files were opened."""
        sink: Any = getattr(core.mda, "_sink", None)
        if getattr(sink, "_stream", None) is not None:
            stream = _TellingStream(sink._stream)
            sink._stream, sink.append = stream, stream.telling(sink.append)


class _TellingStream:
    """A stream of ome-writers, which writes the facts of an event beside those of its frame."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._facts: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def append(self, frame: NDArray[Any], *, frame_metadata: dict[str, Any] | None = None) -> None:
        self._stream.append(frame, frame_metadata={**(frame_metadata or {}), **self._facts})

    def telling(self, append: Callable[..., None]) -> Callable[..., None]:
        """The sink's own way to take an image, which notes whose facts the next frame has."""

        def append_with_facts(image: NDArray[Any], event: MDAEvent, meta: Any) -> None:
            self._facts = event.metadata.get(LABEL, {})
            append(image, event, meta)

        return append_with_facts
