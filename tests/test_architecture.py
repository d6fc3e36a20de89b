"""The layering: benchmarks -> generative -> recog, and one owner for each foreign library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("recog", "generative", "benchmarks")
FORBIDDEN = {
    "recog": {"generative", "benchmarks", "tests"},
    "generative": {"benchmarks", "tests"},
    "benchmarks": {"tests"},
}

# Which modules may import a library; a package name ends in a dot. The cli modules may import click alone.
OWNERS = {
    "sqlite3": ("recog.gallery.store", "recog.gallery.chunks", "recog.gallery.migrations"),
    "faiss": ("recog.index",),
    "facenet_pytorch": ("recog.detection", "recog.models"),
    "timm": ("recog.models", "recog.training."),
    "accelerate": ("recog.training.processes",),
    "huggingface_hub": ("recog.fetching",),
    "requests": ("recog.fetching",),
    "onnxruntime": ("recog.onnx_embedder", "benchmarks.timing"),
    "pymilvus": ("benchmarks.contestants", "recog.gallery.milvus.connection"),
    "milvus_lite": ("recog.gallery.milvus.lite",),
    "click": ("recog.cli.", "generative.cli.", "benchmarks.cli."),
    "cryptography": ("recog.gallery.keystore",),
    "keyring": ("recog.keys",),
}
# Modules of ours that cost no time to import
LIGHT = ("recog", "recog.errors", "recog.training.config", "recog.types")


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""


def belongs(module: str, owner: str) -> bool:
    return f"{module}.".startswith(owner) if owner.endswith(".") else module == owner


def test_the_walk_sees_the_packages() -> None:
    seen = {dotted(path) for path in modules()}
    assert {"recog.gallery", "recog.cli", "recog.training.data"} <= seen


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_layers_and_owners(path: Path) -> None:
    module = dotted(path)
    for imported in imports(ast.parse(path.read_text())):
        top = imported.partition(".")[0]
        assert top not in FORBIDDEN[module.partition(".")[0]], f"{module} imports {imported}"
        if top in OWNERS:
            assert any(belongs(module, owner) for owner in OWNERS[top]), f"{module} imports {imported}"


@pytest.mark.parametrize("path", [p for p in modules() if ".cli" in dotted(p)], ids=dotted)
def test_command_lines_import_nothing_heavy_at_once(path: Path) -> None:
    """What runs when a cli module is imported: the standard library, click, and the cli's own parts."""
    top_level = ast.Module([n for n in ast.parse(path.read_text()).body if not isinstance(n, ast.If)], [])
    for node in top_level.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for imported in imports(ast.Module([node], [])):
                foreign = imported.partition(".")[0] in (
                    "torch",
                    "timm",
                    "faiss",
                    "sklearn",
                    "matplotlib",
                    "numpy",
                )
                ours = imported.partition(".")[0] in PACKAGES
                light = ".cli" in imported or imported in LIGHT
                assert light or not (foreign or ours), f"{dotted(path)} imports {imported}"


def test_nothing_is_pickled_and_nothing_is_printed() -> None:
    for path in modules():
        tree = ast.parse(path.read_text())
        assert not {"pickle", "joblib", "dill"} & set(imports(tree)), dotted(path)
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], dotted(path)
        for call in calls:
            if ast.unparse(call.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(call), dotted(path)


def test_galleries_in_files_pay_nothing_for_milvus() -> None:
    code = "import sys, recog.recognizer; sys.exit('pymilvus' in sys.modules or 'grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
