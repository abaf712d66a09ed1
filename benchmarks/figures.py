"""What the scripts that compare share: figures are kept as benchmarks/record.sh keeps them."""
import json
import os
import platform
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
