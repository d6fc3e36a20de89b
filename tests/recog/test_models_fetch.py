"""`recog models list|show|fetch`, and downloads of release files from a server that can cut connections."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from click.testing import CliRunner, Result
from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.inception_resnet_v1 import get_torch_home

from recog import fetching
from recog.catalogue import bundled_path, card_named, named_models
from recog.cli import main
from recog.embedding import Embedder
from recog.errors import FetchFailed, ModelNotFound, WriteFailed
from recog.fetching import fetch, located
from tests.recog.fetch_site import PAYLOAD, Site, divert, serving, sha256

VGGFACE2 = "facenet-pytorch:vggface2"
CASIA = "facenet-pytorch:casia-webface"
HUB_MODEL = "hf-hub:gaunernst/convnext_atto.cosface_ms1mv3"
Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving() as served:
        divert(served, tmp_path, monkeypatch)
        yield served


@pytest.fixture
def call() -> Call:
    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["models", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run


def release_path(tmp_path: Path, name: str = "vggface2") -> Path:
    return tmp_path / "torch" / "checkpoints" / fetching.RELEASED[name]


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def test_a_release_file_comes_whole_and_to_its_place(site: Site, tmp_path: Path) -> None:
    path = release_path(tmp_path)
    fetched = fetch(VGGFACE2)
    assert fetched == fetching.Fetched((path,), sha256(PAYLOAD), True)
    assert path.read_bytes() == PAYLOAD
    assert {file.name for file in path.parent.iterdir()} <= {path.name, f"{path.name}.part.lock"}
    assert fetch(VGGFACE2) == fetched
    assert len(site.gets) == 1


def test_it_lies_where_the_library_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert release_path(tmp_path).parent == Path(get_torch_home()) / "checkpoints"
    monkeypatch.delenv("TORCH_HOME")
    for cache in (str(tmp_path / "caches"), "~/caches"):
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        assert fetching._released(card_named(CASIA)).path.parent == Path(get_torch_home()) / "checkpoints"


def test_two_at_once_make_one_file(site: Site, tmp_path: Path) -> None:
    """Both write NAME.part: without a lock one goes on appending to what the other has checked."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(fetch, [VGGFACE2, VGGFACE2]))
    assert both[0] == both[1]
    assert release_path(tmp_path).read_bytes() == PAYLOAD
    assert len(site.gets) == 1


def test_a_cut_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cut_after = 200_000
    with pytest.raises(FetchFailed, match="goes on where it stopped"):
        fetch(VGGFACE2)
    path = release_path(tmp_path)
    have = part_of(path).stat().st_size
    assert 190_000 < have <= 200_000
    assert not located(card_named(VGGFACE2))
    site.cut_after = None
    assert fetch(VGGFACE2).files == (path,)
    assert path.read_bytes() == PAYLOAD
    assert site.sent(path.name)[1] == (f"bytes={have}-", len(PAYLOAD) - have)


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    path = release_path(tmp_path)
    path.parent.mkdir(parents=True)
    part_of(path).write_bytes(PAYLOAD[:1000])
    site.ranges = False
    fetch(VGGFACE2)
    assert path.read_bytes() == PAYLOAD
    assert site.sent(path.name) == [("bytes=1000-", len(PAYLOAD))]


@pytest.mark.parametrize("kept", [PAYLOAD, PAYLOAD + b"of another file"])
def test_a_part_as_long_as_the_file(site: Site, tmp_path: Path, kept: bytes) -> None:
    path = release_path(tmp_path)
    path.parent.mkdir(parents=True)
    part_of(path).write_bytes(kept)
    fetch(VGGFACE2)
    assert path.read_bytes() == PAYLOAD
    assert len(site.gets) == (kept != PAYLOAD)


def test_an_interrupted_download_keeps_what_came(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(blocks: Iterator[bytes], **options: Any) -> Iterator[bytes]:
        for _, block in zip(range(100), blocks, strict=False):
            yield block
        raise KeyboardInterrupt

    path = release_path(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(VGGFACE2)
    assert part_of(path).stat().st_size == 100 * 1024
    assert fetch(VGGFACE2).sha256 == sha256(PAYLOAD)
    assert site.sent(path.name)[1] == (f"bytes={100 * 1024}-", len(PAYLOAD) - 100 * 1024)


def test_another_file_than_the_known_one_is_refused(site: Site, tmp_path: Path) -> None:
    path = release_path(tmp_path)
    site.files[f"/release/{path.name}"] = b"something else"
    with pytest.raises(FetchFailed, match=sha256(PAYLOAD)):
        fetch(VGGFACE2)
    assert {file.name for file in path.parent.iterdir()} <= {f"{path.name}.part.lock"}


def test_a_damaged_file_that_is_here_is_found_and_deleted(site: Site, tmp_path: Path) -> None:
    path = release_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(PAYLOAD[:-1] + b"?")
    with pytest.raises(FetchFailed, match="deleted"):
        fetch(VGGFACE2)
    assert not path.exists()
    assert fetch(VGGFACE2).sha256 == sha256(PAYLOAD)


def test_without_a_known_digest_the_digest_is_shown(call: Call) -> None:
    result = call("fetch", CASIA)
    assert sha256(PAYLOAD) in result.stdout
    assert "compare" in result.stderr
    assert not fetch(CASIA).confirmed
    assert "compare" not in call("fetch", VGGFACE2).stderr


def test_the_pinned_digest_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert set(fetching.SHA256) <= set(fetching.RELEASED)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in fetching.SHA256.values())
    assert fetching.RELEASE.startswith("https://")


def test_a_file_that_is_gone_from_the_server(site: Site) -> None:
    site.files.clear()
    with pytest.raises(FetchFailed, match="404"):
        fetch(VGGFACE2)


@pytest.mark.parametrize("name", [VGGFACE2, HUB_MODEL])
def test_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    divert(Site(port=9), tmp_path, monkeypatch)  # where nobody listens
    with pytest.raises(FetchFailed) as failed:
        fetch(name)
    message = str(failed.value)
    place = str(release_path(tmp_path)) if name == VGGFACE2 else "local-dir:FOLDER"
    assert "another machine" in message
    assert place in message
    assert "\n" not in message
    with pytest.raises(ModelNotFound, match="another machine"):
        Embedder.load(name, device="cpu")


def test_no_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(WriteFailed, match="choose another"):
        fetch(VGGFACE2)


def test_facenet_weights_load_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = InceptionResnetV1(num_classes=8631, classify=True)  # the released file has the classifier
    path = release_path(tmp_path)
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    network.classify = False
    monkeypatch.setattr(requests, "get", None)
    loaded = Embedder.load(VGGFACE2, device="cpu")
    crops = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), dtype=np.uint8)
    pixels = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128
    with torch.inference_mode():
        expected = network.eval()(pixels).numpy()  # it normalises by itself
    assert loaded.embed(crops, flip=False) == pytest.approx(expected, abs=1e-5)
    card = card_named(VGGFACE2)
    assert (loaded.embedding_size, loaded.image_size) == (card.embedding_size, card.image_size)
    assert (loaded.config["mean"], loaded.config["std"]) == (card.mean, card.std)


def test_damaged_facenet_weights_are_no_crash(tmp_path: Path) -> None:
    path = release_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not weights")
    with pytest.raises(ModelNotFound, match="recog models fetch"):
        Embedder.load(VGGFACE2, device="cpu")


def test_the_list_says_what_is_here(call: Call) -> None:
    fetch(VGGFACE2)
    answers = [json.loads(line) for line in call("list", "--json").stdout.splitlines()]
    assert [answer["name"] for answer in answers] == list(named_models())
    assert [answer["name"] for answer in answers if answer["here"]] == ["recog-s", VGGFACE2]
    lines = call("list").stdout.splitlines()
    assert all(word in lines[1] for word in (VGGFACE2, "160 px", "512-d", "here", "non-commercial"))
    assert "to fetch" in lines[2]


def test_show_tells_all(call: Call, tmp_path: Path) -> None:
    text = call("show", HUB_MODEL).stdout
    for line in ("image_size: 112", "mean: 0.5", "std: 0.5", "embedding_size: 512", "here: False"):
        assert f"{line}\n" in text
    assert "published_percent: LFW 99.68, CFP-FP 96.33" in text
    fetch(CASIA)
    shown = json.loads(call("show", CASIA, "--json").stdout)
    assert shown["files"] == [str(release_path(tmp_path, "casia-webface"))]
    assert shown["published_percent"] == {"LFW": 99.05}


def test_bundled_weights_are_here_already(call: Call, site: Site) -> None:
    result = call("fetch", "bundled", "--json")
    content = bundled_path().read_bytes()
    assert json.loads(result.stdout) == {
        "name": "recog-s",
        "files": [str(bundled_path())],
        "sha256": sha256(content),
    }
    assert "nothing to fetch" in result.stderr
    assert site.asked == 0


@pytest.mark.parametrize("command", ["fetch", "show"])
def test_unknown_names_list_the_known_ones(call: Call, command: str) -> None:
    assert "Known: recog-s" in call(command, "nobody", code=4).stderr


def test_the_bundled_card_describes_the_bundled_weights() -> None:
    card, embedder = card_named("bundled"), Embedder.load("bundled", device="cpu")
    assert (card.name, card.embedding_size) == (embedder.name, embedder.embedding_size)
    assert card.image_size == embedder.image_size
    assert (card.mean, card.std) == (embedder.config["mean"], embedder.config["std"])
    count = sum(parameter.numel() for parameter in embedder.network.parameters())
    assert count / 1e6 == pytest.approx(card.million_parameters, rel=0.02)
    assert bundled_path().stat().st_size <= 10_000_000
