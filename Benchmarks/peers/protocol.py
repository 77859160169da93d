"""What every peer written in Python shares: arguments, and the conversation with `run`.

A peer is started as `PEER WORKLOAD KIND BATCH THREADS [VARIANT]`. It gets ready, does one step, and says `READY value`. To `RUN n` it
answers `DONE seconds value` after n steps; `QUIT` ends it. The value is the loss of the last step, or in inference the root of the mean
square of the outputs.
"""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import workloads  # noqa: E402


class Request:
    def __init__(self, words):
        self.name, self.kind, self.rows, self.threads = words[0], words[1], int(words[2]), int(words[3])
        self.variant = words[4] if len(words) > 4 else ""
        self.work = workloads.WORKLOADS[self.name]


def request():
    """The arguments. Thread counts of the libraries below are set before those are imported."""
    asked = Request(sys.argv[1:])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(asked.threads)
    return asked


def root_mean_square(array):
    import numpy
    return float(numpy.sqrt(numpy.square(numpy.asarray(array, numpy.float64)).mean()))


def converse(steps):
    """`steps(n)` does n steps, waits until they are done, and gives a function that reads the value."""
    voice = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no part of the conversation
    voice.write(f"READY {steps(1)()!r}\n")
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["QUIT"]:
            break
        begin = time.perf_counter()
        value = steps(int(words[1]))
        seconds = time.perf_counter() - begin
        voice.write(f"DONE {seconds!r} {value()!r}\n")
    voice.flush()
    os._exit(0)
