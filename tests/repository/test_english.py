"""The English of code (CONTRIBUTING.md): openings name their actor, and variables what they hold."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.repository.test_docs import files

ROOT = Path(__file__).parents[2]
_FOLDERS = ("app", "benchmarks", "cli", "clients", "ingest", "reference", "tests", "worker")
_PRODUCT = ("app", "cli", "clients/python/src", "ingest", "worker")
_PROPERTIES = {"property", "cached_property"}
_NOUN = re.compile(r"(The|A|An|All|Those|This|That|These|One|Two|How|Every|Each|So|When|Where|Why|Its|Which|Whom)\b")
_SECTION = re.compile(r"^ *[A-Z][a-z]+:\n +(.+)", re.MULTILINE)
_HEADLESS = re.compile(r"(Who|Whom|Whoever|What|Whatever|Whether|How|Why|Where|So many|So long)\b")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, and of each of its sections, such as `Returns:`."""
    for line, text in _whole_docstrings(source):
        yield line, text
        for section in _SECTION.finditer(text):
            yield line + text[: section.start(1)].count("\n"), section[1]


def _whole_docstrings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Module(body=[ast.Expr(value=ast.Constant(value=str(text), lineno=line)), *_])
                | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str(text), lineno=line)), *_])
                | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text), lineno=line)), *_])
                | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text), lineno=line)), *_])
            ):
                yield line, text.strip()


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each comment. The lines of a block are one comment, named by its first line."""
    last_of_block = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        alone = token.line.lstrip().startswith("#")
        if not (alone and line == last_of_block + 1):
            yield line, token.string.lstrip("#: ")
        if alone:
            last_of_block = line


def headless(source: str) -> list[str]:
    """Return the docstrings and comments that open with such a word, each as `line: its first line`."""
    openings = sorted([*docstrings(source), *comments(source)])
    return [f"{line}: {text.splitlines()[0]}" for line, text in openings if _HEADLESS.match(text)]


def verbless(source: str) -> list[str]:
    """Return the docstrings of functions that open with no verb, each as `line: its first line`; not of properties."""
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    told = [
        (function.body[0].lineno, (ast.get_docstring(function) or " ").splitlines()[0])
        for function in functions
        if not _PROPERTIES.intersection(map(ast.unparse, function.decorator_list))
    ]
    return [f"{line}: {text}" for line, text in sorted(told) if _NOUN.match(text)]


def nameless(source: str) -> list[str]:
    """Return the names `each` that a loop or an assignment binds, as `line: each`."""
    bound = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name | ast.arg)]
    names = [(node.lineno, node.arg if isinstance(node, ast.arg) else node.id) for node in bound]
    return [f"{line}: each" for line, name in sorted(names) if name == "each"]


def found_by(look: Callable[[str], list[str]], folders: tuple[str, ...] = _FOLDERS) -> list[str]:
    sources = [file for folder in folders for file in files(folder, "*.py")]
    assert len(sources) > 100
    return [f"{file.relative_to(ROOT)}:{line}" for file in sources for line in look(file.read_text("utf-8"))]


def test_no_docstring_and_no_comment_hides_its_actor() -> None:
    found = found_by(headless)
    assert not found, "\n".join(["open these with a verb or a noun, and name the actor:", *found])


def test_docstrings_of_the_product_s_functions_open_with_a_verb() -> None:
    found = found_by(verbless, _PRODUCT)
    assert not found, "\n".join(["open these with Return, Claim, Store, … or True if:", *found])


def test_no_variable_is_called_each() -> None:
    found = found_by(nameless)
    assert not found, "\n".join(["name the thing that these hold:", *found])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""What a module holds."""', ["1: What a module holds."]),
        ('class A:\n    """\n    Who calls.\n    """', ["2: Who calls."]),
        ('def f():\n    r"""Whether it holds."""', ["2: Whether it holds."]),
        ('async def f():\n    """Whoever waits.\n\n    More.\n    """', ["2: Whoever waits."]),
        ("x = 1  # Whatever comes\n# What follows\n", ["1: Whatever comes", "2: What follows"]),
        ("# A block may break its line before\n# What, which opens nothing there.\n", []),
        ('def f():\n    """Return what it holds."""\n    return "What it holds"', []),
        ("# So many warnings are kept.\n\nx = 1  # Somehow\n", ["1: So many warnings are kept."]),
        ("# Whole numbers, and nothing else.\n", []),
        (
            'def f():\n    """Find it.\n\n    Returns:\n        Whether it is there.\n    """',
            ["5: Whether it is there."],
        ),
    ],
)
def test_a_headless_opening_is_told_from_others(source: str, found: list[str]) -> None:
    assert headless(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("for each in jobs:\n    end(each)", ["1: each", "2: each"]),
        ("ids = [each.id for each in jobs]", ["1: each", "1: each"]),
        ("key = lambda each: each", ["1: each", "1: each"]),
        ('for job in jobs:  # end each\n    """Of each."""', []),
    ],
)
def test_a_nameless_variable_is_told_from_the_word(source: str, found: list[str]) -> None:
    assert nameless(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('def f():\n    """The jobs that wait."""', ["2: The jobs that wait."]),
        ('class A:\n    def f(self):\n        """How many jobs wait.\n\n        More."""', ["3: How many jobs wait."]),
        ('def f():\n    """Return the jobs that wait."""', []),
        ('class A:\n    """A job."""\n    @property\n    def f(self):\n        """The jobs that wait."""', []),
    ],
)
def test_a_docstring_without_a_verb_is_told_from_others(source: str, found: list[str]) -> None:
    assert verbless(source) == found
