"""Run by MLServer: an ONNX file behind its base class for models, as its documentation describes."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Onnx(MLModel):
    """Scores of rows of float32."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._about = json.loads(Path("about.json").read_text())
        self._session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        raw = self._session.run([self._about["output"]], {self._session.get_inputs()[0].name: x})[0]
        scores = raw[:, self._about["column"]].astype(np.float64) * self._about["sign"]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("score", scores)])
