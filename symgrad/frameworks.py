from symgrad.exhibits import Fact
from symgrad.program import Program


def conventions(program: Program) -> tuple[Fact, ...]:
    return (
        Fact("Mean", "the sum over rows and classes, divided by N"),
        Fact("PyTorch", "", "torch.nn.functional.cross_entropy(Z, Y)"),
    )
