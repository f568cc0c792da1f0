"""CoreHooks: methods of one Micro-Manager core, replaced for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymmcore_plus import CMMCorePlus


class CoreHooks:
    """Replaces methods of one core, and gives them back.

    An acquisition engine asks its core for everything, the core of a running program cannot be exchanged,
    and it takes no autofocus device that is written in Python. So its own methods are replaced, in this one
    object: other cores, and the class, stay as they are.

    Parameters
    ----------
    core : CMMCorePlus
    """

    def __init__(self, core: CMMCorePlus) -> None:
        self._core = core
        self._names: list[str] = []

    def replace(self, name: str, method: Callable[..., Any]) -> None:
        """Let `method` answer in place of the core's own."""
        if name in vars(self._core):
            raise RuntimeError(f"Expected a core whose {name} is its own. Detach the other autofocus first.")
        setattr(self._core, name, method)
        self._names.append(name)

    def undo(self) -> None:
        """Give the core its own methods back."""
        while self._names:
            delattr(self._core, self._names.pop())
