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
    ("able", "pays"),
    [
        ({"amx_bf16": True, "avx512_bf16": True, "cpu_name": "Intel(R) Xeon(R) Processor"}, True),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, True),
        ({"avx512_bf16": True, "cpu_name": "Intel(R) Xeon(R) Processor"}, False),
        ({"avx512_bf16": True}, False),
        ({"cpu_name": "AMD EPYC"}, False),
        ({}, False),
    ],
)
def test_bfloat16_is_taken_where_it_pays(
    able: dict[str, bool | str], pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_fast_bf16(CPU) is pays
    assert device.precision(CPU) == ("bfloat16" if pays else "float32")


def test_autocast_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    for pays in (True, False):
        monkeypatch.setattr(device, "has_fast_bf16", lambda place, pays=pays: pays)
        with device.autocast(CPU):
            assert torch.is_autocast_enabled("cpu") is pays
        with device.autocast(CPU, enabled=False):
            assert not torch.is_autocast_enabled("cpu")
