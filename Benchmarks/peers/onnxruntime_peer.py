"""ONNX Runtime on the CPU, with all of its graph optimisations."""
from protocol import converse, request, root_mean_square, workloads

ASKED = request()
import onnxruntime  # noqa: E402

import onnx_network  # noqa: E402

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads, OPTIONS.inter_op_num_threads, OPTIONS.log_severity_level = ASKED.threads, 1, 3
SESSION = onnxruntime.InferenceSession(onnx_network.model(ASKED.work, ASKED.rows), OPTIONS, providers=["CPUExecutionProvider"])
X, _ = workloads.batch(ASKED.work, ASKED.rows)


def steps(count):
    for _ in range(count):
        (outputs,) = SESSION.run(None, {"x": X})
    return lambda: root_mean_square(outputs)


converse(steps)
