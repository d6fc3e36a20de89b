"""The command line with stand-ins for the models."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recog.cli import main
from tests.conftest import PatchDetector
from tests.recog.cli.tools import Call, Photo, stand_in


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, gallery_path: Path) -> None:
    stand_in(monkeypatch, gallery_path, PatchDetector)


@pytest.fixture
def call(stand_ins: None) -> Call:
    def run(*arguments: object, stdin: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def people(call: Call, photo: Photo) -> None:
    call("enroll", "ada", photo("ada.png", 0))
    call("enroll", "bob", photo("bob.png", 80))
