"""How gallery files evolve: numbered steps, each run once, counted in PRAGMA user_version.

Never edit a step that has been released; add one.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # one row: what made the vectors, and a counter that every change of people or templates raises
        """CREATE TABLE gallery (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            model TEXT, digest TEXT, embedding_size INTEGER,
            revision INTEGER NOT NULL DEFAULT 0
        )""",
        "INSERT INTO gallery (id) VALUES (1)",
        """CREATE TABLE identity (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            enrolled_at TEXT NOT NULL
        )""",
        """CREATE TABLE template (
            id INTEGER PRIMARY KEY,
            identity_id INTEGER NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
            embedding BLOB NOT NULL,        -- float32, little-endian, unit length
            photo_digest TEXT NOT NULL,     -- SHA-256 of the photo's content
            quality REAL,                   -- 0..1
            enrolled_at TEXT NOT NULL,      -- ISO 8601, UTC
            how TEXT NOT NULL,              -- "photo", "crop", "repaired", ...
            UNIQUE (identity_id, photo_digest)
        )""",
        """CREATE TABLE calibration (
            purpose TEXT PRIMARY KEY,       -- "verify" or "query"
            threshold REAL NOT NULL,        -- cosine
            rate REAL NOT NULL,             -- FMR or FPIR aimed at, as a fraction
            low REAL, high REAL,            -- 95 % interval of the rate at this threshold
            comparisons INTEGER,            -- non-mated comparisons it rests on
            people INTEGER, templates INTEGER,  -- the gallery's size then
            source TEXT NOT NULL,           -- where the scores came from
            digest TEXT NOT NULL            -- of the model that gave the scores
        )""",
    ),
    (
        # P(same person | similarity) = 1 / (1 + exp(-(slope * similarity + intercept))), at even odds
        "ALTER TABLE calibration ADD COLUMN slope REAL",
        "ALTER TABLE calibration ADD COLUMN intercept REAL",
    ),
)
