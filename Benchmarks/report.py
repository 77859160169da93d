"""The page that `run` writes."""
import os
import platform
import subprocess

# Goals: the best peer's time a step over gradc's. None of threads: whatever number serves each best.
GOALS = [("heart", None, 10), ("churn", None, 5), ("mnist_mlp", 1, 1.2), ("mnist_mlp", 2, 1.2)]
OWN = "gradc"


def said(command):
    try:
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        return lines[0].strip() if lines else None
    except OSError:
        return None


def machine():
    names = []
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as info:
            names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def versions_text(versions, options):
    gradc = said([str(options.products / "gradc"), "--version"]) or "gradc"
    compiler = said([os.environ.get("CC") or "clang", "--version"]) or said(["gcc", "--version"]) or "no C compiler"
    peers = [f"{name} {version}" for name, version in versions.items() if version]
    return ", ".join([gradc, f"its code by {compiler} and libtcc", f"Python {platform.python_version()}"] + peers)


def best(rows, name, kind, threads, own):
    """The fastest of gradc on so many threads, or of the peers on at most so many. `threads` None: any number."""
    fitting = [row for row in rows if row["workload"] == name and row["kind"] == kind and "step" in row
               and (row["peer"] == OWN if own else not row["peer"].startswith(OWN))
               and (threads is None or row["threads"] == threads or not own and row["threads"] < threads)]
    return min(fitting, key=lambda row: row["step"], default=None)


def microseconds(seconds):
    value = 1e6 * seconds
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def goals(rows):
    lines = ["| training step | gradc | best peer | times as fast | goal |", "|---|---|---|---|---|"]
    for name, threads, goal in GOALS:
        own, peer = best(rows, name, "train", threads, True), best(rows, name, "train", threads, False)
        if own is None or peer is None:
            continue
        label = name + ("" if threads is None else f", {threads} thread{'s' * (threads > 1)}")
        ratio = peer["step"] / own["step"]
        lines.append(f"| {label} | {microseconds(own['step'])} us ({own['threads']} thr.) | {microseconds(peer['step'])} us ({peer['peer']}, "
                     f"{peer['threads']} thr.) | **{ratio:.2f}** | {goal} |")
    return lines if len(lines) > 2 else []


def workload_table(rows):
    name, kind, count = rows[0]["workload"], rows[0]["kind"], rows[0]["rows"]
    peer = min((row["step"] for row in rows if "step" in row and not row["peer"].startswith(OWN)), default=None)
    lines = [f"### {name}, {'training step' if kind == 'train' else 'inference'}, batch {count}", "",
             "| peer | threads | us a step | least to most | best peer's time over it | first step, ms | peak MB | value | others' load |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: row.get("step", 1e9)):
        head = f"| {row['peer']} | {row['threads']} |"
        if "failure" in row or "step" not in row:
            lines.append(f"{head} {row.get('failure', 'not measured').replace('|', ' ')} | | | | | | |")
            continue
        ratio = f"{peer / row['step']:.2f}" if peer else ""
        warm = f" ({1e3 * row['warm']:.0f} with a warm cache)" if "warm" in row else ""
        lines.append(f"{head} {microseconds(row['step'])} | {microseconds(min(row['blocks']))} to {microseconds(max(row['blocks']))} | {ratio} "
                     f"| {1e3 * row['first']:.0f}{warm} | {row['memory']:.0f} | {row['value']:.6f} | {100 * row['busy']:.0f} % |")
    values = [row["first_value"] for row in rows if "first_value" in row]
    if len(values) > 1 and name != "churn":
        spread = (max(values) - min(values)) / max(abs(value) for value in values)
        lines += ["", f"Values of the first step differ by {spread:.1e} at most, relative."]
    trips = next((row["trips"] for row in rows if row.get("trips")), [])
    if trips:
        lines += ["", f"From core to core and back: {min(trips):.0f} to {max(trips):.0f} ns while this was measured."]
    return lines + [""]


def command_table(records):
    if not records:
        return []
    table = "the real table" if records["real data"] else "a made-up table of 303 rows with the same columns"
    lines = ["## From the command line", "", f"Heart, on {table}. Wall time of the whole command, peak memory of the process.", "",
             "| command | ms | peak MB |", "|---|---|---|"]
    notes = [f"`gradc`, the program: {records['gradc size']:.1f} MB."] if "gradc size" in records else []
    for name, record in records.items():
        if isinstance(record, dict) and "seconds" in record:
            lines.append(f"| {name} | {1e3 * record['seconds']:.1f} | {record['memory']:.1f} |")
            if "size" in record:
                notes.append(f"{name.removesuffix(', heart')}, stripped: {record['size']:.2f} MB.")
        elif isinstance(record, dict):
            notes.append(f"{name}: {record['failure']}")
        elif name == "failure":
            notes.append(record)
    return lines + [""] + [" ".join(notes), ""]


def page(rows, commands, versions, options):
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = ["# Results", "", "Written by `Benchmarks/run`; `README.md` says what each figure is.", "",
             f"Machine: {machine()}; load average at the end {load}{', everything started under SCHED_RR' if options.urgent else ''}. Versions: {versions_text(versions, options)}.", ""]
    lines += goals(rows) + [""]
    groups = {}
    for row in rows:
        groups.setdefault((row["workload"], row["kind"], row["rows"]), []).append(row)
    for group in groups.values():
        lines += workload_table(group)
    return "\n".join(lines + command_table(commands)).rstrip() + "\n"
