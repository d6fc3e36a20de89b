"""Every error this toolkit raises on purpose.

    RecogError
    ├── ConfigError            a setting is outside what is possible
    ├── DataError              a folder, manifest or list of pairs cannot be used
    │   └── TooFewPairs        not enough comparisons for the rate that was asked for
    ├── DeviceUnavailable      the device asked for is not there (never replaced silently)
    ├── ImageError             a photo cannot be read
    ├── FaceError
    │   ├── NoFaceFound        detection found nothing to work with
    │   ├── SeveralFaces       one face was needed and there were more
    │   └── PoorQuality        the face is worse than was asked for
    ├── ModelError
    │   ├── ModelNotFound      no model of this name, or its weights are not here
    │   │   └── FetchFailed    they could not be downloaded, or are not what they should be
    │   ├── ModelMismatch      two models whose embeddings cannot be compared
    │   └── CheckpointError    a weights file is damaged or of another kind
    ├── GalleryError           the gallery cannot be used
    │   ├── NoGallery          there is none
    │   ├── UnknownIdentity    nobody of this name is enrolled
    │   ├── KeyUnavailable     an encrypted gallery was opened without a key, or the key is not there
    │   ├── WrongKey           this key does not open the gallery
    │   ├── MissingKeys        the keystore lacks keys of people of an encrypted gallery
    │   └── ErasureIncomplete  the person is gone, but old bytes stay for now
    ├── TrainingDiverged       a loss is no longer a finite number
    └── WriteFailed            the result could not be written

Messages say which input, what is wrong, and what to do next.
"""

from __future__ import annotations

from pathlib import Path


class RecogError(Exception):
    """Base of the tree: catch this to catch everything the toolkit reports."""


class ConfigError(RecogError, ValueError):
    """A setting is outside what is possible; the message names it and the range."""


class DataError(RecogError):
    """A folder, manifest or list of pairs cannot be used as asked."""


class TooFewPairs(DataError):
    """The number of comparisons cannot support the rate that was asked for."""


class DeviceUnavailable(RecogError):
    """The device asked for is not on this machine."""


class ImageError(RecogError):
    """A photo cannot be read: names the file and the cause."""

    def __init__(self, source: str | Path, cause: str) -> None:
        super().__init__(f"{source}: {cause}")
        self.source = str(source)
        self.cause = cause

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return type(self), (self.source, self.cause)


class FaceError(RecogError):
    """A photo was read, but its faces do not fit the request."""


class NoFaceFound(FaceError):
    """Detection found no face."""


class PoorQuality(FaceError):
    """The face scores less than the quality that was asked for."""


class SeveralFaces(FaceError):
    """One face was needed and the photo shows more."""


class ModelError(RecogError):
    """A model cannot be used as asked."""


class ModelNotFound(ModelError):
    """No model of this name, or its weights are not on this machine."""


class FetchFailed(ModelNotFound):
    """Weights could not be downloaded, or what came has another digest than it should have."""


class ModelMismatch(ModelError):
    """Embeddings of two different models cannot be compared."""


class CheckpointError(ModelError):
    """A weights file is damaged, of another kind, or of another version."""


class GalleryError(RecogError):
    """The gallery cannot be used; the message names the remedy."""


class NoGallery(GalleryError):
    """There is no gallery at this place yet."""


class UnknownIdentity(GalleryError):
    """Nobody of this name is enrolled."""


class KeyUnavailable(GalleryError):
    """A key is needed and was not given, or is not where it should be."""


class WrongKey(GalleryError):
    """The key is not the one that the gallery was encrypted with."""


class MissingKeys(GalleryError):
    """The keystore lacks keys of people who are in the gallery."""


class ErasureIncomplete(GalleryError):
    """The change is made, but old bytes stay where the gallery is kept for now."""


class TrainingDiverged(RecogError):
    """A loss, or a gradient, is no longer a finite number."""


class WriteFailed(RecogError):
    """The result could not be written (disk full, no permission, ...)."""
