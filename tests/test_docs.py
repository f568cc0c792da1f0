"""What is written is true: examples run, public things are explained, and no verb is left out."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
import typer

import parfocal
from parfocal.cli.app import app

ROOT = Path(__file__).parents[1]
MODULES = ["parfocal", *(found.name for found in pkgutil.walk_packages(parfocal.__path__, "parfocal."))]


def own_public_things(module: ModuleType) -> dict[str, object]:
    """Public functions and classes that a module defines, and the public methods of the classes."""
    things: dict[str, object] = {}
    for name, thing in vars(module).items():
        is_ours = getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
        if is_ours and (inspect.isfunction(thing) or inspect.isclass(thing)):
            things[name] = thing
        if is_ours and inspect.isclass(thing):
            methods = {k: v for k, v in vars(thing).items() if not k.startswith("_")}
            things |= {
                f"{name}.{key}": value
                for key, value in methods.items()
                if inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
            }
    return things


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_public_things_are_explained(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    silent = [key for key, thing in own_public_things(module).items() if not thing.__doc__]
    assert not silent


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert not [key for key in names if not hasattr(module, key)]


def test_every_verb_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(verbs) == {
        "demo",
        "simulate",
        "import",
        "train",
        "calibrate",
        "evaluate",
        "estimate",
        "learning-curve",
        "lock",
        "acquire-run",
        "runs",
        "study",
    }
    assert not [verb for verb in verbs if f"parfocal {verb}" not in text]
