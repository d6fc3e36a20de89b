"""Exit codes, usage errors, help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from recog.cli import COMMANDS
from recog.gallery import Gallery
from tests.recog.cli.tools import Call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ValueError("boom"), 4),
        (MemoryError(), 4),
        (click.ClickException("boom"), 4),
        (click.FileError("x"), 4),
        (click.UsageError("boom"), 2),
        (SystemExit(1), 4),
    ],
)
def test_exit_codes_of_crashes(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def crash(*_: object, **__: object) -> Iterator[None]:
        raise error

    monkeypatch.setattr(Gallery, "__init__", crash)
    monkeypatch.setattr("recog.cli.lazy._silenced", lambda: 4)
    result = call("list", code=code)
    if str(error) == "boom":
        assert "boom" in result.stderr


def test_usage_errors(call: Call) -> None:
    call("nonsense", code=2)
    call("list", "--nonsense", code=2)
    call("doctor", "--device", "abacus", code=2)


def test_the_version(call: Call) -> None:
    assert call("--version").stdout.startswith("recog 0.")


def leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from leaves(child, (*path, name))


@pytest.mark.parametrize("name", [name for section in COMMANDS.values() for name in section])
def test_every_command_has_an_example(name: str) -> None:
    entry = next(section[name] for section in COMMANDS.values() if name in section)
    for path, command in leaves(entry.load(), (name,)):
        text = command.help or ""
        assert "Example:\n" in text, path
        assert f"recog {path[0]}" in text.partition("Example:")[2], path
        options = {o for p in command.params for o in p.opts}
        assert "--json" in options or isinstance(command, click.Group), path


@pytest.mark.parametrize("section", ["People", "Questions", "Set-up"])
def test_the_overview_says_what_the_commands_say(section: str) -> None:
    for name, entry in COMMANDS[section].items():
        assert (entry.load().help or "").startswith(entry.help), name


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, time\n"
        "from recog.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'timm', 'faiss', 'sklearn', 'matplotlib', 'cv2', 'PIL'} & set(sys.modules)\n"
        "print(time.process_time(), sorted(heavy), file=sys.stderr)"
    )
    seconds = []
    for _ in range(3):  # processor time, the best of three: other programs may be busy
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took, _, heavy = done.stderr.strip().rpartition("\n")[2].partition(" ")
        assert heavy == "[]"
        assert "enroll" in done.stdout
        seconds.append(float(took))
    assert min(seconds) < 0.3


def test_a_closed_pipe_is_no_traceback(gallery_path: Path) -> None:
    with Gallery(gallery_path):
        pass
    code = "from recog.cli import run; run()"
    script = f"{sys.executable} -c '{code}' --help | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
