"""FocusWriting: what is known of the focus of each image, in the files that pymmcore-plus writes."""

from __future__ import annotations

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
    stream of ome-writers takes anything. Both are private to the runner; without them, files are written as
    ever and the facts stand in the events alone.
    """

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}

    def begin(self, core: CMMCorePlus) -> None:
        """An acquisition has begun, and its files were opened."""
        sink = getattr(core.mda, "_sink", None)
        stream = getattr(sink, "_stream", None)
        if sink is None or stream is None:
            return
        append, write = sink.append, stream.append

        def append_with_facts(image: NDArray[Any], event: MDAEvent, meta: Any) -> None:
            self._facts = event.metadata.get(LABEL, {})
            append(image, event, meta)

        def write_with_facts(frame: NDArray[Any], *, frame_metadata: dict[str, Any] | None = None) -> None:
            write(frame, frame_metadata={**(frame_metadata or {}), **self._facts})

        sink.append, stream.append = append_with_facts, write_with_facts
