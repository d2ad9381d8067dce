"""A model file in use: ONNX Runtime, or the library of a native format, over bytes whose SHA-256 digest is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError
from headrace.learn.alike import alike
from headrace.learn.native import METADATA, ONNX, Runtime, ending_of, open_native
from headrace.learn.quiet import switch_off_telemetry

if TYPE_CHECKING:
    import onnxruntime

Run = Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]


def digest_of(content: bytes) -> str:
    """Return the SHA-256 digest of a model file as hex text.

    Example:
        >>> digest_of(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


class Scorer:
    """Scores rows with an exported model, on one thread.

    A file in LightGBM's or XGBoost's own format is run by that library.

    Args:
        content: the bytes of the model file, already verified.

    ``features`` are the names of the columns that ``score`` expects, in order; ``names`` those of the scores that it
    gives; ``categories`` the texts of features that are text, of which ``score`` expects the place, NaN for another;
    ``digest`` identifies the file; ``alike`` says whether a row has the same bits alone as among others.
    """

    def __init__(self, content: bytes) -> None:
        self.digest, self.alike = digest_of(content), alike(content)
        self._runtime: Runtime = _Onnx(content) if ending_of(content) == ONNX else open_native(content)
        about = self._runtime.about
        self.features: tuple[str, ...] = tuple(about["features"])
        self.names: tuple[str, ...] = tuple(about["scores"])
        known = dict(about.get("categories", {}))
        self.categories: dict[str, tuple[str, ...]] = {name: tuple(texts) for name, texts in known.items()}
        self._places = {name: {text: at for at, text in enumerate(texts)} for name, texts in self.categories.items()}
        self._columns, self._sign = [int(one) for one in about["columns"]], int(about["sign"])

    def numbers(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values of a feature as numbers: the places of texts, NaN for one that it does not know.

        None, for null, stays; an array of float64 takes it as NaN.
        """
        places = self._places.get(name)
        return values if places is None else [places.get(value, np.nan) for value in values]

    def score(self, x: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Return the scores of each row; the bits of one may depend on how many are beside it (``learn.alike``).

        Args:
            x: float64 or float32, shape (n, features) in the order of ``features``; NaN for null.

        Returns:
            float64, finite: shape (n,), or (n, k) where a row has several scores.

        Raises:
            HeadraceError: HR-LEARN-017 for another width, HR-LEARN-007 when a score is NaN or infinite.
        """
        return self._scores(x, self._runtime.run)

    def score_each(self, x: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Return the scores of each row with the bits that it has alone, whatever the model is; see ``score``."""
        return self._scores(x, self._runtime.each)

    def _scores(self, x: npt.NDArray[np.floating[Any]], run: Run) -> npt.NDArray[np.float64]:
        if x.ndim != 2 or x.shape[1] != len(self.features):
            found = f"an array of shape {x.shape} to score"
            expected = f"(rows, {len(self.features)}) in the order of the model's features"
            raise HeadraceError(Fault("HR-LEARN-017", "", found, expected, "pass the columns of Scorer.features"))
        if not len(x):  # which not every operation takes
            return np.empty((0,) if len(self._columns) == 1 else (0, len(self._columns)))
        raw = run(np.ascontiguousarray(x, dtype=np.float32))
        held = raw[:, self._columns] if raw.ndim == 2 else raw[:, None]
        values = (held[:, 0] if len(self._columns) == 1 else held).astype(np.float64) * self._sign
        if not np.isfinite(values).all():
            found = f"{int((~np.isfinite(values)).sum())} of {len(values)} scores that are NaN or infinite"
            cure = "the model does not take nulls: put an imputer into it and train again"
            raise HeadraceError(Fault("HR-LEARN-007", "", found, "a finite score for each row", cure))
        return values

    def __repr__(self) -> str:
        return f"Scorer({self.digest[:12]}, {len(self.features)} features)"


class _Onnx:
    """A session of ONNX Runtime."""

    def __init__(self, content: bytes) -> None:
        self._session = open_session(content)
        stored = self._session.get_modelmeta().custom_metadata_map.get(METADATA)
        if stored is None:
            found, cure = "a model file without headrace metadata", "headrace train, which writes one that has them"
            raise HeadraceError(Fault("HR-LEARN-011", "", found, "a file exported by headrace.learn", cure))
        self.about: dict[str, Any] = json.loads(stored)
        self._outputs, self._input = [str(self.about["output"])], self._session.get_inputs()[0].name

    def run(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        raw: npt.NDArray[Any] = self._session.run(self._outputs, {self._input: x})[0]
        return raw

    def each(self, x: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Run row after row where it lies, which takes half the time of as many calls with arrays of their own."""
        first = self.run(x[:1])
        found = np.empty((len(x), *first.shape[1:]), first.dtype)
        row, made, found[0] = np.empty_like(x[:1]), np.empty_like(first), first[0]
        bound = self._session.io_binding()
        bound.bind_cpu_input(self._input, row)
        bound.bind_output(self._outputs[0], "cpu", 0, made.dtype, made.shape, made.ctypes.data)
        for at in range(1, len(x)):
            row[0] = x[at]
            self._session.run_with_iobinding(bound)
            found[at] = made[0]
        return found


def load(path: Path, digest: str) -> Scorer:
    """Return the scorer of a model file, after its digest was verified over the very bytes that are loaded.

    Args:
        path: of the file.
        digest: SHA-256 as hex text, from the registry.

    Raises:
        HeadraceError: HR-LEARN-011 when the file is missing, or is not the one that was registered.
    """
    cure = "restore the file from a copy, or train again"
    try:
        content = path.read_bytes()
    except OSError as error:
        found = f"no readable model file {path.name} ({type(error).__name__})"
        raise HeadraceError(Fault("HR-LEARN-011", "", found, "the registered file", cure)) from error
    if digest_of(content) != digest:
        found = f"model file {path.name} with SHA-256 {digest_of(content)[:12]}…, altered since it was registered"
        raise HeadraceError(Fault("HR-LEARN-011", "", found, f"{digest[:12]}…", cure))
    return Scorer(content)


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session on one thread, which tells nobody."""
    switch_off_telemetry()
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # also where the user's own code loaded it before
    options = onnxruntime.SessionOptions()
    # one row at a time is the common case: threads would cost more than they give
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal: what a session refuses is raised, and told in our words
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
