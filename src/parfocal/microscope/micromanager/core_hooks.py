"""Hooks: methods of one object, such as a Micro-Manager core or its engine, replaced for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Hooks:
    """Replaces methods of one object, and gives them back.

    An acquisition engine asks its core for everything, neither of a running program can be exchanged, and a
    core takes no autofocus device that is written in Python. So methods are replaced, in this one object:
    others, and the class, stay as they are.

    Parameters
    ----------
    of : object
    """

    def __init__(self, of: object) -> None:
        self._of = of
        self._names: list[str] = []

    def replace(self, name: str, method: Callable[..., Any]) -> None:
        """Let `method` answer in place of the object's own.

        Raises
        ------
        RuntimeError
            If somebody else's answers already.
        """
        if name in vars(self._of):
            raise RuntimeError(f"Expected a core whose {name} is its own. Detach the other autofocus first.")
        setattr(self._of, name, method)
        self._names.append(name)

    def undo(self) -> None:
        """Give the object its own methods back."""
        while self._names:
            delattr(self._of, self._names.pop())
