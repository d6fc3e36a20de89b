"""A scikit-learn classifier of faces: fit, predict, predict_proba, score, in Pipeline and GridSearchCV."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from recog.errors import ConfigError
from recog.faces import EmbedderLike
from recog.vectors import centres, unit


class FaceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names the person on an aligned crop by the nearest class centre.

    X is either aligned crops (N, S, S, 3) uint8 RGB, which are embedded, or vectors (N, D) that were embedded
    before (`recog embed`), which are taken as they are.

    Parameters
    ----------
    model : name or path of the embedder; loaded when crops come, never for vectors.
    device : "auto", "cpu", "cuda" or "mps".
    temperature : of the softmax over cosines in predict_proba; smaller is surer. The default is the
        inverse of CosFace's usual scale (64) by order of magnitude.
    threshold : cosine under which predict answers `unknown`; None always names someone.
    unknown : label of strangers; of the same kind as the labels in y.
    embedder : used instead of loading `model`.

    Attributes
    ----------
    classes_ : the labels seen in fit.
    centres_ : (K, D) unit vector of each class.
    n_features_in_ : D for vectors; for crops their height, as scikit-learn counts the second axis.
    """

    def __init__(
        self,
        model: str = "bundled",
        device: str = "auto",
        temperature: float = 0.05,
        threshold: float | None = None,
        unknown: Any = "unknown",
        embedder: EmbedderLike | None = None,
    ) -> None:
        self.model = model
        self.device = device
        self.temperature = temperature
        self.threshold = threshold
        self.unknown = unknown
        self.embedder = embedder

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 (scikit-learn's names)
        """Learn the centre of each class.

        Raises: ConfigError: temperature <= 0, or `unknown` is of another kind than the labels;
        ValueError: shapes that do not fit, as scikit-learn expects.
        """
        if not self.temperature > 0:
            raise ConfigError(f"temperature is {self.temperature}; give a positive number, for example 0.05.")
        checked, labels = validate_data(self, X, y, allow_nd=True, dtype="numeric")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if self.threshold is not None and _kind(self.unknown) != _kind(self.classes_):
            raise ConfigError(
                f"unknown is {self.unknown!r}, and the labels are {self.classes_.dtype}; give a label of "
                "their kind, for example -1 for numbers."
            )
        self.centres_ = centres(self._vectors(checked), codes, len(self.classes_))
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Cosines to the class centres: (N, K), or (N,) second minus first for two classes."""
        cosines = self._cosines(X)
        return cosines[:, 1] - cosines[:, 0] if len(self.classes_) == 2 else cosines

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """(N,) the nearest class, or `unknown` under the threshold."""
        cosines = self._cosines(X)
        named: NDArray[Any] = self.classes_[cosines.argmax(axis=1)]
        if self.threshold is None:
            return named
        strangers = cosines.max(axis=1) < self.threshold
        return np.where(strangers, np.asarray(self.unknown), named)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """(N, K) softmax of cosine / temperature. Not calibrated, and blind to strangers."""
        probabilities: NDArray[np.float64] = softmax(self._cosines(X) / self.temperature, axis=1)
        return probabilities

    def _cosines(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        checked = validate_data(self, X, reset=False, allow_nd=True, dtype="numeric")
        return np.asarray(self._vectors(checked) @ self.centres_.T, np.float64)

    def _vectors(self, checked: NDArray[Any]) -> NDArray[np.float64]:
        """(N, D) unit vectors of crops or vectors."""
        if checked.ndim == 2:
            return unit(checked.astype(np.float64))
        if checked.ndim != 4 or checked.dtype != np.uint8:
            raise ValueError(
                f"X is {checked.dtype} {checked.shape}; give crops (N, S, S, 3) uint8, or vectors (N, D)."
            )
        return self._loaded().embed(checked).astype(np.float64)

    def _loaded(self) -> EmbedderLike:
        if self.embedder is not None:
            return self.embedder
        wanted = (self.model, self.device)
        if getattr(self, "_loaded_as", None) != wanted:
            from recog.embedders import load_embedder

            self._network: EmbedderLike = load_embedder(self.model, self.device)
            self._loaded_as = wanted
        return self._network

    def __getstate__(self) -> dict[str, Any]:
        """Leave loaded weights out of copies: they are found again by name."""
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key not in ("_network", "_loaded_as")}


def _kind(labels: Any) -> str:
    """What kind of labels these are: texts (or objects), numbers, or numpy's letter for others."""
    kind = np.asarray(labels).dtype.kind
    return "texts" if kind in "UO" else "numbers" if kind in "iuf" else kind
