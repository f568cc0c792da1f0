"""The base of every settings class: frozen, checked once, read from and written to TOML."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from parfocal.errors import SettingsError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_PLAIN = re.compile(r'["\\\x00-\x1f\x7f]')
"""What a basic string of TOML 1.0 does not take as it stands."""


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
            raise SettingsError(_explain(error, of=cls, source=source)) from error

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

    Raises
    ------
    TypeError
        If a value is none of text, number, truth value, list or dict: TOML has no word for "nothing".

    Notes
    -----
    The standard library reads TOML and does not write it; settings are flat enough for these few lines.

    Examples
    --------
    >>> print(toml_text({"name": "a", "bins": {"width_um": 1.0}}), end="")
    name = "a"
    <BLANKLINE>
    [bins]
    width_um = 1.0
    """
    return "\n".join(_toml_lines(values, prefix="")).strip() + "\n"


def _toml_lines(values: dict[str, Any], *, prefix: str) -> list[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [f"{_toml_key(key)} = {_toml_value(values[key])}" for key in values if key not in tables]
    for key, table in tables.items():
        name = f"{prefix}{_toml_key(key)}"
        lines += ["", f"[{name}]", *_toml_lines(table, prefix=f"{name}.")]
    return lines


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return f'"{_NOT_PLAIN.sub(_escaped, value)}"'
    raise TypeError(f"Expected text, a number, a truth value, a list or a dict, got {value!r}.")


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in '"\\' else f"\\u{ord(found[0]):04x}"


def _explain(error: ValidationError, *, of: type[BaseModel], source: str) -> str:
    lines = []
    for problem in error.errors():
        where = problem["loc"]
        name = ".".join(str(part) for part in where) or "value"
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(_table(of, where[:-1]).model_fields))
            lines.append(f"unknown key '{name}'; known keys: {known}")
        elif problem["type"] == "value_error":  # values that do not go together: the message names them
            lines.append(f"{name}: {problem['ctx']['error']}" if where else f"{problem['ctx']['error']}")
        else:
            lines.append(f"'{name}' = {problem.get('input')!r}: {problem['msg']}")
    return f"{source}: " + "; ".join(lines) + "."


def _table(settings: type[BaseModel], where: tuple[int | str, ...]) -> type[BaseModel]:
    """The settings class of a nested table, as far down as it can be followed."""
    for part in where:
        field = settings.model_fields.get(str(part))
        choices = (field.annotation, *get_args(field.annotation)) if field else ()
        settings = next((c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)), settings)
    return settings
