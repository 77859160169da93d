#!/usr/bin/env python3
"""Score a compiler (or runtime) on the official ONNX backend test suite.

The cases come from the installed `onnx` package: its node cases are built by
Python code, its simple/pytorch-* cases lie on disk, its `light` cases are nine
whole networks.  They are written once under --data, in the suite's own layout
(KIND/NAME/model.onnx + test_data_set_N/{input,output}_K.pb), and then given one
by one to the tool under test.

    run_onnx_backend.py --data DIR --tool 'gradc run {model} --inputs {dir} --outputs {out}'

What a tool must do: read {dir}/input_K.pb (the K-th graph input that is not an
initializer, as a serialized TensorProto, SequenceProto or OptionalProto), write
{out}/output_K.pb for every graph output, and exit 0.  Exit status 3 means "I do
not support this model"; any other status, a time-out, a missing output or a
wrong value is a failure.

Outputs are compared by the suite's own function and tolerances (rtol 1e-3,
atol 1e-7, unless the case says otherwise).
"""
import argparse, collections, concurrent.futures, glob, json, os, re, shlex
import shutil, signal, subprocess, sys, tempfile, time, warnings

warnings.filterwarnings("ignore")
import numpy as np
import onnx
from onnx import numpy_helper
import tiers

KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator", "light"]
UNSUPPORTED = 3


# ---------------------------------------------------------------- the cases

def serialize(value, value_info):
    """The suite's own rule (onnx.backend.test.cmd_tools.generate_data)."""
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString()
    kind = value_info.type.WhichOneof("value")
    write = {"map_type": numpy_helper.from_dict,
             "sequence_type": numpy_helper.from_list,
             "optional_type": numpy_helper.from_optional,
             "tensor_type": numpy_helper.from_array}[kind]
    return write(np.asarray(value) if kind == "tensor_type" else value,
                 value_info.name).SerializeToString()


def materialise(data):
    """Write every case of the installed onnx package under `data` (once)."""
    stamp = os.path.join(data, "onnx-version")
    if os.path.exists(stamp) and open(stamp).read() == onnx.__version__:
        return
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner
    wheel = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
    for kind in KINDS:
        shutil.rmtree(os.path.join(data, kind), ignore_errors=True)
    for case in load_model_tests(kind="node"):
        folder = os.path.join(data, "node", case.name)
        for n, (inputs, outputs) in enumerate(case.data_sets):
            sub = os.path.join(folder, f"test_data_set_{n}")
            os.makedirs(sub)
            graph = case.model.graph
            for word, values, infos in (("input", inputs, graph.input),
                                        ("output", outputs, graph.output)):
                for k, (value, info) in enumerate(zip(values, infos)):
                    with open(os.path.join(sub, f"{word}_{k}.pb"), "wb") as f:
                        f.write(serialize(value, info))
        onnx.save(case.model, os.path.join(folder, "model.onnx"))
        json.dump({"rtol": case.rtol, "atol": case.atol},
                  open(os.path.join(folder, "data.json"), "w"))
    for kind in KINDS[1:-1]:
        shutil.copytree(os.path.join(wheel, kind), os.path.join(data, kind))
    for case in load_model_tests(kind="real"):       # the wheel's light_*.onnx
        model_path = os.path.join(wheel, "light", os.path.basename(case.url))
        folder = os.path.join(data, "light", case.name)
        sub = os.path.join(folder, "test_data_set_0")
        os.makedirs(sub)
        shutil.copy(model_path, os.path.join(folder, "model.onnx"))
        model = onnx.load(model_path)
        initial = {i.name for i in model.graph.initializer}
        real_inputs = [i for i in model.graph.input if i.name not in initial]
        for k, info in enumerate(real_inputs):
            dummy = Runner.generate_dummy_data(info, name=case.name)
            with open(os.path.join(sub, f"input_{k}.pb"), "wb") as f:
                f.write(serialize(dummy, info))
        for k in range(len(model.graph.output)):
            shutil.copy(model_path[:-5] + f"_output_{k}.pb",
                        os.path.join(sub, f"output_{k}.pb"))
        json.dump({"rtol": case.rtol, "atol": case.atol},
                  open(os.path.join(folder, "data.json"), "w"))
    with open(stamp, "w") as f:
        f.write(onnx.__version__)


def load_cases(data):
    """[(kind/name, folder, tier, operator, rtol, atol)], sorted by name."""
    index = os.path.join(data, f"index-{tiers.digest()}.json")
    if not os.path.exists(index):
        cases = []
        for kind in KINDS:
            for name in sorted(os.listdir(os.path.join(data, kind))):
                folder = os.path.join(kind, name)
                path = os.path.join(data, folder, "model.onnx")
                if not os.path.exists(path):
                    continue
                limits = {"rtol": 1e-3, "atol": 1e-7}
                side = os.path.join(data, folder, "data.json")
                if os.path.exists(side):
                    limits.update({k: v for k, v in json.load(open(side)).items()
                                   if k in limits})
                model = onnx.load(path)
                cases.append(dict(name=folder, tier=tiers.tier_of(model, folder),
                                  ops=sorted(tiers.operators(model)), **limits))
        json.dump(cases, open(index, "w"))
    return json.load(open(index))


# ---------------------------------------------------------------- one case

def read_value(path, value_info):
    kind = value_info.type.WhichOneof("value")
    proto, read = {"tensor_type": (onnx.TensorProto, numpy_helper.to_array),
                   "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
                   "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
                   }[kind]
    message = proto()
    with open(path, "rb") as f:
        message.ParseFromString(f.read())
    return read(message)


def compare(wanted, got, rtol, atol):
    from onnx.backend.test.runner import Runner
    if wanted is None or got is None:
        assert wanted is got, "one of the two is an absent optional"
        return
    Runner.assert_similar_outputs([wanted], [got], rtol, atol)


def run_command(command, timeout):
    """(exit status or None for a time-out, last lines of its output)."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, errors="replace",
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        text, _ = process.communicate(timeout=timeout)
        return process.returncode, text[-2000:]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""


def run_case(case, args):
    """{"status": passed | failed | unsupported, "why": ..., "seconds": ...}"""
    folder = os.path.join(args.data, case["name"])
    model_path = os.path.join(folder, "model.onnx")
    outputs_info = onnx.load(model_path).graph.output
    rtol = args.rtol if args.rtol is not None else case["rtol"]
    atol = args.atol if args.atol is not None else case["atol"]
    start = time.time()

    def result(status, why=""):
        return dict(name=case["name"], tier=case["tier"], status=status, why=why,
                    seconds=round(time.time() - start, 3))

    for data_set in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        with tempfile.TemporaryDirectory(prefix="onnx-case-") as out:
            names = dict(model=model_path, dir=data_set, out=out, python=sys.executable,
                         here=os.path.dirname(os.path.abspath(__file__)))
            command = [word.format(**names) for word in shlex.split(args.tool)]
            status, text = run_command(command, args.timeout)
            if status is None:
                return result("failed", f"timeout after {args.timeout} s")
            if status == UNSUPPORTED:
                return result("unsupported", text.strip()[-300:])
            if status != 0:
                if args.unsupported_regex and re.search(args.unsupported_regex, text):
                    return result("unsupported", text.strip()[-300:])
                return result("failed", f"exit status {status}: {text.strip()[-500:]}")
            for k, info in enumerate(outputs_info):
                wanted_path = os.path.join(data_set, f"output_{k}.pb")
                got_path = os.path.join(out, f"output_{k}.pb")
                if not os.path.exists(wanted_path):
                    continue
                if not os.path.exists(got_path):
                    return result("failed", f"output_{k}.pb was not written")
                try:
                    compare(read_value(wanted_path, info),
                            read_value(got_path, info), rtol, atol)
                except Exception as error:
                    text = " ".join(str(error).split())
                    return result("failed", f"output {k}: {text[:400]}")
    return result("passed")


# ---------------------------------------------------------------- the score

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder for the cases (a cache)")
    parser.add_argument("--tool", help="command template: {model} {dir} {out} {python} {here}")
    parser.add_argument("--filter", default="", help="regex on KIND/NAME")
    parser.add_argument("--tier", default="", help="e.g. 1 or 1,2 (R: random cases)")
    parser.add_argument("--names", help="file with one KIND/NAME per line: only these")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a case")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rtol", type=float, help="instead of the suite's own")
    parser.add_argument("--atol", type=float, help="instead of the suite's own")
    parser.add_argument("--unsupported-regex", default="",
                        help="a failing tool whose output matches is 'unsupported'")
    parser.add_argument("--json", help="write the results here")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("-v", action="store_true", help="print every case")
    args = parser.parse_args()
    args.data = os.path.abspath(args.data)

    materialise(args.data)
    cases = load_cases(args.data)
    if args.tier:
        cases = [c for c in cases if str(c["tier"]) in args.tier.split(",")]
    if args.filter:
        cases = [c for c in cases if re.search(args.filter, c["name"])]
    if args.names:
        names = set(open(args.names).read().split())
        cases = [c for c in cases if c["name"] in names]
    if args.list or not args.tool:
        for case in cases:
            print(case["tier"], case["name"], ",".join(case["ops"]))
        print(len(cases), "cases", file=sys.stderr)
        return

    start = time.time()
    results = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for r in pool.map(lambda case: run_case(case, args), cases):
            results.append(r)
            if args.v or (r["status"] == "failed" and sys.stdout.isatty()):
                print(f"{r['status']:11} {r['name']}  {r['why'][:150]}", flush=True)

    score = collections.defaultdict(collections.Counter)
    for r in results:
        for key in (f"tier {r['tier']}", "all"):
            score[key][r["status"]] += 1
    if args.json:
        with open(args.json, "w") as f:
            json.dump(dict(tool=args.tool, onnx=onnx.__version__, seconds=round(time.time() - start),
                           score=score, results=results), f, indent=1)
    for key in sorted(score, key=lambda k: (k == "all", k)):
        s = score[key]
        print(f"{key}: {s['passed']} passed, {s['failed']} failed, "
              f"{s['unsupported']} unsupported (of {sum(s.values())})")


if __name__ == "__main__":
    main()
