"""Run by BentoML: an ONNX file behind a service with one worker, as its documentation describes."""

import json
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Fraud:
    """Scores of rows of float32."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._about = json.loads(Path("about.json").read_text())
        self._session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> list[float]:
        x = np.array(rows, dtype=np.float32)
        raw = self._session.run([self._about["output"]], {self._session.get_inputs()[0].name: x})[0]
        return (raw[:, self._about["column"]].astype(np.float64) * self._about["sign"]).tolist()
