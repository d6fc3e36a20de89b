"""Every kind of file gives a picture, or an error that names the file and the cause."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recog import images
from recog.errors import ImageError

RED = (255, 0, 0)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def only_colour(picture: np.ndarray) -> tuple[int, ...]:
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    colours = np.unique(picture.reshape(-1, 3), axis=0)
    assert len(colours) == 1
    return tuple(int(v) for v in colours[0])


@pytest.mark.parametrize(
    ("mode", "colour", "name", "seen"),
    [
        ("RGB", RED, "a.png", RED),
        ("L", 77, "a.png", (77, 77, 77)),
        ("1", 1, "a.png", (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), "a.png", RED),
        ("RGBA", (255, 0, 0, 0), "a.png", (255, 255, 255)),
        ("LA", (0, 0), "a.png", (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), "a.tif", RED),
        ("I;16", 257 * 77, "a.png", (77, 77, 77)),
        ("I;16", 257 * 77, "a.tif", (77, 77, 77)),
        ("I", 257 * 77, "a.tif", (77, 77, 77)),
        ("I", 77, "a.tif", (77, 77, 77)),
        ("F", 1.0, "a.tif", (255, 255, 255)),
        ("F", 77.0, "a.tif", (77, 77, 77)),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: object, name: str, seen: tuple[int, ...]) -> None:
    path = saved(tmp_path / name, Image.new(mode, (7, 5), colour))  # type: ignore[arg-type]
    picture = images.read(path)
    assert picture.shape == (5, 7, 3)
    assert only_colour(picture) == seen


def test_palette_and_its_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *RED])
    assert only_colour(images.read(saved(tmp_path / "a.png", palette))) == RED
    assert only_colour(images.read(saved(tmp_path / "b.png", palette, transparency=1))) == (255, 255, 255)
    assert (
        only_colour(images.read(saved(tmp_path / "c.png", palette, transparency=b"\xff\x00"))) == (255,) * 3
    )


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "white")
    image.paste(RED, (0, 0, 5, 10))  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    picture = images.read(saved(tmp_path / "a.png", image, exif=exif))
    assert picture.shape == (20, 10, 3)
    assert tuple(picture[0, 0]) == RED  # left has become top
    assert tuple(picture[-1, 0]) == (255, 255, 255)


def test_broken_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.jpg", Image.new("RGB", (9, 9), RED), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"
    )
    assert images.read(path).shape == (9, 9, 3)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "lime", "blue")]
    path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], lossless=True)
    assert only_colour(images.read(path)) == RED


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.gif", "a.webp", "a.bmp"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_cut_short(tmp_path: Path, name: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = saved(tmp_path / name, Image.fromarray(noise))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ImageError, match=name):
        images.read(path)


def test_damaged_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    rng = np.random.default_rng(1)
    refused = 0
    for name in ("a.png", "a.jpg", "a.tif", "a.gif", "a.webp"):
        content = bytearray(saved(tmp_path / name, Image.fromarray(noise)).read_bytes())
        for _ in range(30):
            damaged = bytearray(content)
            for at in rng.integers(0, min(len(damaged), 300), 8):
                damaged[at] = rng.integers(0, 256)
            try:
                assert images.read(bytes(damaged)).shape[2] == 3
            except ImageError:
                refused += 1
    assert refused > 20


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_500, 12_000, 60_000])  # over our limit, Pillow's warning, Pillow's error
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side, side))
    with pytest.raises(ImageError, match=r"bomb.png: has more than 89,000,000 pixels"):
        images.read(path)


def test_what_is_not_a_photo(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    os.mkfifo(tmp_path / "pipe.jpg")
    cases = {
        "empty.jpg": "0 bytes",
        "text.jpg": "not an image",
        "missing.jpg": "no such file",
        "pipe.jpg": "not a regular file",
        "nul\0.jpg": "no such file",
        "x" * 300: "cannot be opened",
    }
    for name, cause in cases.items():
        with pytest.raises(ImageError, match=cause):
            images.read(tmp_path / name)
    with pytest.raises(ImageError, match="folder"):
        images.read(tmp_path)
    with pytest.raises(ImageError, match="0 bytes"):
        images.read(b"")


def test_bytes_and_paths_give_the_same(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (3, 3), RED))
    np.testing.assert_array_equal(images.read(path), images.read(path.read_bytes()))
    np.testing.assert_array_equal(images.read(path), images.read(str(path)))
    assert images.digest(path) == images.digest(path.read_bytes())


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.full((2, 2), 9, np.uint8), (9, 9, 9)),
        (np.full((2, 2, 1), 9, np.uint8), (9, 9, 9)),
        (np.full((2, 2, 3), 9, np.uint8), (9, 9, 9)),
        (np.full((2, 2, 4), [255, 0, 0, 0], np.uint8), (255, 255, 255)),
        (np.full((2, 2, 3), 65535, np.uint16), (255, 255, 255)),
        (np.full((2, 2, 3), 0.5, np.float32), (128, 128, 128)),
    ],
)
def test_arrays(array: np.ndarray, first: tuple[int, ...]) -> None:
    assert only_colour(images.read(array)) == first


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros(5, np.uint8),
        np.full((2, 2), 3.0),
        np.full((2, 2), np.nan),
        np.zeros((2, 2), np.int64),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(ImageError):
        images.read(array)


def test_digest_depends_on_content_only(tmp_path: Path) -> None:
    a, b = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    assert images.digest(a) == images.digest(b)
    assert images.digest(a) != images.digest(a.reshape(4, 1, 3))
    with pytest.raises(ImageError, match="no such file"):
        images.digest(tmp_path / "missing.jpg")


def test_jpeg_in_cmyk(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(buffer, "JPEG", quality=95)
    np.testing.assert_allclose(images.read(buffer.getvalue())[4, 4], RED, atol=3)
