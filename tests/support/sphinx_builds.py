"""Builds of documentation, each in a process of its own, forked from one that has imported what they all need."""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess

from sphinx.cmd.build import build_main

_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["sphinx.builders.html", "sphinx.cmd.build", "symgrad.sphinx_ext", "myst_parser"])


def sphinx_build(folder: Path, *arguments: str) -> CompletedProcess[str]:
    """What ``sphinx-build`` says and returns, run in a folder."""
    with tempfile.TemporaryDirectory() as streams:
        paths = [Path(streams, name) for name in ("out", "err")]
        process = _PROCESSES.Process(target=_build, args=(folder, paths, arguments))
        process.start()
        process.join()
        out, err = (path.read_text(encoding="utf-8") for path in paths)
    return CompletedProcess(arguments, int(process.exitcode or 0), out, err)


def _build(folder: Path, streams: list[Path], arguments: list[str]) -> None:
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ["NO_COLOR"] = "1"
    os.chdir(folder)
    sys.exit(build_main(arguments))
