"""The z-stacks of the studies: which there are, and a folder where those that were made are found again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from parfocal.collect import simulate_dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.optics import VirtualMicroscope, preset
from parfocal.optics.specimens import EuglenaSettings, YeastSettings
from parfocal.studies.study import Size, Stock

PIXEL_UM: Mapping[Size, float] = {"toy": 0.24, "quick": 0.12, "paper": 0.12}
"""The paper's 2X, from which 4X and 10X follow; toys begin at 4X."""
FIELD_UM: Mapping[Size, float] = {"toy": 34.56, "quick": 34.56, "paper": 61.44}
"""Side of the frames of yeast. A third of the paper's crops is learned from in a third of the time."""
YEAST_STACKS: Mapping[Size, int] = {"toy": 8, "quick": 150, "paper": 431}
_FIELD_OF_PRESET_UM = 61.44


def yeast(size: Size, *, pixel_um: float | None = None, **scan: Any) -> VirtualMicroscope:
    """The virtual yeast microscope with the field of a size, as crowded as its whole field.

    Parameters
    ----------
    size : str
    pixel_um : float, optional
        In the sample; the size's own if it is not told.
    **scan
        Of `parfocal.optics.ScanSettings`, in place of the preset's.
    """
    usual = preset("yeast-40x", quality="ci")
    pixel_um = pixel_um or PIXEL_UM[size]
    side_px = round(FIELD_UM[size] / pixel_um)
    camera = usual.camera.replace(pixel_size_um=pixel_um, height_px=side_px, width_px=side_px)
    fewer = as_crowded(usual, share=(FIELD_UM[size] / _FIELD_OF_PRESET_UM) ** 2)
    return fewer.replace(camera=camera, scan=usual.scan.replace(**scan))


def as_crowded(microscope: VirtualMicroscope, *, share: float) -> VirtualMicroscope:
    """A microscope with so many cells fewer as a share of its field wants; three are left at least."""
    return microscope.replace(
        specimens=tuple(
            one.replace(
                fewest_cells=max(3, round(one.fewest_cells * share)),
                most_cells=max(4, round(one.most_cells * share)),
            )
            if isinstance(one, YeastSettings | EuglenaSettings)
            else one
            for one in microscope.specimens
        )
    )


def yeast_stock(size: Size) -> Stock:
    """The stacks that most studies share: 31 planes 1 um apart."""
    return Stock("yeast", yeast(size), YEAST_STACKS[size], seed=2018)


def make_stocks(
    stocks: Sequence[Stock],
    data: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    watch: Callable[[float, str], None] = lambda fraction, words: None,
) -> dict[str, Path]:
    """Simulates the stocks that are not there yet.

    Parameters
    ----------
    stocks : sequence of Stock
    data : Path
        Folder of all stocks; made if need be. Workers elsewhere must see it too.
    workers, scheduler
        See `parfocal.compute.run_tasks`.
    watch : callable, optional
        Is told the fraction of a stock that is done, and a few words.

    Returns
    -------
    dict
        Folder of each stock, by its name.
    """
    data.mkdir(parents=True, exist_ok=True)
    folders = {stock.name: data / f"{stock.name}-{_key(stock)}" for stock in stocks}
    for stock in stocks:
        folder = folders[stock.name]
        if folder.exists():  # it appeared whole
            continue
        started = time.monotonic()
        simulate_dataset(
            folder,
            stock.microscope,
            n_stacks=stock.n_stacks,
            seed=stock.seed,
            workers=workers,
            scheduler=scheduler,
            watch=lambda done, total, name=stock.name: watch(  # type: ignore[misc]
                done / total, f"{name}: {done} of {total} z-stacks"
            ),
        )
        told = {"n_stacks": stock.n_stacks, "seconds": round(time.monotonic() - started, 1)}
        write_whole_text(_facts(folder), json.dumps(told))
    return folders


def facts_of(folder: Path) -> dict[str, Any]:
    """How many stacks a stock has, and the seconds that they took; nothing where that was not kept."""
    path = _facts(folder)
    if not path.exists():
        return {}
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _facts(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _key(stock: Stock) -> str:
    made_of = [stock.microscope.model_dump(mode="json"), stock.n_stacks, stock.seed]
    return sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:8]
