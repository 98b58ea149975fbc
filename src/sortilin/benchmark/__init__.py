"""Many models on the same splits: one table, one report.

config.py      what is compared, and how
baselines.py   what a model has to beat
folder.py      results on disk, one file a model, so that a killed run goes on
measure.py     one model on the split or on the folds
compare.py     intervals, and the paired test against the best
explore.py     the data themselves
published.py   the paper's tables
run.py         all of it, in order
"""

from sortilin.benchmark.config import BenchmarkConfig, read_config
from sortilin.benchmark.run import run

__all__ = ["BenchmarkConfig", "read_config", "run"]
