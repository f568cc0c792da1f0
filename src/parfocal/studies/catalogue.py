"""All studies by name. Each is loaded only when it is asked for: together they load torch and matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.studies.study import Study

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "downsampling": "downsampling",
        "bin-size": "bin_size",
        "stack-count": "stack_count",
        "people": "people",
        "focus-measures": "measures",
        "euglena": "euglena",
        "failures": "failures",
        "transfer": "transfer",
        "label-noise": "label_noise",
        "closed-loop": "closed_loop",
    }
)
"""The module of each study, in the order of the paper."""


def load_study(name: str) -> Study:
    """The study of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in MODULES:
        raise InputError(f"Expected a study among {', '.join(MODULES)}; got '{name}'.")
    study: Study = import_module(f"parfocal.studies.{MODULES[name]}").STUDY
    return study


def load_all() -> tuple[Study, ...]:
    """All studies, in the order of the paper."""
    return tuple(load_study(name) for name in MODULES)
