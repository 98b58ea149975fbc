"""Search for the options of a classifier, on the training rows of an experiment alone.

config.py      what a search is: an experiment and its mapping `tune`
space.py       which options it varies, and over what
study.py       its trials, in a journal or a database that several workers share
folder.py      the output folder: what it belongs to, `trials.tsv`, `best.yaml`
objective.py   the value of one trial
run.py         the loop
"""

from sortilin.experiment.config import read_yaml as read
from sortilin.tuning.config import TuneConfig, Tuning, resolved
from sortilin.tuning.run import Tuned, run

__all__ = ["TuneConfig", "Tuned", "Tuning", "read", "resolved", "run"]
