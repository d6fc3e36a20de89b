from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from generative.cli.options import CANDIDATES
from generative.grids import FRAME
from generative.synthesis import Candidates, Sitter, Synthesizer
from recog import checkpoints
from recog.alignment import AlignedCrops
from recog.cli import main


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def lines(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def test_people_are_written_and_told_as_json(workplace: Path) -> None:
    result = recog(
        "generate people --count 2 --photos 3 --max-similarity 0.9 --generator gan --out cast --json"
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["photos"] for row in rows] == [3, 3]
    assert len(list((workplace / "cast").glob("*/*.png"))) == 6


def test_grid_shows_a_person_a_row(workplace: Path) -> None:
    line = "generate people --count 2 --photos 3 --max-similarity 0.9 --generator gan --out cast --grid g.png"
    assert recog(line).exit_code == 0
    first = np.asarray(Image.open(next(iter(sorted((workplace / "cast").glob("*/0000.png"))))))
    side = len(first)
    grid = np.asarray(Image.open(workplace / "g.png"))
    assert grid.shape == (2 * (side + 2 * FRAME), 3 * (side + 2 * FRAME), 3)
    assert np.array_equal(grid[FRAME : side + FRAME, FRAME : side + FRAME], first)


def test_people_can_be_mixed_from_real_ones(workplace: Path) -> None:
    result = recog(
        "generate people --count 1 --photos 1 --max-similarity 0.99 --generator gan --data crops --out c"
    )
    assert result.exit_code == 0, result.output
    assert json.loads((workplace / "c" / "manifest.jsonl").read_text())["source"] == "mixed"


def test_copies_that_are_kept_are_named(workplace: Path) -> None:
    line = "generate faces crops/p0/0.png --name p0 --aligned --count 2 --generator gan --candidates 1"
    assert recog(f"{line} --out learned").exit_code == 0
    (workplace / "roles.csv").write_text("identity,role\np0,fit\n")
    result = recog(f"{line} --training learned --roles roles.csv --role fit --out made --json")
    assert result.exit_code == 3, result.output
    assert json.loads(result.stdout)["photos"] == 2
    for name in ("0000.png", "0001.png"):
        assert f"{Path('made', 'p0', name)}: a copy of a training photo" in result.stderr
    assert [row["scores"]["copy"] for row in lines("made/manifest.jsonl")] == [True, True]


@pytest.mark.parametrize("option", ["--training", "--data"])
def test_people_keep_away_from_training_photos(workplace: Path, option: str) -> None:
    line = "generate people --count 1 --photos 2 --max-similarity 0.99 --generator gan --out cast"
    result = recog(f"{line} {option} crops")
    copies = [row["scores"]["copy"] for row in lines("cast/manifest.jsonl")]
    assert result.exit_code == (3 if any(copies) else 0), result.output
    assert result.stderr.count("a copy of a training photo") == sum(copies)


@pytest.mark.parametrize(
    "command", ["faces crops/p0/0.png --name p0 --aligned --count 2", "people --count 1 --photos 2"]
)
def test_four_candidates_are_made_for_each_photo(workplace: Path, command: str) -> None:
    assert recog(f"generate {command} --generator gan --out made").exit_code == 0
    kept, rejected = lines("made/manifest.jsonl"), lines("made/rejected.jsonl")
    assert [row["candidates"] for row in (*kept, *rejected)] == [2 * CANDIDATES] * (2 * CANDIDATES)
    assert len(kept) == 2
    assert sorted(row["candidate"] for row in (*kept, *rejected)) == list(range(2 * CANDIDATES))


def test_the_bench_judges_what_the_commands_make() -> None:
    for group, name in (("generate", "faces"), ("generate", "people"), ("bench", "generate")):
        commands = main.get_command(click.Context(main), group)
        assert isinstance(commands, click.Group)
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        (option,) = [one for one in command.params if one.name == "candidates"]
        assert option.default == CANDIDATES


def test_faces_of_a_person_name_what_failed(workplace: Path) -> None:
    result = recog(
        "generate faces crops/p0/0.png absent.png --name p0 --aligned --count 2 --generator gan --out made"
    )
    assert result.exit_code == 3, result.output
    assert "absent.png" in result.stderr
    assert len(list((workplace / "made" / "p0").glob("*.png"))) == 2


def test_faces_of_a_folder_of_people(workplace: Path) -> None:
    result = recog("generate faces --from crops --aligned --count 1 --generator gan --out made")
    assert result.exit_code == 0, result.output
    assert len(list((workplace / "made").glob("*/*.png"))) == 10


def test_one_detector_serves_all_people(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(device: str) -> AlignedCrops:
        loaded.append(device)
        return AlignedCrops()

    monkeypatch.setattr("generative.cli.faces.load_detector", load)
    line = "generate faces --from crops --count 1 --generator gan --device cpu --out made"
    assert recog(line).exit_code == 0
    assert loaded == ["cpu"]


@pytest.mark.parametrize(
    "line",
    [
        "generate faces --out made",
        "generate faces a.png --out made",
        "generate train gan --data crops --out runs --role fit",
        "generate train gan --data crops --data others --out runs",
        "generate train reader --data crops --out runs",
        "generate faces --like ada --from crops --out made",
        "generate faces crops/p0/0.png --name p0 --out made --training crops --role fit",
        "generate people --out cast --roles roles.csv --role fit",
        "generate edit crops/p0/0.png --out edited",
    ],
)
def test_wrong_usage_is_2(workplace: Path, line: str) -> None:
    assert recog(line).exit_code == 2


def test_settings_are_refused_before_crops_are_read() -> None:
    result = recog("generate train gan --data nowhere --out run --identity-every 0")
    assert result.exit_code == 4
    assert "identity_every is 0; give 1 or more" in result.stderr


@pytest.mark.parametrize("kind", ["gan", "dcgan", "vae", "vae-gan", "repairer"])
def test_networks_are_trained_from_the_command_line(workplace: Path, kind: str) -> None:
    (workplace / "roles.csv").write_text("identity,role\np0,fit\np1,fit\np2,user\n")
    chosen = "--data crops --roles roles.csv --role fit --out run"
    result = recog(f"generate train {kind} {chosen} --total-kimg 0.008 --batch-size 4 --image-size 16 --json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["faces"] == 8
    assert (workplace / "run" / "final.safetensors").is_file()


def test_every_command_shows_an_example() -> None:
    for command in ("generate", "generate train", "generate faces", "generate people", "repair"):
        result = recog(f"{command} --help")
        assert result.exit_code == 0, result.output
        assert "recog " in result.output.partition("Example")[2]


def test_the_command_line_loads_without_torch() -> None:
    code = "import sys, generative.cli; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_loads_its_classes_when_asked() -> None:
    import generative

    for name in ("Editor", "Repairer", "Synthesizer"):
        assert getattr(generative, name).__name__ == name
    assert set(generative.__all__) == {"Editor", "Repairer", "Synthesizer"}
    with pytest.raises(AttributeError):
        _ = generative.Nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["../outside", "a/b", ".."])
def test_names_cannot_leave_the_folder(workplace: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Synthesizer, "load", lambda *_: pytest.fail("found out too late"))
    line = f"generate faces crops/p0/0.png --name {name} --aligned --count 1 --generator gan --out made"
    assert recog(line).exit_code == 4
    assert not (workplace / "made").exists()
    assert not (workplace / "outside").exists()


def test_old_and_new_photos_do_not_mix(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "generate people --count 1 --photos 1 --max-similarity 0.9 --generator gan --out cast"
    assert recog(line).exit_code == 0
    (workplace / "other").mkdir()
    (workplace / "other" / "notes.txt").write_text("mine")
    monkeypatch.setattr(Synthesizer, "load", lambda *_: pytest.fail("found out too late"))
    for again, why in (
        (f"{line} --seed 1", "other settings (seed)"),
        ("generate faces crops/p0/0.png --name p0 --aligned --generator gan --out cast", "command"),
        (line.replace("cast", "other"), "must not mix"),
    ):
        result = recog(again)
        assert result.exit_code == 4
        assert "not empty" in result.stderr
        assert why in result.stderr


def test_faces_of_other_people_do_not_mix(workplace: Path) -> None:
    line = "generate faces crops/p0/{}.png --name p0 --aligned --count 1 --generator gan --out made"
    assert recog(line.format(0)).exit_code == 0
    result = recog(line.format(1))
    assert result.exit_code == 4
    assert "other settings (people)" in result.stderr


def test_the_same_call_goes_on_where_it_was_interrupted(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "generate people --count 3 --photos 2 --max-similarity 0.9 --generator gan --json"
    assert recog(f"{line} --out whole --grid whole.png").exit_code == 0
    with monkeypatch.context() as patched:
        written, write = [], checkpoints.write_atomically

        def stop(path: Path, content: bytes) -> None:
            if len(written) == 3 and path.suffix == ".png":
                raise KeyboardInterrupt
            written.extend([path] if path.suffix == ".png" else [])
            write(path, content)

        patched.setattr(checkpoints, "write_atomically", stop)
        assert recog(f"{line} --out cut").exit_code != 0
    assert [row["file"] for row in lines("cut/manifest.jsonl")] == [
        str(path.relative_to("cut").as_posix()) for path in written
    ]
    made, make = [], Synthesizer.sitting

    def counted(self: Synthesizer, sitter: Sitter, *args: Any, **rest: Any) -> Candidates:
        made.append(sitter.identity)
        return make(self, sitter, *args, **rest)

    monkeypatch.setattr(Synthesizer, "sitting", counted)
    result = recog(f"{line} --out cut --grid cut.png")
    assert result.exit_code == 0, result.output
    assert made == ["new-0000-00001", "new-0000-00002"]  # the first was whole
    assert [json.loads(row)["photos"] for row in result.stdout.splitlines()] == [2, 2, 2]
    for file in ("manifest.jsonl", "rejected.jsonl"):
        assert lines(f"cut/{file}") == lines(f"whole/{file}")
    for path in (workplace / "whole").glob("*/*.png"):
        assert (workplace / "cut" / path.relative_to(workplace / "whole")).read_bytes() == path.read_bytes()
    assert (workplace / "cut.png").read_bytes() == (workplace / "whole.png").read_bytes()
