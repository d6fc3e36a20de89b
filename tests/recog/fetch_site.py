"""A small server in the place of GitHub and of the Hugging Face hub, which can cut connections."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants

from recog import fetching

COMMIT = "c0ffee" * 6 + "c0ff"
PAYLOAD = np.random.default_rng(0).bytes(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Site:
    """What the server has, how it behaves, and what it was asked."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)  # by path: digests to lie about
    cut_after: int | None = None  # bytes of a body, then the connection breaks
    ranges: bool = True
    gets: list[tuple[str, str | None, int]] = field(default_factory=list)  # path, Range, bytes promised
    asked: int = 0  # requests of any kind

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent(self, name: str) -> list[tuple[str | None, int]]:
        """Range and length of each answer about the file of this name."""
        return [(span, size) for path, span, size in self.gets if path.endswith(name)]

    def publish(self, name: str, files: dict[str, bytes]) -> None:
        """Put a repository on the hub; its safetensors as git-lfs has them, on another host by a redirect."""
        for file, content in files.items():
            for revision in ("main", COMMIT):
                self.files[f"/{name.removeprefix('hf-hub:')}/resolve/{revision}/{file}"] = content
            self.files[f"/store/{file}"] = content


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def answer(self, body: bool) -> None:
            site.asked += 1
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
            elif "/resolve/" in self.path and self.path.endswith(".safetensors"):
                digest = site.announced.get(self.path, sha256(content))
                store = f"http://localhost:{site.port}/store/{self.path.rpartition('/')[2]}"
                self.head(302, Location=store, X_Linked_ETag=f'"{digest}"', X_Linked_Size=len(content))
            else:
                self.file(content, body)

        def file(self, content: bytes, body: bool) -> None:
            size = len(content)
            span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if site.ranges else None
            start = int(span[1]) if span else 0
            if span and start >= size:
                self.head(416, Content_Range=f"bytes */{size}")
                return
            blob = hashlib.sha1(f"blob {size}\0".encode() + content).hexdigest()
            etag = f'"{site.announced.get(self.path, blob)}"'
            part = {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if span else {}
            self.head(206 if span else 200, ETag=etag, Content_Length=size - start, **part)
            if body:
                site.gets.append((self.path, self.headers.get("Range"), size - start))
                self.wfile.write(content[start:][: site.cut_after])

        def head(self, code: int, **fields: object) -> None:
            self.send_response(code)
            for key, value in {"X_Repo_Commit": COMMIT, **fields}.items():
                self.send_header(key.replace("_", "-"), str(value))
            self.end_headers()

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Site]:
    """The server, while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        site = Site(server.server_port)
        server.RequestHandlerClass = handler(site)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def divert(site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let downloads come from the site, and go into empty caches in the folder."""
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", site.url)
    template = site.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    copied = "huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE"  # before version 1
    monkeypatch.setattr(copied, template, raising=False)
    monkeypatch.setattr(fetching, "RELEASE", f"{site.url}/release")
    monkeypatch.setattr(fetching, "SHA256", {"vggface2": sha256(PAYLOAD)})
    monkeypatch.setattr(fetching, "CHUNK", 1024)
    monkeypatch.setattr(fetching, "TIMEOUT", (2, 10))
    for file in fetching.RELEASED.values():
        site.files[f"/release/{file}"] = PAYLOAD
