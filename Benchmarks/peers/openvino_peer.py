"""OpenVINO on the CPU, held to float32: it would take bfloat16 where the processor has it."""
import os

from protocol import converse, request, root_mean_square, workloads

ASKED = request()
os.environ["OPENVINO_TELEMETRY_DISABLE"] = "1"
import openvino  # noqa: E402

import onnx_network  # noqa: E402

CORE = openvino.Core()
COMPILED = CORE.compile_model(
    CORE.read_model(onnx_network.model(ASKED.work, ASKED.rows)), "CPU",
    {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": ASKED.threads, "INFERENCE_PRECISION_HINT": "f32"})
REQUEST = COMPILED.create_infer_request()
X = openvino.Tensor(workloads.batch(ASKED.work, ASKED.rows)[0], shared_memory=True)


def steps(count):
    for _ in range(count):
        REQUEST.infer({0: X}, share_inputs=True)
    return lambda: root_mean_square(REQUEST.get_output_tensor(0).data)


converse(steps)
