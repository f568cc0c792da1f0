"""Where a training runs, in how many processes, and in which precision."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from parfocal.errors import SettingsError
from parfocal.model.networks.precision import has_fast_bf16

Precision = Literal["auto", "bf16-mixed", "32-true"]

LONGEST_WAIT = timedelta(hours=2)
"""For the first process, which alone validates and writes. A process that died is noticed at once."""


def place(precision: Precision, *, devices: int = 1, nodes: int = 1) -> Fabric:
    """The best device of this machine, with a precision; ``auto`` takes bfloat16 where that is faster.

    Parameters
    ----------
    precision : {'auto', 'bf16-mixed', '32-true'}
    devices, nodes : int
        Devices of each machine, and machines. With more than one device this process is one of many, see
        `parfocal.model.processes`, and waits here for the others.

    Raises
    ------
    SettingsError
        If this machine does not have so many devices, or the cluster started another number of processes.
    """
    if precision == "auto":
        precision = "bf16-mixed" if has_fast_bf16() else "32-true"
    device = _best_device()
    _check_devices(device, devices)
    many: dict[str, Any] = {}
    if devices * nodes > 1:
        many = {"strategy": DDPStrategy(cluster_environment=_environment(), timeout=LONGEST_WAIT)}
    rounding: dict[str, Any] = {"precision": precision}
    if precision == "bf16-mixed":
        rounding = {"plugins": [_GreyValuesAsTheyAre("bf16-mixed", device=device)]}
    try:
        fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, **many, **rounding)
    except ValueError as error:  # SLURM counts otherwise
        raise SettingsError(f"{error} Use the same numbers for --devices and --nodes.") from error
    with _quiet():
        fabric.launch()
    return fabric


def is_started_by_cluster() -> bool:
    """Whether ``torchrun`` or SLURM's ``srun`` started this process as one of many."""
    return TorchElasticEnvironment.detect() or _started_by_srun() > 1


def as_started(*, devices: int, nodes: int) -> tuple[int, int]:
    """Devices of each machine, and machines: as ``torchrun`` says where it started this process.

    Raises
    ------
    SettingsError
        If ``srun`` started another number of processes than there are devices.
    """
    if TorchElasticEnvironment.detect():
        return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    if _started_by_srun() not in (1, devices * nodes):
        raise SettingsError(
            f"Expected as many processes from srun as devices, {devices} on each of {nodes} machines; it "
            f"started {_started_by_srun()}. Give --devices and --nodes as srun has them."
        )
    return devices, nodes


def _environment() -> ClusterEnvironment:
    """Who tells this process its number and where the others are."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    return SLURMEnvironment() if _started_by_srun() > 1 else LightningEnvironment()


def _started_by_srun() -> int:
    """Not SLURM_NTASKS, which is also set for a program that a batch script starts once."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def is_leader() -> bool:
    """Whether this process speaks for a training: it is the only one, or the first of several."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "SLURM_PROCID", "NODE_RANK"))


def use_threads(n: int) -> None:
    """Lets this process compute on `n` threads; worth it only on a machine that is otherwise idle."""
    torch.set_num_threads(n)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines in which each process says that it has found the others."""
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _check_devices(device: str, devices: int) -> None:
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, devices)
    if devices > there:
        raise SettingsError(
            f"Expected at most {there} devices, as this machine has of kind {device}; got {devices}."
        )


class _GreyValuesAsTheyAre(MixedPrecision):
    """bfloat16 inside the network, while frames reach it as 32-bit floats.

    Fabric would round the frames too: near a background of 30000 grey values bfloat16 has steps of 128,
    as large as the contrast of a cell.
    """

    def convert_input(self, data: Any) -> Any:
        return data
