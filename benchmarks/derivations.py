"""Times of derivations: compared with the project's bounds and with rivals, and for deeper networks."""

from __future__ import annotations

from benchmarks import rivals
from benchmarks.programs import attention, tanh_network
from benchmarks.timing import (
    Measure,
    Row,
    Seconds,
    in_process,
    interleaved,
    machine,
    print_table,
    timed,
    whole_process,
)
from symgrad import derive

SHAPE = (2, 4, 3)
DEPTHS = (2, 4, 8, 16, 32)


def derive_loss(loss: str) -> dict[str, Seconds]:
    """Derive a loss, derive it with another reduction, and make its explicit gradient."""
    N, D, C = SHAPE
    return {
        f"{loss}: derive": timed(lambda: derive(loss)),
        f"{loss}: another reduction": timed(lambda: derive(loss, reduction="sum")),
        f"{loss}: derive, entries at {N}x{D}x{C}": timed(
            lambda: derive(loss, reduction="batch_mean").explicit(N=N, D=D, C=C).gradients
        ),
    }


def derive_attention() -> dict[str, Seconds]:
    """Derive an attention head with respect to its input and its three weights."""
    program = attention()
    return {"attention head: derive": timed(lambda: derive(program, ("X", "Wq", "Wk", "Wv")))}


def derive_network(layers: int, residual: bool) -> dict[str, Seconds]:
    """Derive a deep network with respect to all its weights, after a small one that warms up."""
    derive(tanh_network(1, residual=residual), ("W1",))
    program = tanh_network(layers, residual=residual)
    return {_network(layers, residual): timed(lambda: derive(program, [f"W{i}" for i in range(1, layers + 1)]))}


def _network(layers: int, residual: bool) -> str:
    return f"{layers} {'residual' if residual else 'tanh'} layers"


def main() -> None:
    """Measure and print."""
    print(machine())
    _losses()
    _depth()
    _commands()


def _losses() -> None:
    measures: list[Measure] = [in_process("benchmarks.derivations:derive_attention")]
    for loss in rivals.LOSSES:
        measures.append(in_process("benchmarks.derivations:derive_loss", loss))
        measures.append(in_process("benchmarks.rivals:brute_force", loss, SHAPE))
        if rivals.has_tensorgrad():
            measures.append(in_process("benchmarks.rivals:tensorgrad", loss))
    found = interleaved(measures)
    for loss in rivals.LOSSES:
        bounds = {f"{loss}: derive": 0.3, f"{loss}: another reduction": 0.15}
        rows = [Row(label, seconds, bounds.get(label)) for label, seconds in found.items() if label.startswith(loss)]
        print_table(f"{loss}, each in a fresh process after import", rows, found[f"{loss}: derive"])
    if not rivals.has_tensorgrad():
        print("  (tensorgrad is not installed: python -m pip install '.[bench]')")
    label = "attention head: derive"
    print_table("Attention head, in a fresh process after import", [Row(label, found[label], 1)], found[label])


def _depth() -> None:
    kinds = [(layers, residual) for residual in (False, True) for layers in DEPTHS]
    found = interleaved([in_process("benchmarks.derivations:derive_network", *kind) for kind in kinds], rounds=3)
    print(f"\nDeep networks: linear if a layer costs the same\n  {'':20} {'wall s':>9} {'CPU s':>9} {'a layer':>9}")
    for kind in kinds:
        wall, cpu = found[_network(*kind)]
        print(f"  {_network(*kind):20} {wall:9.3f} {cpu:9.3f} {wall / kind[0]:9.3f}")


def _commands() -> None:
    imports, shows, checks = 'python -c "import sympy"', "symgrad derive softmax_cross_entropy", "symgrad check"
    found = interleaved(
        [
            whole_process(imports, "-c", "import sympy"),
            whole_process("import symgrad", "-c", "import symgrad"),
            whole_process(shows, "-m", *shows.split()),
        ]
    )
    found |= interleaved([whole_process(checks, "-m", *checks.split())], rounds=1)
    bounds = {shows: (None, 3.0), checks: (20.0, None)}
    rows = [Row(label, seconds, *bounds.get(label, (None, None))) for label, seconds in found.items()]
    print_table("Whole processes", rows, found[imports])
