"""Where a Milvus gallery is.

    milvus+http://HOST:PORT[/DATABASE]      a server; milvus+https:// for an encrypted connection
    milvus+file:PATH.db                     Milvus Lite, in a folder of this name, for one program at a time

each followed, where wanted, by ?collection=NAME (default: people) and &index=HNSW (the default) or FLAT. The
token of a server that asks for one is in RECOG_MILVUS_TOKEN, or in the URI before the host: TOKEN@HOST, or
USER:PASSWORD@HOST.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from recog.errors import ConfigError

TOKEN = "RECOG_MILVUS_TOKEN"
INDEXES = ("HNSW", "FLAT")
PORT = 19530  # Milvus' own


@dataclass(frozen=True, slots=True)
class Place:
    """A gallery on a Milvus server or in a folder of Milvus Lite."""

    shown: str  # the URI without secrets
    address: str  # as pymilvus wants it
    folder: Path | None  # of Milvus Lite
    database: str = ""
    token: str = field(default="", repr=False)
    collection: str = "people"
    index: str = "HNSW"  # of vectors, decided when the first are enrolled

    def __str__(self) -> str:
        return self.shown


def place_of(uri: str) -> Place:
    """Read a URI. Raises: ConfigError: it is none of those above."""
    rest, _, query = uri.removeprefix("milvus+").partition("?")
    options = _options(query)
    shown = f"?{query}" if query else ""
    if rest.startswith("file:"):
        folder = _folder(rest.removeprefix("file:"))
        return Place(f"milvus+file:{folder}{shown}", str(folder.absolute()), folder, **options)
    parts = urlsplit(rest)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("A gallery on Milvus is milvus+http://HOST:PORT, or https, or milvus+file:PATH.db.")
    address = f"{parts.scheme}://{_host(parts)}:{_port(parts)}"
    database = parts.path.strip("/")
    shown = f"milvus+{address}{f'/{database}' if database else ''}{shown}"
    return Place(shown, address, None, database, _token(parts), **options)


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    checks = {"collection": r"[A-Za-z_][A-Za-z0-9_]{0,199}", "index": "|".join(INDEXES)}
    for name, value in options.items():
        if name not in checks:
            raise ConfigError(f"{name!r} is no option of a Milvus gallery; give one of {', '.join(checks)}.")
        if not re.fullmatch(checks[name], value):
            wanted = "letters, digits and _" if name == "collection" else " or ".join(INDEXES)
            raise ConfigError(f"{name}={value} in the URI of the gallery: give {wanted}.")
    return options


def _folder(path: str) -> Path:
    if not path.endswith(".db") or path == ".db":  # by which pymilvus tells it from a server
        raise ConfigError(
            f"milvus+file:{path}: the name must end in .db, for example milvus+file:people.milvus.db."
        )
    return Path(path)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host  # IPv6


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or (443 if parts.scheme == "https" else PORT)
    except ValueError as error:
        raise ConfigError("The port in the URI of the gallery is none: give a number up to 65535.") from error


def _token(parts: SplitResult) -> str:
    given = [unquote(part) for part in (parts.username, parts.password) if part]
    return ":".join(given) or os.environ.get(TOKEN, "")
