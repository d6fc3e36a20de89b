"""Face recognition: photo -> detect -> align -> embed -> gallery -> answer.

>>> from recog import Recognizer                      # doctest: +SKIP
>>> rec = Recognizer.open("people.gallery")           # doctest: +SKIP
>>> rec.enroll("ada", ["ada1.jpg", "ada2.jpg"])       # doctest: +SKIP
>>> rec.query("party.jpg")                            # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from recog.errors import RecogError
from recog.types import Answer, Candidate, Enrollment, Face, Failure, TrackAnswer, Verification

if TYPE_CHECKING:
    from recog.embedding import Embedder
    from recog.estimator import FaceClassifier
    from recog.recognizer import Recognizer

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Candidate",
    "Embedder",
    "Enrollment",
    "Face",
    "FaceClassifier",
    "Failure",
    "RecogError",
    "Recognizer",
    "TrackAnswer",
    "Verification",
    "__version__",
]

# torch takes seconds to import: it waits until one of these is asked for (PEP 562)
_LAZY = {"Embedder": "recog.embedding", "FaceClassifier": "recog.estimator", "Recognizer": "recog.recognizer"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'recog' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
