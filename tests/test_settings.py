"""Settings: frozen, checked, and the same after a trip through TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from parfocal.errors import SettingsError
from parfocal.settings import Settings, read_toml, toml_text


class Lens(Settings):
    numerical_aperture: float = Field(default=1.3, gt=0)
    remarks: tuple[str, ...] = ()


class Bench(Settings):
    name: str = "bench"
    pixel_size_um: float = Field(default=0.24, gt=0)
    exposure_ms: float | None = None
    lens: Lens = Lens()


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, PLAIN, max_size=4))
def test_plain_values_survive_a_trip_through_toml(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(values)) == values


@given(TEXT, st.lists(TEXT, max_size=3), st.floats(1e-300, 1e300), st.none() | FINITE)
def test_settings_survive_a_trip_through_toml(
    name: str, remarks: list[str], pixel_size_um: float, exposure_ms: float | None
) -> None:
    settings = Bench(
        name=name, pixel_size_um=pixel_size_um, exposure_ms=exposure_ms, lens=Lens(remarks=tuple(remarks))
    )
    assert Bench.parse(tomllib.loads(settings.to_toml()), source="here") == settings


def test_settings_survive_a_trip_through_a_file(tmp_path: Path) -> None:
    settings = Bench(name='a "C:\\scopes\\n" line\nand \x00 \x1b \x7f µ')
    (tmp_path / "bench.toml").write_text(settings.to_toml(), encoding="utf-8", newline="")
    assert Bench.from_toml(tmp_path / "bench.toml") == settings


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="got None"):
        toml_text({"exposures_ms": [1.0, None]})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Bench().name = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"magnifcation": 40}, "unknown key 'magnifcation'", id="unknown key"),
        pytest.param({"pixel_size_um": 0}, "'pixel_size_um' = 0", id="out of range"),
        pytest.param({"pixel_size_um": float("nan")}, "finite", id="not a number"),
        pytest.param({"lens": {"numerical_aperture": -1}}, "'lens.numerical_aperture' = -1", id="nested"),
    ],
)
def test_bad_values_are_refused_with_key_value_and_source(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Bench.parse(values, source="bench.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("bench.toml: ")


def test_an_unknown_key_of_a_nested_table_is_answered_with_the_keys_of_that_table() -> None:
    with pytest.raises(SettingsError, match=r"'lens\.na'; known keys: numerical_aperture, remarks"):
        Bench.parse({"lens": {"na": 1.3}}, source="bench.toml")


def test_a_change_is_checked_and_makes_a_new_value() -> None:
    bench = Bench()
    assert bench.replace(pixel_size_um=0.12).pixel_size_um == 0.12
    assert bench.pixel_size_um == 0.24
    with pytest.raises(SettingsError, match="Bench: 'pixel_size_um' = -1"):
        bench.replace(pixel_size_um=-1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"name = ", "is not TOML", id="not toml"),
        pytest.param(b"\xff\xfe", "is not TOML", id="not text"),
    ],
)
def test_an_unreadable_file_is_refused_with_its_path(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_toml(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
