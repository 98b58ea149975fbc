"""Signs of life of the trials in a database, so that those of a worker that died are taken over.

Optuna keeps a table of them, and by its own loop fails a trial without one and tries its options again under
another number. Here a trial keeps its number, since its draws hang on that: another worker becomes its owner.
One transaction renews the sign and changes the owner, so that of two workers one gets it. All times are the
database's own.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sortilin.tuning import database

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from sqlalchemy.orm import Session

BEAT_S = 10.0
"""Between two signs of life."""
SILENCE_S = 180.0
"""Without one for so long, a worker counts as dead; a restart of the server takes less."""

OWNER = "folder"
"""Attribute of a trial: the output folder that it belongs to."""


class Beats:
    """The signs of life in one database.

    Args:
        kept: The database.
    """

    def __init__(self, kept: RDBStorage) -> None:
        self._kept = kept

    @classmethod
    def of(cls, kept: BaseStorage) -> Beats | None:
        """Those of a storage; None where it keeps none, as a journal."""
        from optuna.storages import RDBStorage

        known = (database.POSTGRES, "sqlite")  # whose sessions tell the time without summer time
        return cls(kept) if isinstance(kept, RDBStorage) and kept.engine.name in known else None

    def heard(self, trial_id: int) -> datetime:
        """The last sign of a trial; the first time that anybody asks counts as one."""
        from optuna.storages._rdb.models import TrialHeartbeatModel as Beat
        from sqlalchemy import select

        last = select(Beat.heartbeat).where(Beat.trial_id == trial_id)
        with self._session() as session:
            found = session.scalar(last)
        if found is None:
            self._kept.record_heartbeat(trial_id)
            with self._session() as session:
                found = session.scalar(last)
        assert isinstance(found, datetime)
        return found

    def renew(self, trial_id: int, owner: str) -> bool:
        """Give a sign; whether the trial still belongs to its owner."""
        self.heard(trial_id)
        return self._set(trial_id, owner)

    def take(self, trial_id: int, owner: str) -> bool:
        """Become the owner of a trial whose worker counts as dead; False where it does not any more."""
        from sqlalchemy import func, select

        with self._session() as session:
            now = session.scalar(select(func.now()))
        assert isinstance(now, datetime)
        return self._set(trial_id, owner, before=now.replace(tzinfo=None) - timedelta(seconds=SILENCE_S))

    def _set(self, trial_id: int, owner: str, before: datetime | None = None) -> bool:
        """The row's lock, which the first statement takes, lasts to the end of the transaction."""
        from optuna.storages._rdb.models import TrialHeartbeatModel as Beat
        from optuna.storages._rdb.models import TrialUserAttributeModel as Attribute
        from sqlalchemy import CursorResult, func, select, update

        sign = update(Beat).where(Beat.trial_id == trial_id).values(heartbeat=func.now())
        mine = (Attribute.trial_id == trial_id, Attribute.key == OWNER)
        with self._session() as session, session.begin():
            if before is None:
                session.execute(sign)
                return session.scalar(select(Attribute.value_json).where(*mine)) == json.dumps(owner)
            done = session.execute(sign.where(Beat.heartbeat < before))
            assert isinstance(done, CursorResult)
            if done.rowcount != 1:
                return False
            session.execute(update(Attribute).where(*mine).values(value_json=json.dumps(owner)))
            return True

    def _session(self) -> Session:
        from sqlalchemy.orm import Session

        return Session(self._kept.engine)


class Beating:
    """Gives the signs of one trial from a thread of its own, until it is stopped.

    Attributes:
        is_lost: Whether the trial has become another worker's, because this one was silent for too long.
    """

    def __init__(self, beats: Beats, trial_id: int, owner: str) -> None:
        self.is_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(beats, trial_id, owner), daemon=True)
        self._thread.start()

    def _run(self, beats: Beats, trial_id: int, owner: str) -> None:
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        while not self._stop.wait(BEAT_S):
            try:
                self.is_lost = not beats.renew(trial_id, owner)
            except (StorageInternalError, SQLAlchemyError, OSError):  # the next sign may get through
                continue
            if self.is_lost:
                return

    def stop(self) -> None:
        """No more signs."""
        self._stop.set()
        self._thread.join()
