"""Public datasets by name: fetched once, checked by SHA-256, never part of the package.

`load` gives records, downloading what is missing; `fetch` only downloads; `path` and `status` never
do. `SORTILIN_DATA_DIR` names a folder that holds the files already.
"""

from __future__ import annotations

from sortilin.datasets.catalog import get, names
from sortilin.datasets.dataset import Dataset, RemoteFile
from sortilin.datasets.loading import load
from sortilin.datasets.store import Status, fetch, path, status

__all__ = ["Dataset", "RemoteFile", "Status", "fetch", "get", "load", "names", "path", "status"]
