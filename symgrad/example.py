from symgrad.exhibits import Example
from symgrad.steps import Record


def worked_example(record: Record) -> Example | None:
    import numpy as np

    from symgrad.exhibits import Quantity

    a = record.program.arrays
    if "W" not in a or "C" not in record.program.axis:
        return None
    return Example(
        {"N": 1},
        "One row with label 2 of 0..2; b is chosen so that the probabilities are round.",
        (Quantity(a["W"], np.zeros((2, 3))), Quantity(a["b"], np.log([0.2, 0.3, 0.5]))),
        (),
        0.693,
        (Quantity(a["b"], np.array([0.2, 0.3, -0.5])),),
    )
