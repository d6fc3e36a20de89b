"""Fetching from the hub: checked, resumed, and loaded without a network afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save

from recog.catalogue import card_named
from recog.embedding import Embedder
from recog.errors import FetchFailed
from recog.fetching import fetch, located
from tests.recog.fetch_site import PAYLOAD, Site, divert, serving, sha256

HUB_MODEL = "hf-hub:gaunernst/convnext_atto.cosface_ms1mv3"
FILES = {"config.json": b"{}", "model.safetensors": PAYLOAD}


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving() as served:
        divert(served, tmp_path, monkeypatch)
        yield served


@pytest.fixture(scope="module")
def hub_files() -> tuple[torch.nn.Module, dict[str, bytes]]:
    """A network with random weights, and its files as the hub has them."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"patch_size": 2, "depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}
    network = timm.create_model("convnext_atto", num_classes=512, **options)
    described = {"input_size": [3, 112, 112], "mean": [0.5] * 3, "std": [0.5] * 3, "num_classes": 512}
    config = {
        "architecture": "convnext_atto",
        "num_features": 32,
        "num_classes": 512,
        "model_args": options,
        "pretrained_cfg": described,
    }
    weights = save(network.state_dict())
    return network.eval(), {"config.json": json.dumps(config).encode(), "model.safetensors": weights}


def test_a_hub_model_is_fetched_then_loaded_without_a_network(
    site: Site, hub_files: tuple[torch.nn.Module, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, files = hub_files
    site.publish(HUB_MODEL, files)
    assert not located(card_named(HUB_MODEL))
    fetched = fetch(HUB_MODEL)
    assert [path.read_bytes() for path in fetched.files] == list(files.values())
    assert (fetched.sha256, fetched.confirmed) == (sha256(files["model.safetensors"]), True)
    asked = site.asked
    monkeypatch.setattr("socket.create_connection", None)
    loaded = Embedder.load(HUB_MODEL, device="cpu")
    assert fetch(HUB_MODEL) == fetched
    assert site.asked == asked
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network(images), dim=1).numpy()
    assert loaded.embed(crops, flip=False) == pytest.approx(expected, abs=1e-5)
    assert (loaded.embedding_size, loaded.image_size, loaded.name) == (512, 112, HUB_MODEL)
    folder = fetched.files[0].parent
    assert Embedder.load(f"local-dir:{folder}", device="cpu").digest == loaded.digest


def test_loading_fetches_what_is_missing(
    site: Site, hub_files: tuple[torch.nn.Module, dict[str, bytes]]
) -> None:
    site.publish(HUB_MODEL, hub_files[1])
    assert Embedder.load(HUB_MODEL, device="cpu").embedding_size == 512
    assert located(card_named(HUB_MODEL))


def test_a_hub_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.publish(HUB_MODEL, FILES)
    site.cut_after = 200_000
    with pytest.raises(FetchFailed, match="goes on where it stopped"):
        fetch(HUB_MODEL)
    (part,) = (tmp_path / "hub").rglob("*.part")
    have = part.stat().st_size
    assert 190_000 < have <= 200_000
    site.cut_after = None
    assert fetch(HUB_MODEL).sha256 == sha256(PAYLOAD)
    assert site.sent("model.safetensors") == [
        (None, len(PAYLOAD)),
        (f"bytes={have}-", len(PAYLOAD) - have),
    ]
    assert not list((tmp_path / "hub").rglob("*.part"))


def test_what_the_hub_announces_must_come(site: Site, tmp_path: Path) -> None:
    site.publish(HUB_MODEL, FILES)
    weights = f"/{HUB_MODEL.removeprefix('hf-hub:')}/resolve/main/model.safetensors"
    site.announced[weights] = sha256(b"another file")
    with pytest.raises(FetchFailed, match=sha256(b"another file")):
        fetch(HUB_MODEL)
    assert not located(card_named(HUB_MODEL))
    assert PAYLOAD not in [path.read_bytes() for path in (tmp_path / "hub").rglob("*") if path.is_file()]


def test_a_damaged_hub_file_is_found_without_a_network(site: Site) -> None:
    site.publish(HUB_MODEL, FILES)
    weights = fetch(HUB_MODEL).files[-1]
    weights.write_bytes(PAYLOAD[:-1] + b"?")
    asked = site.asked
    with pytest.raises(FetchFailed, match="deleted"):
        fetch(HUB_MODEL)
    assert site.asked == asked
    assert not located(card_named(HUB_MODEL))
    assert fetch(HUB_MODEL).sha256 == sha256(PAYLOAD)


def test_an_answer_that_is_not_the_hubs_is_refused(site: Site) -> None:
    site.publish(HUB_MODEL, FILES)
    site.announced = dict.fromkeys(site.files, "../../escaped")
    with pytest.raises(FetchFailed, match="no digest"):
        fetch(HUB_MODEL)


def test_the_command_as_a_user_runs_it(site: Site, tmp_path: Path) -> None:
    site.publish(HUB_MODEL, FILES)
    environment = {**os.environ, "HF_ENDPOINT": site.url, "HF_HUB_CACHE": str(tmp_path / "elsewhere")}
    command = [sys.executable, "-m", "recog", "models", "fetch", HUB_MODEL, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer == {"name": HUB_MODEL, "files": answer["files"], "sha256": sha256(PAYLOAD)}
    assert Path(answer["files"][-1]).read_bytes() == PAYLOAD
    assert Path(answer["files"][-1]).is_relative_to(tmp_path / "elsewhere")
