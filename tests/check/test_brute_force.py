"""Closed forms against the brute-force gradient of the fully expanded loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cases import sampled
from catalogue import derived_from
from classifier import LOSSES
from programs import ZOO
from sympy import Indexed, Integer, KroneckerDelta, Sum, sqrt

from symgrad.check import check_end_to_end
from symgrad.engine.derive import derive_record
from symgrad.equations import node
from symgrad.errors import InputError
from symgrad.notation import Array, Axis
from symgrad.program import Program
from symgrad.steps import Gradient, Record


@pytest.mark.parametrize("name", sampled(LOSSES, every=2))
def test_all_entries_are_exactly_those_of_the_brute_force_gradient(name: str) -> None:
    found = check_end_to_end(derived_from(LOSSES[name], ("W", "b")).record, (2, 4, 3))
    assert found.ok and found.entries == 15


@pytest.mark.parametrize("name", sampled(LOSSES, "softmax_mse"))
def test_wrong_closed_forms_are_named(name: str) -> None:
    record = derived_from(LOSSES[name], ("b",)).record
    gradient = record.gradients["b"]
    squared = gradient.index.replace(lambda e: isinstance(e, Indexed) and e.base.name in ("Y", "R"), lambda e: e**2)
    for wrong in (-gradient.index, 2 * gradient.index, squared):
        corrupted = replace(record, gradients={"b": replace(gradient, index=wrong)})
        assert check_end_to_end(corrupted, (2, 4, 3)).wrong == ("b[0]", "b[1]", "b[2]")


def test_too_few_sizes() -> None:
    with pytest.raises(InputError, match="N, D, C"):
        check_end_to_end(derived_from(LOSSES["softmax_mse"], ("b",)).record, (2, 4))


def test_sizes_may_be_given_by_name() -> None:
    record = derived_from(LOSSES["softmax_mse"], ("b",)).record
    named = check_end_to_end(record, {"C": 3, "N": 1, "D": 2})
    assert named.sizes == (("N", 1), ("D", 2), ("C", 3)) and named.entries == 3 and named.assumptions == ()
    assert named == check_end_to_end(record, (1, 2, 3))
    assert check_end_to_end(record).sizes == (("N", 2), ("D", 4), ("C", 3))


def test_assumptions_are_named_and_every_choice_of_labels_is_compared() -> None:
    sums = check_end_to_end(derived_from(LOSSES["softmax_cross_entropy"], ("b",)).record, (1, 1, 2))
    assert sums.ok and sums.assumptions == ("A1",) and sums.entries == 2
    build, _ = ZOO["labelled_logits"]
    hot = check_end_to_end(derive_record(build(), ("Z",)), {axis.name: 2 for axis in build().axes})
    assert hot.ok and hot.assumptions == ("A1a",)
    assert hot.entries == 4 * 3**2  # two rows of two entries, of which one at most is 1


def test_an_adjoint_of_a_node_is_compared_as_well() -> None:
    record = derived_from(LOSSES["softmax_mse"], ("Z", "P")).record
    assert check_end_to_end(record, (2, 1, 2)).entries == 8 and check_end_to_end(record, (2, 1, 2)).ok


def test_a_gradient_by_a_scalar_is_one_entry() -> None:
    C = Axis("C")
    x, scale, k = Array("x", (C,)), Array("s"), C.index("k")
    of = Program("scaled", (C,), (x, scale), (node(Array("L").base, Sum(scale.base**2 * x[k] ** 2, k)),), "L")
    record = derive_record(of, ("s",))
    assert check_end_to_end(record, (2,)).ok and check_end_to_end(record, (2,)).entries == 1
    doubled = replace(record.gradients["s"], index=2 * record.gradients["s"].index)
    assert check_end_to_end(replace(record, gradients={"s": doubled}), (2,)).wrong == ("s[]",)


def test_an_entry_that_the_loss_does_not_have_has_the_derivative_zero() -> None:
    C = Axis("C")
    A, i, j = Array("A", (C, C)), C.index("i"), C.index("j")
    trace = Program("trace", (C,), (A,), (node(Array("L").base, Sum(A[i, i], i)),), "L")
    right = Gradient(A, A[i, j], KroneckerDelta(i, j), None)
    record = Record(trace, ("A",), (), {"A": right}, {"A": right})
    assert check_end_to_end(record, (2,)).ok
    ones = replace(record, gradients={"A": replace(right, index=Integer(1))})
    assert check_end_to_end(ones, (2,)).wrong == ("A[0,1]", "A[1,0]")


def test_what_exact_arithmetic_cannot_tell_is_undecided() -> None:
    C = Axis("C")
    x, k = Array("x", (C,), positive=True), C.index("k")
    roots = Program("roots", (C,), (x,), (node(Array("L").base, Sum(sqrt(x[k]) * x[k], k)),), "L")
    record = derive_record(roots, ("x",))
    assert check_end_to_end(record, (2,)).ok
    gradient = record.gradients["x"]
    wrong = replace(record, gradients={"x": replace(gradient, index=2 * gradient.index)})
    found = check_end_to_end(wrong, (2,))
    assert found.undecided == ("x[0]", "x[1]") and not found.wrong and not found.ok
    beyond = replace(record, gradients={"x": replace(gradient, index=gradient.index ** sqrt(2))})
    assert [text[:6] for text in check_end_to_end(beyond, (2,)).undecided] == ["x[0]: ", "x[1]: "]
    assert not check_end_to_end(replace(record, gradients={}), (2,)).ok


def test_an_entry_is_named_by_all_of_its_places() -> None:
    record = derived_from(LOSSES["softmax_mse"], ("W",)).record
    gradient = record.gradients["W"]
    corrupted = replace(record, gradients={"W": replace(gradient, index=-gradient.index)})
    assert check_end_to_end(corrupted, (1, 1, 2)).wrong == ("W[0,0]", "W[0,1]")


def test_closed_forms_may_mention_adjoints_of_arrays_and_of_scalars() -> None:
    N = Axis("N")
    n, m = N.index("n"), N.index("m")
    V, Z, S, L, dS, dZ = Array("v", (N,)), Array("Z", (N,)), Array("S"), Array("L"), Array("dS"), Array("dZ", (N,))
    equations = (node(Z[n], 3 * V[n]), node(S.base, Sum(Z[n] ** 2, n)), node(L.base, S.base**2))
    of = Program("by adjoints", (N,), (V,), equations, "L")
    adjoints = {"S": Gradient(S, S.base, 2 * S.base, None), "Z": Gradient(Z, Z[m], 2 * Z[m] * dS.base, None)}
    record = Record(of, ("v",), (), {"v": Gradient(V, V[m], 3 * dZ[m], None)}, adjoints, {"S": dS, "Z": dZ})
    assert check_end_to_end(record, (2,)).ok
    wrong = replace(record, gradients={"v": Gradient(V, V[m], 2 * dZ[m], None)})
    assert check_end_to_end(wrong, (2,)).wrong == ("v[0]", "v[1]")
