"""What the scripts that compare share: how figures are kept (as benchmarks/record.sh keeps them), what a training run's
figures say, and what machine PyTorch sees."""
import csv
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time


def processor():
    with open("/proc/cpuinfo") as lines:
        names = [line.split(": ")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(path, tengen, head, values):
    """Where the figures come from (`head`, and what is the same for all), then a figure a line.
    values: [(name, value, unit)]"""
    version = subprocess.check_output([tengen, "--version"], text=True)
    command = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
    head = {**head, "commit": version.rpartition("(")[2].rstrip(")\n"), "date": time.strftime("%Y-%m-%d"),
            "command": shlex.join(command)}
    with open(path, "w") as out:
        out.write(json.dumps(head) + "\n")
        for name, value, unit in values:
            out.write(json.dumps({"name": name, "value": value, "unit": unit}) + "\n")


def training_rate(command, folder):
    """Runs `tengen train`, whose run.dir is `run` in `folder`: steps a second from its second iteration on, by its own
    figures, and the processor seconds of a step: the whole run's, starting and worker processes included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}: exit status {done.returncode}; it said:\n{done.stderr[-2000:]}")
    with open(f"{folder}/run/metrics.csv") as lines:
        rows = [(float(row["steps"]), float(row["seconds"])) for row in csv.DictReader(lines)]
    if len(rows) < 3:
        sys.exit(f"{shlex.join(command)}: {len(rows)} iterations are too few to time; let it run for longer")
    steps, seconds = (last - first for first, last in zip(rows[0], rows[-1]))
    return steps / seconds, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / rows[-1][0]


def torch_head(torch, device, cores):
    """Where figures beside PyTorch's come from."""
    cpu = f"{processor()}, {cores} cores"
    if device == "cpu":
        return {"machine": cpu, "driver": "none", "pytorch": torch.__version__}
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return {"machine": f"{torch.cuda.get_device_name()}; {cpu}", "driver": driver, "pytorch": torch.__version__}
