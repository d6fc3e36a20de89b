"""Where a gallery's master key comes from: a file, an environment variable or the system's keyring.

PATH or file:PATH    a file of 32 bytes, or of their base64 or hexadecimal text
env:VARIABLE         the text in an environment variable
keyring:NAME         the text that the system's keyring keeps for the service "recog" and this name
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recog.errors import ConfigError, KeyUnavailable

logger = logging.getLogger(__name__)

KEY_BYTES = 32  # AES-256
SERVICE = "recog"  # in the keyring
INSTALL = "pip install 'recog[encryption]'"


def load_key(source: str | os.PathLike[str]) -> bytes:
    """The 32 bytes of a master key.

    Args:
        source: as at the top of this module.
    Raises: KeyUnavailable: it is not there, or is no key; nothing of its content is said.
    """
    kind, place = _parsed(source)
    content = {"file": _from_file, "env": _from_environment, "keyring": _from_keyring}[kind](place)
    if len(content) == KEY_BYTES:
        return content
    with contextlib.suppress(ValueError):
        text = content.decode("ascii").strip()
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise KeyUnavailable(
        f"{source}: is no key: it must hold {KEY_BYTES} random bytes, or their base64 or hexadecimal text. "
        "Make one: recog keys new FILE"
    )


def new_key(source: str | os.PathLike[str]) -> None:
    """Put a new random key where `load_key` finds it; one that is there already is not replaced.

    Raises: KeyUnavailable: there is one already, or it cannot be written; ConfigError: an environment
    variable, which a program cannot set for others.
    """
    kind, place = _parsed(source)
    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    if kind == "env":
        raise ConfigError(f"{source}: a variable cannot be set from here. Give a file or keyring:NAME.")
    if kind == "keyring":
        _into_keyring(place, text)
    else:
        _into_file(place, text)


def _into_file(place: str, text: str) -> None:
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyUnavailable(f"{place}: is there already, and may open a gallery. Choose another.") from None
    except OSError as error:
        raise KeyUnavailable(f"{place}: cannot be written ({error.strerror}). Choose another.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())


def _parsed(source: str | os.PathLike[str]) -> tuple[str, str]:
    text = os.fspath(source)
    kind, colon, place = text.partition(":")
    if colon and kind in ("file", "env", "keyring"):
        return kind, place
    return "file", text


def _from_file(place: str) -> bytes:
    path = Path(place)
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise KeyUnavailable(
            f"{path}: the key cannot be read ({error.strerror}). Check the path, or make one: recog keys new "
            f"{path}"
        ) from error
    if os.name == "posix" and mode & 0o077:
        logger.warning("%s: others on this machine may read this key; chmod 600 it", path)
    return content


def _from_environment(place: str) -> bytes:
    try:
        return os.environb[os.fsencode(place)] if os.supports_bytes_environ else os.environ[place].encode()
    except KeyError:
        raise KeyUnavailable(f"env:{place}: this variable is not set. Export it, or use a file.") from None


def _from_keyring(place: str) -> bytes:
    with _keyring(place) as keyring:
        text = keyring.get_password(SERVICE, place)
    if text is None:
        raise KeyUnavailable(f"keyring:{place}: no such key. Make it: recog keys new keyring:{place}")
    return str(text).encode()


def _into_keyring(place: str, text: str) -> None:
    with _keyring(place) as keyring:
        if keyring.get_password(SERVICE, place) is not None:
            raise KeyUnavailable(f"keyring:{place}: is there already. Choose another name.")
        keyring.set_password(SERVICE, place, text)


@contextlib.contextmanager
def _keyring(place: str) -> Iterator[Any]:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise KeyUnavailable(f"The system's keyring needs another package: {INSTALL}") from error
    try:
        yield keyring
    except KeyringError as error:
        raise KeyUnavailable(
            f"keyring:{place}: the system's keyring refuses ({error}). Unlock it, or use a file."
        ) from error
