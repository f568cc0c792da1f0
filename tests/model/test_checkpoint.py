"""A checkpoint holds numbers only, and is taken up whole."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest
import torch
from small_world import RECIPE

from parfocal.errors import InputError
from parfocal.model import build_network
from parfocal.model.checkpoint import load_checkpoint, save_checkpoint
from parfocal.model.training_run import TrainingRun, weights_of


def a_run(seed: int) -> TrainingRun:
    torch.manual_seed(seed)
    network = build_network(RECIPE.network, n_bins=RECIPE.bins.count)
    run = TrainingRun(network, network, torch.optim.Adam(network.parameters()))
    network(torch.rand(2, 1, 64, 64)).sum().backward()
    run.optimiser.step()
    return run


def test_a_run_is_taken_up_with_all_its_numbers(tmp_path: Path) -> None:
    run, other = a_run(1), a_run(2)
    run.start_weights = weights_of(other.network)
    run.waited_s, hasty = 0.5, RECIPE.training.replace(patience=1)
    run.count(2.5, seconds=3.5)
    run.validated(0.7, hasty.replace(decay="none"))
    run.count(1.5, seconds=4.5)
    run.validated(0.9, hasty)
    save_checkpoint(tmp_path / "c.pt", run, recipe=RECIPE, data_fingerprint="1")
    load_checkpoint(tmp_path / "c.pt", other, recipe=RECIPE, data_fingerprint="1")
    assert (other.step, other.seconds, other.loss) == (2, 4.5, run.loss)
    assert (other.errors_um, other.best_mae_um) == ([0.7, 0.9], 0.7)
    assert (other.waited_s, other.settled_at) == (0.5, (2, 4.5))
    for name, values in run.network.state_dict().items():
        assert torch.equal(values, other.network.state_dict()[name])
        assert torch.equal(run.best_weights[name], other.best_weights[name])
        assert torch.equal(run.start_weights[name], other.start_weights[name])
    states = [r.optimiser.state_dict()["state"][0]["exp_avg"] for r in (run, other)]
    assert torch.equal(*states)


def test_a_fresh_run_can_be_taken_up(tmp_path: Path) -> None:
    run, other = a_run(1), a_run(2)
    save_checkpoint(tmp_path / "c.pt", run, recipe=RECIPE, data_fingerprint="1")
    load_checkpoint(tmp_path / "c.pt", other, recipe=RECIPE, data_fingerprint="1")
    assert other.step == 0 and math.isnan(other.loss) and other.best_mae_um == math.inf


@pytest.mark.parametrize("changes", [{"name": "other"}, {"seed": 3}], ids=["recipe", "training"])
def test_what_was_made_with_something_else_is_refused_and_nothing_changes(
    changes: dict, tmp_path: Path
) -> None:
    run, other = a_run(1), a_run(2)
    run.count(1.0, seconds=1.0)
    save_checkpoint(tmp_path / "c.pt", run, recipe=RECIPE, data_fingerprint="1")
    values = RECIPE.model_dump()
    target = values if "name" in changes else values["training"]
    target.update(changes)
    with pytest.raises(InputError, match="belongs to another recipe or other data"):
        load_checkpoint(
            tmp_path / "c.pt", other, recipe=RECIPE.parse(values, source="test"), data_fingerprint="1"
        )
    assert other.step == 0


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"run": _Trap(tmp_path / "sprung")}, tmp_path / "c.pt")
    (tmp_path / "d.pt").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung"), protocol=2))
    for name in ("c.pt", "d.pt"):
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(tmp_path / name, a_run(1), recipe=RECIPE, data_fingerprint="1")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [{}, {"made_with": {}, "run": {}}, [1, 2]])
def test_a_file_of_other_values_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(InputError, match=r"c\.pt"):
        load_checkpoint(tmp_path / "c.pt", a_run(1), recipe=RECIPE, data_fingerprint="1")
