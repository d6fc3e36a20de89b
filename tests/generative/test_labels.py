"""Tables of what crops show."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from generative.conditions import AGE
from generative.labels import filled, labels_of, write_labels
from recog.errors import DataError

FILES = ("a/1.png", "a/2.png", "b/1.png")


def table(folder: Path, *rows: str) -> Path:
    (folder / "t.csv").write_text("".join(f"{row}\n" for row in rows))
    return folder / "t.csv"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    labels = {"Smiling": np.array([1.0, -1, 0]), AGE: np.array([31.0, np.nan, 8])}
    assert write_labels(tmp_path / "t.csv", FILES, labels) == 3
    again = labels_of(FILES, tmp_path / "t.csv")
    assert again["Smiling"].tolist() == [1, -1, 0]
    assert again[AGE] == pytest.approx([31, np.nan, 8], nan_ok=True)


def test_it_is_told_how_many_crops_are_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ("file,Smiling", "crops/a/1.png,1", "b/1.png,0", "b/1.png,0", "c/9.png,1")
    with caplog.at_level(logging.INFO, logger="generative"):
        labels_of(FILES, table(tmp_path, *rows))
    assert "says something of 2 of 3 crops" in caplog.text


def test_columns_without_a_value_are_left_out(tmp_path: Path) -> None:
    rows = ("file,Smiling,sex,age,Bald", "a/1.png,1,,,", "b/1.png,,,40,", "c/9.png,1,male,30,1")
    labels = labels_of(FILES, table(tmp_path, *rows))
    assert set(labels) == {"Smiling", AGE}
    assert labels["Smiling"].tolist() == [1, 0, 0]


def test_a_table_that_says_nothing_of_the_crops_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lists files such as 'x/000001\.jpg'.* called 'a/1\.png'"):
        labels_of(FILES, table(tmp_path, "file,Smiling", "x/000001.jpg,1"))
    with pytest.raises(DataError, match=r"nothing of the crops but their names\. Fill in"):
        labels_of(FILES, table(tmp_path, "file,Smiling,age", "a/1.png,,"))


def test_what_is_known_goes_before_what_is_guessed() -> None:
    known = {"Smiling": np.array([1.0, 0]), AGE: np.array([np.nan, 50])}
    guessed = {"Smiling": np.array([-1.0, -1]), AGE: np.array([20.0, 20]), "Bald": np.array([-1.0, 1])}
    both = filled(known, guessed)
    assert both["Smiling"].tolist() == [1, -1]
    assert both[AGE].tolist() == [20, 50]
    assert both["Bald"].tolist() == [-1, 1]
