"""`gradc train` and the native trainer, from the command line: time of a training of one step, of the whole heart training, and memory."""
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import peak_memory, take_priority

EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples/heart/heart.gradc"
HEAD = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,target"
CATEGORIES = {"sex": "01", "cp": "01234", "fbs": "01", "restecg": "012", "exang": "01", "ca": "0123",
              "thal": ["1", "2", "fixed", "normal", "reversible"]}


def made_up_table(path, rows):
    """A table with the columns and categories of the heart data; the target follows age and oldpeak, with noise."""
    numbers = random.Random(1)
    lines = [HEAD]
    for row in range(rows):
        pick = {name: values[row % len(values)] if row < 8 else numbers.choice(values) for name, values in CATEGORIES.items()}
        age, oldpeak = numbers.randint(30, 77), round(numbers.expovariate(1), 1)
        sick = int((age - 54) / 9 + oldpeak - 1 + numbers.gauss(0, 1) > 0)
        cells = [age, pick["sex"], pick["cp"], numbers.randint(95, 180), numbers.randint(150, 400), pick["fbs"], pick["restecg"],
                 numbers.randint(90, 200), pick["exang"], oldpeak, numbers.randint(1, 3), pick["ca"], pick["thal"], sick]
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")


def timed(command, folder, cache, urgent):
    """Wall seconds and VmHWM in MB of one run. The memory is read over and over: a process that has ended has none."""
    environment = dict(os.environ, XDG_CACHE_HOME=str(cache))
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               preexec_fn=lambda: take_priority(urgent))
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_memory(process.pid) or 0)
        time.sleep(0.0005)
    seconds = time.perf_counter() - begin
    said = process.stderr.read().decode(errors="replace").strip()
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}: {said}")
    return seconds, peak


def several(command, folder, cache, options, times=7):
    """Medians of wall time, maxima of memory. `cache` makes the folder of compiled code."""
    runs = []
    for _ in range(times):
        place, is_temporary = cache()
        runs.append(timed(command, folder, place, options.urgent))
        if is_temporary:
            shutil.rmtree(place, ignore_errors=True)
    return {"seconds": statistics.median(run[0] for run in runs), "memory": max(run[1] for run in runs)}


def measure_command(options, temporary):
    """Records for the page; a record says what failed."""
    folder = temporary / "command"
    folder.mkdir()
    model = folder / "heart.gradc"
    shutil.copy(EXAMPLE, model)
    table, step = folder / "heart.csv", folder / "one_step.csv"
    if options.heart:
        shutil.copy(options.heart, table)
    else:
        made_up_table(table, 303)
    # 45 rows split 0.7, 0.15, 0.15 leave at most 32 for training: one batch, one step.
    made_up_table(step, 45)
    warm = temporary / "warm"
    warm.mkdir()
    cold = lambda: (tempfile.mkdtemp(prefix="cold-", dir=temporary), True)  # noqa: E731
    kept = lambda: (warm, False)  # noqa: E731
    gradc = str(options.products / "gradc")
    one = [gradc, "train", "heart.gradc", "--data", str(step), "--epochs", "1", "--report", "none"]
    whole = [gradc, "train", "heart.gradc", "--data", str(table)]
    records = {"real data": bool(options.heart)}
    try:
        records["gradc train, one step, empty cache"] = several(one, folder, cold, options)
        records["gradc train, heart, empty cache"] = several(whole, folder, cold, options, 5)
        timed(whole + ["--jit", "clang", "--epochs", "1"], folder, warm, options.urgent)
        timed(one + ["--jit", "clang"], folder, warm, options.urgent)
        records["gradc train, one step, warm cache"] = several(one, folder, kept, options)
        records["gradc train, heart, warm cache"] = several(whole, folder, kept, options, 5)
        records["gradc train, heart, clang, empty cache"] = several(whole + ["--jit", "clang"], folder, cold, options, 3)
        records["gradc train, heart, no BLAS, warm cache"] = several(whole + ["--blas", "none"], folder, kept, options, 5)
    except RuntimeError as failure:
        records["failure"] = str(failure)
    native(records, gradc, folder, (table, step), kept, options)
    records["gradc size"] = os.path.getsize(gradc) / 1e6
    return records


def native(records, gradc, folder, tables, cache, options):
    """The trainer that `gradc build --trainer` makes."""
    table, step = tables
    for name, flags in (("native trainer", []), ("native trainer, no BLAS", ["--blas", "none"])):
        place = folder / name.replace(" ", "_").replace(",", "")
        build = subprocess.run([gradc, "build", "heart.gradc", "-o", str(place), "--trainer", *flags], cwd=folder, capture_output=True,
                               text=True)
        made = build.returncode == 0 and subprocess.run(["make", "-C", str(place)], capture_output=True, text=True)
        programs = [] if not made else [path for path in place.iterdir() if path.is_file() and os.access(path, os.X_OK)]
        trainer = next((path for path in programs if "train" in path.name), None)
        if trainer is None:
            records[name] = {"failure": (build.stderr or (made and made.stderr) or "no trainer was made").strip()[:200]}
            continue
        try:
            records[name + ", one step"] = several([str(trainer), "--data", str(step), "--epochs", "1"], folder, cache, options)
            records[name + ", heart"] = several([str(trainer), "--data", str(table)], folder, cache, options, 5)
            subprocess.run(["strip", "-o", str(place / "stripped"), str(trainer)], check=True)
            records[name + ", heart"]["size"] = os.path.getsize(place / "stripped") / 1e6
        except (RuntimeError, subprocess.CalledProcessError) as failure:
            records[name] = {"failure": str(failure)[:200]}
