"""JSON as people read it: each list of numbers on one line."""

from __future__ import annotations

import json
import re
from typing import Any


def json_text(values: Any) -> str:
    """JSON text of plain values, with each list of numbers on one line.

    Raises
    ------
    ValueError
        If a value is not a number, infinite, or not of a JSON type.

    Examples
    --------
    >>> print(json_text({"n": 2, "values": [0.5, None]}), end="")
    {
      "n": 2,
      "values": [0.5, null]
    }
    """
    text = json.dumps(values, indent=2, allow_nan=False)
    # the innermost lists only; a line break never stands inside a JSON string
    return re.sub(r"\[[^\[\]{}]*\]", _on_one_line, text) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return re.sub(r",\n\s*", ", ", re.sub(r"\[\n\s*|\n\s*\]", lambda end: end[0].strip(), found[0]))
