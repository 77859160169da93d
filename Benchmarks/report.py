"""The page that `run` writes."""
import os
import platform
import subprocess

import workloads

# Goals: the best peer's time a step over gradc's. None of threads: whatever number serves each best.
GOALS = [("heart", "train", 32, None, 10), ("churn", "train", 32, None, 5), ("mnist_mlp", "train", 64, 1, 1.2),
         ("mnist_mlp", "train", 64, 2, 1.2), ("cifar_cnn", "train", 64, 1, 1.5), ("cifar_cnn", "train", 64, 2, 1.5),
         ("cifar_vgg_bn", "train", 64, 1, 2), ("cifar_vgg_bn", "train", 64, 2, 2), ("resnet18_cifar", "train", 32, 1, 2),
         ("resnet18_cifar", "train", 32, 2, 2), ("cifar_vgg_bn", "infer", 64, 2, 1.7), ("resnet18_cifar", "infer", 64, 2, 1.7),
         ("cifar_vgg_bn", "infer", 1, 2, 1.2), ("resnet18_cifar", "infer", 1, 2, 1.2), ("mobilenet_v2_224", "infer", 1, 2, 1),
         ("lstm_char", "train", 32, 1, 1.2), ("lstm_char", "train", 32, 2, 1.2), ("gpt_tiny", "train", 16, 1, 1.4),
         ("gpt_tiny", "train", 16, 2, 1.4), ("gpt_tiny", "infer", 1, 2, 1.2), ("gpt_tiny", "infer", 64, 2, 1.2)]
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


def best(rows, threads, own):
    """The fastest of gradc on so many threads, or of the peers on at most so many. `threads` None: any number."""
    fitting = [row for row in rows if "step" in row and (row["peer"] == OWN if own else not row["peer"].startswith(OWN))
               and (threads is None or row["threads"] == threads or not own and row["threads"] < threads)]
    return min(fitting, key=lambda row: row["step"], default=None)


def duration(seconds):
    value = 1e6 * seconds
    if value < 10_000:
        return f"{value:.2f} us" if value < 100 else f"{value:.0f} us"
    return f"{value / 1e3:.1f} ms" if value < 1e5 else f"{value / 1e3:.0f} ms"


def goals(rows):
    lines = ["| step | gradc | best peer | times as fast | goal |", "|---|---|---|---|---|"]
    for name, kind, count, threads, goal in GOALS:
        group = [row for row in rows if (row["workload"], row["kind"], row["rows"]) == (name, kind, count)]
        own, peer = best(group, threads, True), best(group, threads, False)
        if own is None or peer is None:
            continue
        label = f"{name}, {'training' if kind == 'train' else 'inference'}, batch {count}"
        label += "" if threads is None else f", {threads} thread{'s' * (threads > 1)}"
        ratio = peer["step"] / own["step"]
        lines.append(f"| {label} | {duration(own['step'])} ({own['threads']} thr.) | {duration(peer['step'])} ({peer['peer']}, "
                     f"{peer['threads']} thr.) | **{ratio:.2f}** | {goal} |")
    return lines if len(lines) > 2 else []


def images(groups):
    """How networks of images scale with threads, and what memory they take."""
    lines = ["| training step | 1 thread over 2 | peak MB, 2 threads | least of the peers, MB | share | first step, ms |", "|---|---|---|---|---|---|"]
    for (name, kind, _), group in groups.items():
        own = {row["threads"]: row for row in group if row["peer"] == OWN and "step" in row}
        peers = [row["memory"] for row in group if not row["peer"].startswith(OWN) and "step" in row]
        if kind != "train" or not workloads.has_images(workloads.WORKLOADS[name]) or len(own) < 2:
            continue
        least = f"{min(peers):.0f} | {100 * own[2]['memory'] / min(peers):.0f} %" if peers else "|"
        lines.append(f"| {name} | **{own[1]['step'] / own[2]['step']:.2f}** | {own[2]['memory']:.0f} | {least} | {1e3 * own[2]['first']:.0f} |")
    return lines + [""] if len(lines) > 2 else []


def workload_table(rows):
    name, kind, count = rows[0]["workload"], rows[0]["kind"], rows[0]["rows"]
    work = workloads.WORKLOADS[name]
    operations = workloads.operations(work, kind, count)
    peer = min((row["step"] for row in rows if "step" in row and not row["peer"].startswith(OWN)), default=None)
    lines = [f"### {name}, {'training step' if kind == 'train' else 'inference'}, batch {count} ({operations / 1e9:.3g} GFLOP)", "",
             "| peer | threads | a step | least to most | best peer's time over it | GFLOP/s | first step, ms | peak MB | value | others' load |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: row.get("step", 1e9)):
        head = f"| {row['peer']} | {row['threads']} |"
        if "failure" in row or "step" not in row:
            lines.append(f"{head} {row.get('failure', 'not measured').replace('|', ' ')} | | | | | | | |")
            continue
        ratio = f"{peer / row['step']:.2f}" if peer else ""
        warm = f" ({1e3 * row['warm']:.0f} with a warm cache)" if "warm" in row else ""
        lines.append(f"{head} {duration(row['step'])} | {duration(min(row['blocks']))} to {duration(max(row['blocks']))} | {ratio} "
                     f"| {operations / row['step'] / 1e9:.3g} "
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
    groups = {}
    for row in rows:
        groups.setdefault((row["workload"], row["kind"], row["rows"]), []).append(row)
    lines += goals(rows) + [""] + images(groups)
    for group in groups.values():
        lines += workload_table(group)
    return "\n".join(lines + command_table(commands)).rstrip() + "\n"
