"""Learning focus: networks, training, and the estimator that tells the defocus of one frame."""

from parfocal.model.bins import BinSettings, bins_for_range
from parfocal.model.estimator import FocusEstimator
from parfocal.model.inherited import inheritance_of, starting_model
from parfocal.model.model_file import ModelHeader, load_model, save_model
from parfocal.model.networks import (
    FocusNetwork,
    NetworkSettings,
    Wei2018Network,
    build_network,
    count_parameters,
)
from parfocal.model.placement import use_threads
from parfocal.model.recipe import Inheritance, Recipe, TrainingSettings, default_recipe, load_recipe
from parfocal.model.shipped import find_model
from parfocal.model.training import train
from parfocal.model.training_run import TrainingProgress

__all__ = [
    "BinSettings",
    "FocusEstimator",
    "FocusNetwork",
    "Inheritance",
    "ModelHeader",
    "NetworkSettings",
    "Recipe",
    "TrainingProgress",
    "TrainingSettings",
    "Wei2018Network",
    "bins_for_range",
    "build_network",
    "count_parameters",
    "default_recipe",
    "find_model",
    "inheritance_of",
    "load_model",
    "load_recipe",
    "save_model",
    "starting_model",
    "train",
    "use_threads",
]
