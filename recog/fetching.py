"""Bring the weights of a named model onto this machine.

A download that was cut off goes on where it stopped; a file is checked before it comes into its place. Hub
models lie in the cache of huggingface_hub and facenet-pytorch's weights where that library looks for them,
so that loading needs no network afterwards.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)

from recog.catalogue import FACENET, HUB, ModelCard, bundled_path, card_named
from recog.errors import FetchFailed, ModelNotFound, WriteFailed
from recog.progress import progress

CHUNK = 1 << 20  # bytes at a time; the progress bar counts these
TIMEOUT = (10, 60)  # seconds to connect, and between two packets
HUB_FILES = ("config.json", "model.safetensors")
RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
RELEASED = {
    "vggface2": "20180402-114759-vggface2.pt",
    "casia-webface": "20180408-102900-casia-webface.pt",
}
# facenet-pytorch publishes no digests: this is the one that independent projects pin for the file; for the
# other file none could be confirmed
SHA256 = {"vggface2": "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files on this machine."""

    files: tuple[Path, ...]  # the weights come last
    sha256: str  # hex, of the weights
    confirmed: bool  # it is the digest that is known for them; else there is none to compare with


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch."""

    url: str
    path: Path  # where it belongs
    sha256: str | None  # hex, where it is known
    by_hand: str  # what to do on a machine without a network


def located(card: ModelCard) -> tuple[Path, ...]:
    """A model's files on this machine, the weights last; empty when one is missing. Asks no network."""
    if card.name.startswith(HUB):
        folder = hub_folder(card.name)
        return tuple(folder / file for file in HUB_FILES) if folder else ()
    path = _released(card).path if card.name.startswith(FACENET) else bundled_path(card.name)
    return (path,) if path.is_file() else ()


def hub_folder(name: str) -> Path | None:
    """The cached folder of hf-hub:OWNER/NAME[@REVISION] with all that loading needs. Asks no network."""
    repository, _, revision = name.removeprefix(HUB).partition("@")
    found = [try_to_load_from_cache(repository, file, revision=revision or None) for file in HUB_FILES]
    paths = [Path(path) for path in found if isinstance(path, str)]
    return paths[0].parent if len(paths) == len(HUB_FILES) else None


def fetch(name: str) -> Fetched:
    """Have a named model here: download what is missing, check what is there.

    Raises: ModelNotFound: unknown name; FetchFailed: no network, or a file with another digest than it should
    have, which is deleted; WriteFailed: no space, no permission.
    """
    card = card_named(name)
    sha256 = _known_digest(card) if located(card) else _download(card)
    files = located(card)
    if not files:
        raise FetchFailed(f"{card.name}: it changed on the hub meanwhile. Run the command again.")
    return Fetched(files, _checked(files[-1], sha256), sha256 is not None)


def _known_digest(card: ModelCard) -> str | None:
    """Of a model that is here. The hub's cache names a file after its SHA-256, if git-lfs keeps it."""
    if card.name.startswith(FACENET):
        return _released(card).sha256
    blob = located(card)[-1].resolve().name
    return blob if re.fullmatch("[0-9a-f]{64}", blob) else None


def _download(card: ModelCard) -> str | None:
    """Fetch all files of a model; gives the weights' digest as far as it is known."""
    if card.name.startswith(HUB):
        return [_hub_file(card, file) for file in HUB_FILES][-1]
    if not card.name.startswith(FACENET):
        raise ModelNotFound(f"{bundled_path(card.name)}: missing. Install the package again.")
    return _obtain(_released(card))


def _released(card: ModelCard) -> Remote:
    """A release file of facenet-pytorch, and where that library looks for it."""
    key = card.name.removeprefix(FACENET)
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{caches}/torch")).expanduser()
    url, path = f"{RELEASE}/{RELEASED[key]}", home / "checkpoints" / RELEASED[key]
    return Remote(url, path, SHA256.get(key), f"fetch {url} on another machine and copy it to {path}")


def _hub_file(card: ModelCard, file: str) -> str | None:
    """Put a file into the hub's cache, checked against what the hub says of it; gives its SHA-256.

    It is laid where the cache keeps contents (blobs/ETAG), since the library's own downloads start over when
    they were interrupted; then the library, which finds it there, adds it to the revision.
    """
    repository = card.name.removeprefix(HUB)
    url = hf_hub_url(repository, file)
    try:
        etag = _etag(url)
        blob = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "blobs" / etag
        sha256 = _obtain(Remote(url, blob, etag if len(etag) == 64 else None, _hub_by_hand(repository)))
        hf_hub_download(repository, file)
    except (FetchFailed, WriteFailed):
        raise
    except Exception as error:  # its HTTP client, and with it the errors, changes between versions
        raise _unreachable(url, _hub_by_hand(repository), error) from error
    return sha256


def _etag(url: str) -> str:
    """What the hub says a file is: the hex SHA-256 of a git-lfs file, the git SHA-1 of a small one."""
    etag = get_hf_file_metadata(url).etag or ""
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", etag):
        raise ValueError(f"{etag!r} is no digest of its contents")
    return etag


def _hub_by_hand(repository: str) -> str:
    return (
        f"fetch {' and '.join(HUB_FILES)} of {constants.ENDPOINT}/{repository}/tree/main on another machine "
        "into a folder, copy it here, and give local-dir:FOLDER as the model"
    )


def _obtain(remote: Remote) -> str | None:
    """Download a file unless it is there; gives the digest it was checked against.

    Raises: FetchFailed; WriteFailed.
    """
    part = remote.path.with_name(f"{remote.path.name}.part")
    try:
        if not remote.path.is_file():
            part.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{part}.lock"):  # two processes must not write one file
                if not remote.path.is_file():
                    _transfer(remote, part)
                    _checked(part, remote.sha256)
                    part.replace(remote.path)
    except requests.RequestException as error:  # comes first: these are OSErrors, too
        raise _unreachable(remote.url, remote.by_hand, error) from error
    except OSError as error:
        raise WriteFailed(
            f"{part}: cannot be written ({error.strerror}). Free some space or choose another cache folder."
        ) from error
    return remote.sha256


def _transfer(remote: Remote, part: Path) -> None:
    """Add to `part` what it lacks of the file; whatever interrupts this, what has come stays there."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        size = _full_size(answer)
        if answer.status_code == requests.codes.requested_range_not_satisfiable and have:
            if size != have:  # not a beginning of this file
                part.unlink()
                _transfer(remote, part)
            return
        answer.raise_for_status()
        resumed = answer.status_code == requests.codes.partial_content
        _append(answer, part, have if resumed else 0, size)
    if size is not None and part.stat().st_size != size:
        raise FetchFailed(
            f"{remote.url}: only {part.stat().st_size} of {size} bytes came. Run the command again to go on."
        )


def _append(answer: requests.Response, part: Path, start: int, size: int | None) -> None:
    blocks = -(-(size - start) // CHUNK) if size else None
    with part.open("ab" if start else "wb") as file:
        label = f"{answer.url.rpartition('/')[2]:.40} (MiB)"
        for block in progress(answer.iter_content(CHUNK), total=blocks, desc=label):
            file.write(block)


def _full_size(answer: requests.Response) -> int | None:
    """Bytes of the whole file, of which the answer may hold the end only."""
    stated = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get(
        "Content-Length"
    )
    return int(stated) if stated and stated.isdigit() else None


def _checked(path: Path, sha256: str | None) -> str:
    """The hex SHA-256 of a file; one that should have another is deleted.

    Raises: FetchFailed.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 not in (None, digest):
        path.resolve().unlink()
        raise FetchFailed(
            f"{path}: its SHA-256 is {digest}, but should be {sha256}: damaged or altered, and now deleted. "
            "Fetch it again; if this repeats, do not trust the network that it came through."
        )
    return digest


def _unreachable(url: str, by_hand: str, error: Exception) -> FetchFailed:
    cause = (str(error) or type(error).__name__).splitlines()[0]
    return FetchFailed(
        f"{url}: cannot be fetched ({cause}). Run the command again when there is a network: it goes on "
        f"where it stopped. Without one, {by_hand}."
    )
