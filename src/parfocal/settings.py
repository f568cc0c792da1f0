"""The base of every settings class: frozen, checked once, read from and written to TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from parfocal.errors import SettingsError


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys.

    Notes
    -----
    Subclasses live beside what they configure. Change means a new value: ``settings.replace(key=value)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any], *, source: str) -> Self:
        """Settings from plain values.

        Parameters
        ----------
        values : dict
            Plain values, as TOML or JSON gives them.
        source : str
            Where the values come from, for the message.

        Raises
        ------
        SettingsError
            If a key is unknown or a value out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(_explain(error, known=list(cls.model_fields), source=source)) from error

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Settings from a TOML file.

        Raises
        ------
        SettingsError
            If the file is missing, is not TOML, or holds an unknown key or a value out of range.
        """
        return cls.parse(read_toml(path), source=str(path))

    def to_toml(self) -> str:
        """These settings as TOML text, which `from_toml` reads back to an equal value."""
        return toml_text(self.model_dump(mode="json", exclude_none=True))

    def replace(self, **changes: Any) -> Self:
        """A checked copy with some values changed.

        Raises
        ------
        SettingsError
            If a key is unknown or a value out of range.
        """
        return self.parse({**self.model_dump(), **changes}, source=type(self).__name__)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    SettingsError
        If the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}). Expected a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}.") from error


def toml_text(values: dict[str, Any]) -> str:
    """TOML text of plain values: scalars and lists first, then nested tables.

    Notes
    -----
    The standard library reads TOML and does not write it; settings are flat enough for these few lines.
    """
    return "\n".join(_toml_lines(values, prefix="")).strip() + "\n"


def _toml_lines(values: dict[str, Any], *, prefix: str) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, dict):
            name = f"{prefix}{key}"
            lines += ["", f"[{name}]", *_toml_lines(value, prefix=f"{name}.")]
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _explain(error: ValidationError, *, known: list[str], source: str) -> str:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "value"
        if problem["type"] == "extra_forbidden":
            lines.append(f"unknown key '{name}'; known keys: {', '.join(sorted(known))}")
        else:
            lines.append(f"'{name}' = {problem.get('input')!r}: {problem['msg']}")
    return f"{source}: " + "; ".join(lines) + "."
