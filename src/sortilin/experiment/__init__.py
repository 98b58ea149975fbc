"""From a configuration to a trained, calibrated, measured model folder."""

from sortilin.component import Component
from sortilin.experiment.config import ExperimentConfig, read_config
from sortilin.experiment.run import run

__all__ = ["Component", "ExperimentConfig", "read_config", "run"]
