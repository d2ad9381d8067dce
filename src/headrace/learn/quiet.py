"""Nothing is sent anywhere: the switches of libraries that report to their makers, set before they are loaded."""

from __future__ import annotations

import os

SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # ONNX Runtime reports from Linux since 1.29; without the switch it also leaves a device id in ~/.cache
    "ORT_DISABLE_TELEMETRY": "1",
    "ORT_TELEMETRY_DISABLED": "1",
}


def switch_off_telemetry() -> None:
    """Set every switch in the environment of this process and of its children; call before such a library loads."""
    os.environ.update(SWITCHES)
