"""Starts peers, lets them take turns, and reads their memory."""
import atexit
import math
import os
import select
import signal
import statistics
import subprocess
import tempfile
import time


# Stopped processes would outlive this one.
RUNNING = set()


@atexit.register
def close_all():
    for peer in list(RUNNING):
        peer.close()


class Failed(Exception):
    """A peer that died or fell silent; says why."""


def take_priority(urgent):
    """Of a process that is about to start: before other work of the machine, if that is allowed; if urgent, under SCHED_RR."""
    try:
        if urgent:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        else:
            os.nice(-10)
    except OSError:
        pass


def peak_memory(process):
    """VmHWM in MB, the children left out; None when the process is gone."""
    try:
        with open(f"/proc/{process}/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def busy_share():
    """The share of the cores that is in use, over a fifth of a second."""
    def totals():
        with open("/proc/stat") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]
    total, idle = totals()
    time.sleep(0.2)
    later, idle_later = totals()
    return 1 - (idle_later - idle) / max(1, later - total)


def build_round_trip(source, folder):
    """The program that measures how far two cores are from each other; None without a compiler or a second core."""
    program = os.path.join(folder, "cores")
    if (os.cpu_count() or 1) < 2:
        return None
    try:
        built = subprocess.run([os.environ.get("CC") or "cc", "-O2", "-o", program, str(source), "-lpthread"], capture_output=True)
    except OSError:
        return None
    return program if built.returncode == 0 else None


def round_trip(program):
    """Nanoseconds; None when they cannot be measured."""
    if program is None:
        return None
    try:
        return float(subprocess.run([program], capture_output=True, text=True, timeout=20).stdout)
    except (ValueError, subprocess.TimeoutExpired):
        return None


class Peer:
    """A running peer. Between its turns it is stopped."""

    def __init__(self, command, options, cache=None):
        self.limit = options.limit
        self.folder = tempfile.TemporaryDirectory(prefix="gradc-peer-")
        cache = cache or self.folder.name
        environment = dict(os.environ, XDG_CACHE_HOME=cache, TMPDIR=cache, TORCHINDUCTOR_CACHE_DIR=cache + "/inductor")
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        begin = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment,
                                        cwd=self.folder.name, start_new_session=True, preexec_fn=lambda: take_priority(options.urgent))
        RUNNING.add(self)
        self.rest = b""
        try:
            self.first_value = float(self.answer("READY")[0])
        except Failed:
            self.close()
            raise
        self.first_seconds = time.perf_counter() - begin
        self.signal(signal.SIGSTOP)

    def answer(self, word):
        deadline = time.monotonic() + self.limit
        while True:
            line, found, self.rest = self.rest.partition(b"\n")
            if found:
                words = line.decode(errors="replace").split()
                if words[:1] == [word]:
                    return words[1:]
                continue
            self.rest = line
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Failed(f"silent for {self.limit:.0f} s")
            chunk = os.read(self.process.stdout.fileno(), 4096)
            if not chunk:
                self.log.seek(0)
                said = [text.strip() for text in self.log if text.strip()]
                raise Failed("ended: " + (said[-1] if said else "without a word")[:160])
            self.rest += chunk

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def schedule(self, policy, priority):
        """For all threads; without the right to do so nothing happens."""
        try:
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setscheduler(int(thread), policy, os.sched_param(priority))
        except OSError:
            pass

    def run(self, steps):
        """Seconds for so many steps, and the value. In real time where that is allowed: other work of the machine must not be measured."""
        self.schedule(os.SCHED_RR, 1)
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(b"RUN %d\n" % steps)
            self.process.stdin.flush()
            seconds, value = self.answer("DONE")
        except BrokenPipeError:
            raise Failed("ended between two runs") from None
        finally:
            self.signal(signal.SIGSTOP)
            self.schedule(os.SCHED_OTHER, 0)
        return float(seconds), float(value)

    def warm_up(self, seconds):
        """The value after five steps; chooses how many steps make a block."""
        spent, value = self.run(4)
        each = spent / 4
        while each * self.steps_for(each, 0.1) > 0 and spent < 0.05 and each < 0.05:
            count = self.steps_for(each, 0.1)
            spent, _ = self.run(count)
            each = spent / count
        self.steps = self.steps_for(each, seconds)
        return value

    @staticmethod
    def steps_for(each, seconds):
        return max(1, min(1_000_000, math.ceil(seconds / max(each, 1e-9))))

    def close(self):
        RUNNING.discard(self)
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        self.folder.cleanup()


def started(command, options):
    """A peer, and the seconds of its start and of some more, all with empty caches. A slow peer starts once."""
    times = []
    while True:
        peer = Peer(command, options)
        times.append(peer.first_seconds)
        if len(times) >= options.starts or sum(times) > 5:
            return peer, times
        peer.close()


def side_by_side(peers, name, kind, rows, options, cores=None):
    """One record a peer."""
    records, running = [], []
    for peer, threads, program, tail in peers:
        command = program + [name, kind, str(rows), str(threads)] + tail
        record = {"peer": peer, "threads": threads, "workload": name, "kind": kind, "rows": rows, "busy": busy_share()}
        records.append(record)
        try:
            worker, times = started(command, options)
            record["first"] = statistics.median(times)
            record["first_value"] = worker.first_value
            record["value"] = worker.warm_up(options.seconds)
            record["blocks"] = []
            running.append((record, worker))
            print(f"  {peer}:{threads}: first step after {1e3 * record['first']:.0f} ms", flush=True)
        except Failed as failure:
            record["failure"] = str(failure)
            print(f"  {peer}:{threads}: {failure}", flush=True)
    trips = []
    for _ in range(options.rounds):
        trips.append(round_trip(cores))
        for record, worker in running:
            try:
                record["blocks"].append(worker.run(worker.steps)[0] / worker.steps)
            except Failed as failure:
                record["failure"] = str(failure)
    for record, worker in running:
        record["memory"] = peak_memory(worker.process.pid)
        record["trips"] = [trip for trip in trips if trip is not None]
        if record["blocks"] and "failure" not in record:
            record["step"] = statistics.median(record["blocks"])
            print(f"  {record['peer']}:{record['threads']}: {1e6 * record['step']:.2f} us a step, {record['memory']:.0f} MB", flush=True)
        worker.close()
    warm_starts(peers, records, options)
    return records


def warm_starts(peers, records, options):
    """For gradc also the start with clang's code in the cache."""
    for (peer, threads, program, tail), record in zip(peers, records):
        if peer != "gradc" or "step" not in record:
            continue
        command = program + [record["workload"], record["kind"], str(record["rows"]), str(threads)] + tail
        with tempfile.TemporaryDirectory(prefix="gradc-cache-") as cache:
            filling = Peer(command, options, cache)
            filling.run(1)
            filling.close()
            times = []
            for _ in range(max(3, options.starts)):
                again = Peer(command, options, cache)
                times.append(again.first_seconds)
                again.close()
            record["warm"] = statistics.median(times)
