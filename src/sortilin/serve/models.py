"""The models that a server offers: loaded once, when they are first needed or when it starts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sortilin import predictor, registry
from sortilin.errors import UnknownNameError
from sortilin.predictor import Predictor
from sortilin.results import Quality
from sortilin.serve.settings import Settings


class Models:
    """Predictors by the name that visitors see.

    Args:
        settings: Which ones; a folder is offered under its own name.
        threads: Batches that each works on at a time.
    """

    def __init__(self, settings: Settings, *, threads: int) -> None:
        self._places = {Path(model).name: model for model in settings.models}
        self._threads = threads
        self._loaded: dict[str, Predictor] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the settings."""
        return tuple(self._places)

    def get(self, name: str) -> Predictor:
        """A predictor.

        Raises:
            UnknownNameError: There is none of that name here.
            ModelFolderError: Its folder is damaged.
        """
        if name not in self._places:
            raise UnknownNameError("model", name[:80], self.names)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = predictor.load(self._places[name], threads=self._threads)
            return self._loaded[name]

    def warm(self) -> None:
        """Load all of them and predict once with each, so that no visitor waits for that."""
        for name in self.names:
            self.get(name).predict(["MKTAYIAKQRQISFVKSHFSRQ"])

    def describe(self, name: str) -> Mapping[str, Any]:
        """What a visitor should know of a model."""
        model = self.get(name)
        description = model.model.description
        task = registry.get("task", model.task)
        return {
            "name": name,
            "task": model.task,
            "title": task.title,
            "classes": list(model.classes),
            "checksum": model.model.checksum,
            "version": description.get("sortilin_version", ""),
            "trained_on": description["training_data"]["name"],
            "lengths": list(description["training_data"]["lengths"]),
            "measured": _measured(description, task.metric),
            "citation": task.citation,
            "limits": list(task.limits),
            "not_for": list(getattr(task, "not_for", ())),
        }


def _measured(description: Mapping[str, Any], metric: str) -> str:
    """How good a model is, with spread and n; empty where its folder does not say."""
    if metric not in description.get("metrics", {}):
        return ""
    quality = Quality.of(description, metric)
    return f"{_NAMES.get(metric, metric.replace('_', ' '))} {quality}, cross-validated"


_NAMES = {"macro_f1": "macro-F1", "mcc": "MCC", "roc_auc": "ROC-AUC"}
