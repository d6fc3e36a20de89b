"""How gallery files evolve: numbered steps, each run once, counted in PRAGMA user_version.

Never edit a step that has been released; add one. A step is a statement, or a function of the connection
for what SQL cannot say. Statements may call `handle_of(salt, name)`, `seal_of(value, ...)` and
`packed(digest)`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from recog.gallery.chunks import SLOTS, digest_of

CALIBRATION = "threshold, rate, source, low, high, comparisons, people, templates, slope, intercept"
Step = str | Callable[[sqlite3.Connection], None]


def _vectors_into_chunks(db: sqlite3.Connection) -> None:
    """Vectors leave their rows for chunks, in which a slot can be zeroed where it stands."""
    size = db.execute("SELECT embedding_size FROM gallery").fetchone()[0] or 0
    templates = db.execute("SELECT id, identity_id, embedding FROM old_template ORDER BY id").fetchall()
    for first in range(0, len(templates), SLOTS):
        part = templates[first : first + SLOTS]
        empty = SLOTS - len(part)
        owners = b"".join(owner.to_bytes(8, "little") for _, owner, _ in part) + bytes(8 * empty)
        vectors = b"".join(vector for _, _, vector in part) + bytes(4 * size * empty)
        db.execute("INSERT INTO chunk VALUES (?, ?, ?)", (first // SLOTS, owners, vectors))
        db.execute("INSERT INTO seal VALUES (?, ?)", (first // SLOTS, digest_of(owners, vectors)))
    db.executemany(
        "INSERT INTO template SELECT ?, identity_id, packed(photo_digest), quality, enrolled_at, how "
        "FROM old_template WHERE id = ?",
        [(place, template[0]) for place, template in enumerate(templates, start=1)],
    )


MIGRATIONS: tuple[tuple[Step, ...], ...] = (
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
    (
        # epoch: raised when templates are renumbered; erasing: revision of the last erasure asked for;
        # erased: of the last whose bytes are gone
        "ALTER TABLE gallery ADD COLUMN precision TEXT NOT NULL DEFAULT 'float32'",  # of stored vectors
        "ALTER TABLE gallery ADD COLUMN salt BLOB",  # of handles
        "ALTER TABLE gallery ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE gallery ADD COLUMN erasing INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE gallery ADD COLUMN erased INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE gallery ADD COLUMN seal BLOB",  # of what the vectors are, against damage
        "UPDATE gallery SET salt = randomblob(16)",
        "UPDATE gallery SET seal = seal_of(model, digest, embedding_size, precision, salt)",
        "ALTER TABLE identity RENAME TO old_identity",
        "ALTER TABLE template RENAME TO old_template",
        # Only the handle is indexed, so that a name stands in the file once
        """CREATE TABLE identity (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            handle BLOB NOT NULL UNIQUE,    -- digest of salt and name
            name TEXT NOT NULL,
            enrolled_at TEXT NOT NULL,      -- ISO 8601, UTC
            pseudonym BLOB NOT NULL         -- random; stands for the person in the log, also after removal
        )""",
        # The n-th template ever enrolled (id n) has slot n - 1 of the chunks; numbers are never given twice
        """CREATE TABLE template (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            identity_id INTEGER NOT NULL REFERENCES identity (id),
            photo_digest BLOB NOT NULL,     -- SHA-256 of the photo's content; text where it is no SHA-256
            quality REAL,                   -- 0..1
            enrolled_at TEXT NOT NULL,      -- ISO 8601, UTC
            how TEXT NOT NULL,              -- "photo", "crop", "repaired", ...
            UNIQUE (photo_digest, identity_id)
        )""",
        "CREATE INDEX template_of ON template (identity_id)",
        """CREATE TABLE chunk (
            id INTEGER PRIMARY KEY,         -- 0, 1, ...
            owners BLOB NOT NULL,           -- int64, little-endian: identity_id of each slot, 0 in empty ones
            vectors BLOB NOT NULL           -- little-endian, unit length; zeros in empty slots
        )""",
        # Apart, because a row is written anew as a whole, while slots of a chunk are written where they stand
        "CREATE TABLE seal (id INTEGER PRIMARY KEY, digest BLOB NOT NULL)  -- of chunks",
        "ALTER TABLE calibration ADD COLUMN seal BLOB",  # of the row, against damage
        f"UPDATE calibration SET seal = seal_of(purpose, digest, {CALIBRATION})",
        # What others have to forget: template numbers since the last renumbering
        """CREATE TABLE removed (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            template_id INTEGER NOT NULL, identity_id INTEGER NOT NULL
        )""",
        # The search index beside the file, when there is one: what is in it, and what its bytes must be
        """CREATE TABLE search_index (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch INTEGER NOT NULL, templates INTEGER NOT NULL, removals INTEGER NOT NULL,
            digest TEXT NOT NULL            -- SHA-256 of the file
        )""",
        """CREATE TABLE log (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,               -- ISO 8601, UTC
            event TEXT NOT NULL,            -- "enroll", "remove", ...
            subject BLOB,                   -- pseudonym
            detail TEXT NOT NULL,           -- JSON
            digest BLOB NOT NULL            -- SHA-256 of the digest before and this entry
        )""",
        """INSERT INTO identity SELECT old.id, handle_of(salt, name), name, enrolled_at,
            randomblob(8) FROM old_identity AS old, gallery""",
        _vectors_into_chunks,
        "UPDATE gallery SET erasing = revision WHERE EXISTS (SELECT 1 FROM old_identity)",
        "DROP TABLE old_template",
        "DROP TABLE old_identity",
    ),
    (
        # vault: 16 random bytes, those of the keystore, where the gallery is encrypted: then handles are
        # numbers of keys, and names, photo digests, slots of chunks and crops are sealed under them
        "ALTER TABLE gallery ADD COLUMN vault BLOB",
        "ALTER TABLE gallery ADD COLUMN destroyed INTEGER NOT NULL DEFAULT 0",  # keys, as far as is known
        "ALTER TABLE gallery ADD COLUMN reserved BLOB",  # what vault will be, once it is encrypted
        # How many thresholds there are: a damaged page may look like an empty one
        "ALTER TABLE gallery ADD COLUMN thresholds INTEGER NOT NULL DEFAULT 0",
        "UPDATE gallery SET thresholds = (SELECT COUNT(*) FROM calibration)",
        # Handles whose keys are to be destroyed, until they are
        "CREATE TABLE doomed (handle BLOB PRIMARY KEY) WITHOUT ROWID",
        # Aligned faces that were kept to embed them anew with another model
        """CREATE TABLE crop (
            template_id INTEGER PRIMARY KEY REFERENCES template (id) ON UPDATE CASCADE ON DELETE CASCADE,
            content BLOB NOT NULL           -- PNG
        )""",
    ),
)
