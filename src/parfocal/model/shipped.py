"""Models that come with the package, by their names."""

from __future__ import annotations

from pathlib import Path

import parfocal

FOLDER = Path(parfocal.__file__).parent / "shipped"


def find_model(name_or_path: str | Path) -> Path:
    """The file of a shipped model by its name, any other path as it is.

    Examples
    --------
    >>> find_model("bright-field").name
    'bright-field.safetensors'
    >>> find_model("mine.safetensors").name
    'mine.safetensors'
    """
    shipped = FOLDER / f"{name_or_path}.safetensors"
    return shipped if str(name_or_path) in shipped_models() else Path(name_or_path)


def is_shipped(model: Path) -> bool:
    """Whether a model is one of those that come with the package."""
    return model.resolve().parent == FOLDER.resolve() or str(model) in shipped_models()


def shipped_models() -> tuple[str, ...]:
    """Names of all models that come with the package."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.safetensors")))
