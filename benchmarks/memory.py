"""The memory of a call beyond its inputs, and a call on a file larger than the allowed memory.

Each measurement runs in its own process, which imports only NumPy, because a process may keep memory that it once used.
The kernel resets the peak before the call (Linux).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import symgrad

ROOT = Path(__file__).resolve().parents[1]
N, D, C = 60000, 784, 10
X_BYTES = 4 * N * D

PEAK = """
import sys
import numpy as np

sys.path[:0] = sys.argv[1:3]
N, D, C = map(int, sys.argv[5:8])
module = __import__(sys.argv[3], fromlist=[sys.argv[4]])
function = getattr(module, sys.argv[4])
X = np.random.default_rng(0).standard_normal((N, D), dtype=np.float32)
W, b, Y = np.zeros((D, C), np.float32), np.zeros(C, np.float32), np.zeros((N, C), np.float32)
Y[:, 0] = 1


def peak(key):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


warm = 4000 if hasattr(module, "_parallel") else 8  # compiles the kernel for several threads
function(X[:warm], W, b, Y[:warm])
open("/proc/self/clear_refs", "w").write("5")
before = peak("VmRSS")
function(X, W, b, Y)
print((peak("VmHWM") - before) / X.nbytes)
"""

STREAM = """
import sys
import numpy as np

sys.path[:0] = sys.argv[1:2]
N, D, C = map(int, sys.argv[5:8])
function = getattr(__import__(sys.argv[3]), sys.argv[4])
X = np.memmap(sys.argv[8], np.float32, "r", shape=(N, D))
loss, grads = function(X, np.zeros((D, C), np.float32), np.zeros(C, np.float32), np.arange(N) % C)
assert abs(float(loss) - float(sys.argv[9])) < 1e-5, loss
print("ran")
"""


def peak(loss: str, function: str) -> float:
    """The growth of the peak of resident memory during one call, over the size of X; 60000x784x10 in float32."""
    with tempfile.TemporaryDirectory() as folder:
        source = "" if function == "hand-written" else symgrad.derive(loss).to_source(loss, target=function)
        Path(folder, "generated.py").write_text(source, encoding="utf-8")
        module = "benchmarks.handwritten" if function == "hand-written" else "generated"
        arguments = [folder, str(ROOT), module, loss, *map(str, (N, D, C))]
        return float(_run(PEAK, arguments))


def stream(loss: str, allowed: float) -> str:
    """What happens where X is a file and the process may have ``allowed`` times its size in memory, page cache
    included (a control group, which needs root on Linux): "ran", or why there is no answer."""
    group = _memory_group()
    if group is None:
        return "not measured: control groups cannot be made here"
    expected = {"softmax_cross_entropy": 2.302585, "softmax_mse": 0.09}[loss]  # log C and (1 - 1/C)/C, since W = 0
    try:
        (group / _limit_file(group)).write_text(str(int(allowed * X_BYTES)))
        with tempfile.TemporaryDirectory(dir=".") as folder:
            Path(folder, "generated.py").write_text(symgrad.derive(loss).to_source(loss), encoding="utf-8")
            data = Path(folder, "x.bin")
            with data.open("wb") as file:
                for _ in range(N):
                    file.write(bytes(4 * D))
                os.fsync(file.fileno())
            arguments = [folder, "", "generated", loss, *map(str, (N, D, C)), str(data), str(expected)]
            join = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n"
            return _run(join + STREAM, arguments)
    except subprocess.CalledProcessError as error:
        return f"failed, exit code {error.returncode}"
    finally:
        group.rmdir()


def _memory_group() -> Path | None:
    """A new control group for memory, of either version."""
    for root in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        group = root / f"symgrad-benchmark-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / _limit_file(group)).exists():
            return group
        group.rmdir()
    return None


def _limit_file(group: Path) -> str:
    return "memory.limit_in_bytes" if (group / "memory.limit_in_bytes").exists() else "memory.max"


def _run(script: str, arguments: Sequence[str]) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
