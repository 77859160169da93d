"""Exports models with gradc and holds them against onnx.checker and ONNX Runtime.

    python check_export.py path/to/gradc model.gradc other.onnx ...

For each model: export (a .gradc with fresh weights), onnx.checker with full_check, then the same random inputs through `gradc run` and through
ONNX Runtime at batch 1 and 3. Prints the largest difference of each output relative to max(1, largest number). Needs numpy, onnx and
onnxruntime; the tests of gradc need none of them.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime


def inputs_for(session, rows, random):
    arrays = {}
    for port in session.get_inputs():
        shape = [rows if not isinstance(size, int) else size for size in port.shape]
        if "float" in port.type or "double" in port.type:
            kind = numpy.float64 if "double" in port.type else numpy.float32
            arrays[port.name] = random.standard_normal(shape).astype(kind)
        else:
            kind = {"tensor(int32)": numpy.int32, "tensor(bool)": numpy.bool_, "tensor(uint8)": numpy.uint8}.get(port.type, numpy.int64)
            arrays[port.name] = random.integers(0, 2, shape).astype(kind)
    return arrays


def check(gradc, model, folder):
    folder = pathlib.Path(folder)
    weights = folder / "weights.safetensors"
    exported = folder / "model.onnx"
    fresh = ["--seed", "7"] if model.endswith(".gradc") else []
    subprocess.run([gradc, "export", model, *fresh, "-o", exported], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([gradc, "export", model, *fresh, "-o", weights], check=True, stdout=subprocess.DEVNULL)
    first = exported.read_bytes()
    subprocess.run([gradc, "export", model, *fresh, "-o", exported], check=True, stdout=subprocess.DEVNULL)
    assert exported.read_bytes() == first, "two exports differ"
    onnx.checker.check_model(str(exported), full_check=True)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(1)
    worst = {}
    for rows in (1, 3):
        arrays = inputs_for(session, rows, random)
        given = folder / f"in{rows}"
        given.mkdir()
        for name, array in arrays.items():
            numpy.save(given / f"{name}.npy", array)
        found = folder / f"out{rows}"
        subprocess.run(
            [gradc, "run", model, "--weights", weights, "--jit", "tcc", "--inputs", given, "--outputs", found],
            check=True, stdout=subprocess.DEVNULL)
        names = [port.name for port in session.get_outputs()]
        for name, wanted in zip(names, session.run(names, arrays)):
            got = numpy.load(found / f"{name}.npy")
            assert got.shape == wanted.shape, (name, got.shape, wanted.shape)
            scale = max(1, numpy.abs(wanted.astype(numpy.float64)).max(initial=0))
            difference = numpy.abs(got.astype(numpy.float64) - wanted.astype(numpy.float64)).max(initial=0) / scale
            worst[name] = max(worst.get(name, 0), difference)
    kinds = [node.op_type for node in onnx.load(exported).graph.node]
    print(f"{model}: {len(kinds)} nodes; " + ", ".join(f"{name} {value:.2e}" for name, value in worst.items()), flush=True)
    return max(worst.values())


def main():
    gradc, *models = sys.argv[1:]
    failures = []
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            try:
                if not check(gradc, model, folder) <= 1e-5:
                    failures.append(model)
            except Exception as error:
                print(f"{model}: {type(error).__name__}: {error}", flush=True)
                failures.append(model)
    print(f"{len(models) - len(failures)} of {len(models)} agree to 1e-5" + "".join(f"\n  not {model}" for model in failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
