"""Each primitive shows the IR before and after in its docstring; here the examples are run."""

import doctest
import inspect

import pytest

from mlc.passes.schedule.primitives import PRIMITIVES


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_example_in_docstring(name):
    function = inspect.unwrap(PRIMITIVES[name])
    finder = doctest.DocTestFinder()
    (example,) = finder.find(function, name, module=False, globs=function.__globals__)
    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
