"""Imports point down only: read from the sources, those inside functions included."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import parfocal

PACKAGE = Path(parfocal.__file__).parent

FLOOR = {"errors", "settings", "zstack", "estimate"}
BELOW_MODEL = FLOOR | {"optics", "data", "focus_measures"}
LEARNING = BELOW_MODEL | {"model"}
MAY_IMPORT = {
    "errors": set(),
    "settings": {"errors"},
    "zstack": {"errors"},
    "estimate": {"errors"},
    "compute": {"errors"},
    "optics": FLOOR,
    "data": FLOOR,
    "focus_measures": FLOOR,
    "model": BELOW_MODEL | {"compute"},
    "evaluation": LEARNING,
    "studies": LEARNING
    | {"evaluation", "collect", "compute", "control", "microscope", "hold", "rigs"},
    "control": FLOOR,
    "microscope": FLOOR | {"optics", "control", "focus_measures"},
    "collect": LEARNING | {"compute"},
    "rigs": {"control", "data", "errors", "microscope", "optics"},
    "live_stack": {"control", "errors", "rigs", "zstack"},
    "hold": {"control", "errors", "estimate", "evaluation", "rigs"},
    "resume": {"control", "errors", "estimate", "hold", "rigs"},
    "web": {"control", "errors", "estimate", "settings"},
    "live_map": {"errors", "model", "web"},
    "run_images": {"control", "data", "errors", "zstack"},
    "demo": LEARNING | {"evaluation", "control", "microscope", "collect", "hold", "rigs"},
    "cli": LEARNING
    | {
        "evaluation",
        "control",
        "microscope",
        "compute",
        "collect",
        "hold",
        "rigs",
        "resume",
        "run_images",
        "live_stack",
        "live_map",
        "web",
        "demo",
        "studies",
    },
}
"""Each room, or file beside the rooms, and the others that it may know."""

ONLY_IN = {
    "torch": ("parfocal.optics", "parfocal.data.sampling", "parfocal.model"),
    "lightning_fabric": ("parfocal.model",),
    "matplotlib": ("parfocal.evaluation", "parfocal.studies"),
    "pymmcore_plus": ("parfocal.microscope.micromanager",),
    "pycromanager": (),
    "openvino": ("parfocal.model.backends",),
    "nncf": ("parfocal.model.backends.quantisation",),
    "pyarrow": ("parfocal.control.run_table",),
    "dask": ("parfocal.compute",),
    "nicegui": ("parfocal.web.page",),
    "fastapi": ("parfocal.web",),
    "starlette": ("parfocal.web",),
    "uvicorn": ("parfocal.web",),
    "typer": ("parfocal.cli",),
    "rich": ("parfocal.cli",),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(name: str) -> Iterator[str]:
    """Every module that a module imports anywhere in it."""
    for node in ast.walk(ast.parse(SOURCES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by a relative name"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (module if module in SOURCES else str(node.module) for module in modules)


IMPORTS = {name: set(imports_of(name)) for name in SOURCES}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "parfocal"


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def reached_from(module: str) -> set[str]:
    """All modules that are loaded with a module: what it imports, the packages above, and so on."""
    reached: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        above = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
        # The public names load their homes only when they are used.
        found = above | (IMPORTS.get(name, set()) if name != "parfocal" else set())
        waiting |= found - reached
    return reached


def test_every_room_has_its_place() -> None:
    assert {room_of(name) for name in SOURCES} - {"parfocal"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "parfocal"])
def test_imports_point_down(name: str) -> None:
    rooms = {room_of(module) for module in IMPORTS[name] if module.startswith("parfocal.")}
    assert rooms - {room_of(name)} <= MAY_IMPORT[room_of(name)]


def test_rooms_do_not_go_in_circles() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


def test_modules_do_not_import_in_circles() -> None:
    inside = {name: IMPORTS[name] & SOURCES.keys() for name in SOURCES if name != "parfocal"}
    TopologicalSorter(inside).prepare()


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_only_where_it_belongs(library: str) -> None:
    users = {name for name, modules in IMPORTS.items() if any(within(module, library) for module in modules)}
    strangers = {name for name in users if not any(within(name, place) for place in ONLY_IN[library])}
    assert not strangers


def test_the_control_loop_needs_no_torch() -> None:
    for name in SOURCES:
        if within(name, "parfocal.control"):
            assert not {module for module in reached_from(name) if within(module, "torch")}, name


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        pytest.param("parfocal", {"torch", "matplotlib", "numpy", "pydantic"}, id="the package"),
        pytest.param("parfocal.control", {"torch", "matplotlib", "pymmcore_plus"}, id="the control loop"),
        pytest.param(
            "parfocal.web.page_link", {"nicegui", "fastapi", "torch", "PIL"}, id="the lock's end of its page"
        ),
        pytest.param("parfocal.web.alarms", {"nicegui", "fastapi", "torch"}, id="alarms"),
        pytest.param("parfocal.cli", {"torch", "matplotlib", "pymmcore_plus", "dask"}, id="the command line"),
    ],
)
def test_importing_loads_nothing_heavy(module: str, not_loaded: set[str]) -> None:
    script = f"import sys, {module}; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not not_loaded & set(ast.literal_eval(done.stdout))
