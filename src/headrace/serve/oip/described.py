"""What the protocol tells of a model: its tensors, its platform, its versions; and what it gives for rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.native import LIGHTGBM, ONNX, XGBOOST
from headrace.serve.oip.inputs import INPUT, INPUT_TYPE, MOST_ROWS
from headrace.serve.oip.models import Loaded, Models
from headrace.serve.oip.tensors import TEXT

OUTPUT_TYPE = "FP64"
"""Of all scores: what rules see and records hold."""
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository")
_PLATFORMS = {ONNX: "onnx_onnxv1", LIGHTGBM: "lightgbm_txt", XGBOOST: "xgboost_json"}
"""Of a model file by its ending."""
_SHOWN = 8


def server() -> dict[str, Any]:
    """Return the server's name, version and extensions."""
    try:
        number = version("headrace")
    except PackageNotFoundError:  # run from its source
        number = "unknown"
    return {"name": "headrace", "version": number, "extensions": EXTENSIONS}


def inputs_of(loaded: Loaded) -> list[dict[str, Any]]:
    """Return what a model takes: one matrix, or a tensor for each feature where some are text."""
    scorer = loaded.scorer
    if not scorer.categories:
        return [{"name": INPUT, "datatype": INPUT_TYPE, "shape": [-1, len(scorer.features)]}]
    kinds = {name: TEXT if name in scorer.categories else INPUT_TYPE for name in scorer.features}
    return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds.items()]


def outputs_of(loaded: Loaded) -> list[dict[str, Any]]:
    """Return what a model gives: a tensor for each of its scores."""
    return [{"name": name, "datatype": OUTPUT_TYPE, "shape": [-1]} for name in loaded.scorer.names]


def metadata(models: Models, loaded: Loaded) -> dict[str, Any]:
    """Return the metadata of a model with its versions, as HTTP and gRPC name its parts."""
    versions = [str(one.number) for one in models.versions(loaded.version.name)]
    about = {"name": loaded.version.name, "versions": versions, "platform": _platform(loaded)}
    return about | {"inputs": inputs_of(loaded), "outputs": outputs_of(loaded)}


def config(loaded: Loaded) -> dict[str, Any]:
    """Return what clients of Triton know as a model's configuration, with the names of the features in their order."""

    def described(one: dict[str, Any]) -> dict[str, Any]:
        kind = "STRING" if one["datatype"] == TEXT else one["datatype"]
        return {"name": one["name"], "data_type": f"TYPE_{kind}", "dims": one["shape"][1:] or [1]}

    said = {"digest": loaded.scorer.digest, "features": msgspec.json.encode(loaded.scorer.features).decode()}
    about = {"name": loaded.version.name, "platform": _platform(loaded), "max_batch_size": MOST_ROWS}
    tensors = {"input": [*map(described, inputs_of(loaded))], "output": [*map(described, outputs_of(loaded))]}
    return about | tensors | {"parameters": {name: {"string_value": value} for name, value in said.items()}}


def index(models: Models, only_ready: bool) -> list[dict[str, str]]:
    """Return the versions of all models, each with whether it is loaded."""
    told = []
    for name in models.names:
        for one in models.versions(name):
            ready = models.at_hand(name, str(one.number)) is not None
            state = {"state": "READY", "reason": ""} if ready else _NOT_LOADED
            if ready or not only_ready:
                told.append({"name": name, "version": str(one.number), **state})
    return told


_NOT_LOADED = {"state": "UNAVAILABLE", "reason": "loaded when it is asked for"}


def columns(loaded: Loaded, wanted: Sequence[str]) -> dict[str, int]:
    """Return the columns of the scores that are asked for, by name in the order of the asking; all, where none is.

    Raises:
        HeadraceError: HR-INFER-003 for another name, or one that is asked for twice.
    """
    names = loaded.scorer.names
    faults = [
        Fault("HR-INFER-003", f"output {name[:64]!r}", "an unknown output", ", ".join(names), nearest(name[:64], names))
        for name in wanted
        if name not in names
    ]
    if len(set(wanted)) < len(wanted):
        faults.append(Fault("HR-INFER-003", "outputs", "an output that is asked for twice", "each once"))
    if faults:
        raise HeadraceError(faults[:_SHOWN])
    return {name: names.index(name) for name in wanted or names}


def scored(loaded: Loaded, asked: Mapping[str, int], x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns of the scores of rows by name, each of shape (n,)."""
    scores = loaded.scores(x)
    return {name: scores[:, at] for name, at in asked.items()}


def _platform(loaded: Loaded) -> str:
    file = loaded.version.record.file
    return _PLATFORMS[file[file.rindex(".") :]]
