"""The thresholds of a gallery, each of one model."""

from __future__ import annotations

from dataclasses import astuple, fields

from recog.gallery.store import Store, seal_of
from recog.records import Calibration
from recog.types import Purpose

COLUMNS = ", ".join(field.name for field in fields(Calibration))  # they bear the fields' names


class Calibrations:
    """The thresholds in one gallery file, inside the caller's transactions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, purpose: Purpose, digest: str) -> Calibration | None:
        """That for "verify" or "query", if it belongs to this model. Raises: GalleryError: one is damaged."""
        found = None
        query = (
            f"SELECT thresholds, seal, purpose, digest, {COLUMNS} "
            "FROM (SELECT thresholds FROM gallery) LEFT JOIN calibration"
        )
        rows = self._store.rows(query)
        if sum(purpose is not None for _, _, purpose, *_ in rows) != rows[0][0]:
            raise self._store.damaged("its thresholds")
        for _, seal, *values in rows:
            if values[0] is not None and seal_of(*values) != seal:  # any of them: this may be what it was
                raise self._store.damaged("a threshold")
            if values[:2] == [purpose, digest]:
                found = Calibration(*values[2:])
        return found

    def set(self, purpose: Purpose, calibration: Calibration, digest: str) -> None:
        """Store that for "verify" or "query"."""
        values = (purpose, digest, *astuple(calibration))
        query = (
            f"INSERT OR REPLACE INTO calibration (purpose, digest, {COLUMNS}, seal) "
            f"VALUES ({', '.join('?' * (len(values) + 1))})"
        )
        self._store.rows(query, *values, seal_of(*values))
        self._store.rows("UPDATE gallery SET thresholds = (SELECT COUNT(*) FROM calibration)")
