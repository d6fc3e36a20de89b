from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from recog import device
from recog.device import has_fast_bf16

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    has_fast_bf16.cache_clear()
    yield
    has_fast_bf16.cache_clear()


@pytest.mark.parametrize(
    ("able", "bf16", "fp32", "pays"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, 9.0, 1.0, True),  # not asked how long
        ({"avx512_bf16": True}, 1.0, 2.0, True),
        ({"avx512_bf16": True}, 2.0, 1.0, False),
        ({}, 1.0, 2.0, False),
    ],
)
def test_bfloat16_is_taken_where_it_pays(
    able: dict[str, bool], bf16: float, fp32: float, pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(device, "_seconds", lambda dtype: {torch.bfloat16: bf16, torch.float32: fp32}[dtype])
    assert has_fast_bf16(CPU) is pays


def test_autocast_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    for pays in (True, False):
        monkeypatch.setattr(device, "has_fast_bf16", lambda place, pays=pays: pays)
        with device.autocast(CPU):
            assert torch.is_autocast_enabled("cpu") is pays
        with device.autocast(CPU, enabled=False):
            assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_takes_time(dtype: torch.dtype) -> None:
    assert 0 < device._seconds(dtype) < 10
