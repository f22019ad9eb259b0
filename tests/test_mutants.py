"""The faults that `make mutants` plants."""

from scripts.mutants import ROOT, TESTS, Mutant, find_mutants, stages_of_tests

SOURCE = '''"""Add 1 < 2."""
from functools import partial

@partial(print, True)
def clip(values: list[int], *rest: int) -> int:
    """Return min 1."""
    return min(*values, 2) if values[0] < 2 and rest else 0
'''


def test_mutants_are_one_replaced_token_each() -> None:
    """A mutant differs from the source in one token."""
    source = (ROOT / "coin_pipeline/engine/metrics.py").read_text()
    for mutant in find_mutants(source, "metrics.py"):
        changed = mutant.apply(source)
        assert len(changed) == len(source) + len(mutant.new) - len(mutant.old)
        assert changed != source


def test_annotations_decorators_docstrings_and_unpackings_are_left_alone() -> None:
    """Only tokens that decide something at run time are replaced."""
    swaps = [(mutant.old, mutant.new, mutant.line) for mutant in find_mutants(SOURCE, "example.py")]
    assert swaps == [
        ("min", "max", 7),
        ("2", "(2 + 1)", 7),
        ("0", "(0 + 1)", 7),
        ("<", "<=", 7),
        ("2", "(2 + 1)", 7),
        ("and", "or", 7),
        ("0", "(0 + 1)", 7),
    ]


def test_tests_named_after_the_module_come_first() -> None:
    """Every test file runs once, the likeliest to notice first."""
    own, near, others = stages_of_tests("coin_pipeline/engine/stress.py")
    assert own == ["tests/engine/test_stress.py"]
    assert all(file.startswith("tests/engine/") for file in near)
    every = sorted(str(file.relative_to(ROOT)) for folder in TESTS for file in (ROOT / folder).glob("test_*.py"))
    assert sorted(own + near + others) == every


def test_a_mutant_replaces_its_own_line_only() -> None:
    """The rest of the source stays as it is."""
    assert Mutant("a.py", 2, 4, "<", "<=").apply("a\nb = <\n") == "a\nb = <=\n"
