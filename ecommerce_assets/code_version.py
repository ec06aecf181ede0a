"""The code version: a hash of all definitions that a value depends on, derived from the code.

Starting from the functions and values that decide a table's rows, all definitions of this package
that they name are followed, across modules. A definition counts as its syntax tree without
comments, docstrings, annotations, error messages and the names of local variables; its module does
not count. In doubt, the version changes: that costs one recomputation, whereas a missed change
would leave wrong rows.
"""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from functools import cached_property, partial
from importlib.util import find_spec
from types import FunctionType, MethodType
from typing import Any

PACKAGE = __name__.partition(".")[0]
# Keyword arguments that are texts for people.
FOR_PEOPLE = ("description", "why")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_of(module: str) -> str:
    """Source text of a module of this package.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    loaded = sys.modules.get(module)
    spec = loaded.__spec__ if loaded else find_spec(module)
    # On Glue, the package is a zip file.
    loader: Any = spec and spec.loader
    source: str | None = loader and loader.get_source(module)
    if source is None:
        raise ModuleNotFoundError(module)
    return source


class CodeVersions:
    """Code versions of values.

    Args:
        read: source text by module name.
    """

    def __init__(self, read: Callable[[str], str] = source_of) -> None:
        self._read = read
        self._modules: dict[str, _Module] = {}
        self._definitions: dict[_Name, _Definition] = {}

    def of(self, *values: object) -> str:
        """The version of these values: functions, methods, dataclasses, plain data.

        Raises:
            TypeError: the code behind a value can't be determined.
        """
        texts: list[str] = []
        names: list[_Name] = []
        for value in values:
            texts.extend(self._described(value, names))
        digest = hashlib.sha256("\n".join(texts).encode())
        for text in sorted({definition.text for definition in self._reached(names)}):
            digest.update(text.encode())
        return digest.hexdigest()[:12]

    def _described(self, value: object, names: "list[_Name]") -> "Iterator[str]":
        """A value as text; adds the definitions that it depends on to `names`."""
        if value is None or isinstance(value, bool | int | float | str | bytes | date):
            yield repr(value)
        elif isinstance(value, Mapping):
            for key, member in value.items():
                yield repr(key)
                yield from self._described(member, names)
        elif isinstance(value, list | tuple):
            for member in value:
                yield from self._described(member, names)
        elif isinstance(value, set | frozenset):
            yield from self._described(sorted(value), names)
        elif isinstance(value, partial):
            yield from self._described((value.func, value.args, value.keywords), names)
        elif isinstance(value, MethodType):
            yield from self._described((value.__func__, value.__self__), names)
        elif isinstance(value, FunctionType):
            yield from self._function(value, names)
        elif isinstance(value, type):
            yield value.__qualname__
            names.append(_Name(value.__module__, value.__qualname__.split(".")[0]))
        elif hasattr(value, "version_parts"):
            yield from self._described((type(value), value.version_parts()), names)
        elif is_dataclass(value):
            parts = {part.name: getattr(value, part.name) for part in fields(value)}
            yield from self._described((type(value), parts), names)
        elif hasattr(value, "simpleString"):  # a type of Spark's
            yield value.simpleString()
        else:
            raise TypeError(f"the code behind {value!r} can't be determined")

    def _function(self, function: FunctionType, names: "list[_Name]") -> Iterator[str]:
        yield function.__qualname__
        if function.__module__.split(".")[0] != PACKAGE:
            return
        outer, _, inner = function.__qualname__.partition(".")
        if outer == "<lambda>":
            outer = f"<lambda> {function.__code__.co_firstlineno}"
        names.append(_Name(function.__module__, outer))
        if inner:
            for cell in function.__closure__ or ():
                yield from self._described(cell.cell_contents, names)

    def _reached(self, names: "Iterable[_Name]") -> "Iterator[_Definition]":
        """The definitions of these names and, recursively, of all names used in them."""
        seen: set[_Name] = set()
        waiting = list(names)
        while waiting:
            name = self._resolved(waiting.pop())
            if name is None or name in seen:
                continue
            seen.add(name)
            if name not in self._definitions:
                self._definitions[name] = self._module(name.module).definition(name.name)
            definition = self._definitions[name]
            yield definition
            waiting.extend(definition.names)

    def _resolved(self, name: "_Name") -> "_Name | None":
        """Where a name is defined, across imports; None if outside this package."""
        if name.module.split(".")[0] != PACKAGE:
            return None
        module = self._module(name.module)
        if name.name in module.nodes or name.name.startswith("<lambda>"):
            return name
        imported = module.imports.get(name.name)
        return self._resolved(imported) if imported else None

    def _module(self, name: str) -> "_Module":
        if name not in self._modules:
            self._modules[name] = _Module(name, ast.parse(self._read(name)))
        return self._modules[name]


@dataclass(frozen=True)
class _Name:
    """A name used in a module, which defines or imports it."""

    module: str
    name: str


@dataclass(frozen=True)
class _Definition:
    """A definition as text, and the names that it uses."""

    text: str
    names: frozenset[_Name]


@dataclass
class _Module:
    name: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> dict[str, list[ast.stmt]]:
        """Module-level statements by the name they define."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in _statements(self.tree.body):
            for name in _defined(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> dict[str, _Name]:
        """Imports from this package, anywhere in the module."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                for alias in node.names:
                    found[alias.asname or alias.name] = _Name(str(node.module), alias.name)
        return found

    def definition(self, name: str) -> _Definition:
        """The definition of a name; for `<lambda> LINE`, the lambdas of that line."""
        if name.startswith("<lambda>"):
            line = int(name.split()[1])
            nodes: list[ast.AST] = [
                node
                for node in ast.walk(self.tree)
                if isinstance(node, ast.Lambda) and node.lineno == line
            ]
        else:
            nodes = list(self.nodes[name])
        text = _Text(self)
        texts = [text.of(node, {}) for node in nodes]
        return _Definition("\n".join(texts), frozenset(text.names))


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, including those within `if` and `try`."""
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            inner = [*statement.body, *statement.orelse]
            for handler in getattr(statement, "handlers", ()):
                inner += handler.body
            yield from _statements(inner)
        else:
            yield statement


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    yield node.id


class _Text:
    """Writes a syntax tree as normalized text, and collects the names it uses."""

    def __init__(self, module: _Module) -> None:
        self._module = module
        self.names: set[_Name] = set()

    def of(self, node: Any, local: Mapping[str, str]) -> str:
        """The text of a node.

        Args:
            local: normalized names of the local variables and parameters in scope.
        """
        if isinstance(node, list):
            return "[" + ",".join(self.of(member, local) for member in node) + "]"
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name):
            return self._name(node.id, local)
        if isinstance(node, ast.Attribute):
            self._attribute(node, local)
        elif isinstance(node, ast.Raise):
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            return f"Raise({ast.dump(raised) if raised else ''})"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            return ""
        elif isinstance(node, ast.Assert):
            return f"Assert({self.of(node.test, local)})"
        elif isinstance(node, ast.keyword) and node.arg in FOR_PEOPLE:
            return ""
        elif isinstance(node, _SCOPES):
            local = {**local, **_locals(node)}
        members = [
            f"{name}={self._member(node, name, value, local)}"
            for name, value in ast.iter_fields(node)
            if name not in ("ctx", "type_comment", "kind")
        ]
        return f"{type(node).__name__}({','.join(members)})"

    def _member(self, node: ast.AST, name: str, value: Any, local: Mapping[str, str]) -> str:
        if name in ("annotation", "returns"):
            self._annotation(value)
            return ""
        if name == "body" and isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            value = value[1:]
        if name == "name" and isinstance(value, str):  # a function or an exception
            return local.get(value, value)
        return self.of(value, local)

    def _name(self, name: str, local: Mapping[str, str]) -> str:
        if name not in local:
            self.names.add(_Name(self._module.name, name))
        return local.get(name, name)

    def _attribute(self, node: ast.Attribute, local: Mapping[str, str]) -> None:
        """The attribute `module.name`, if the module belongs to this package."""
        base = node.value
        if isinstance(base, ast.Name) and base.id not in local:
            imported = self._module.imports.get(base.id)
            if imported:
                self.names.add(_Name(f"{imported.module}.{imported.name}", node.attr))

    def _annotation(self, annotation: ast.expr | None) -> None:
        """An annotation determines the class whose methods are called, so that class counts."""
        for node in ast.walk(annotation) if annotation else ():
            if isinstance(node, ast.Name):
                self.names.add(_Name(self._module.name, node.id))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._annotation(ast.parse(node.value, mode="eval").body)


def _locals(scope: ast.AST) -> dict[str, str]:
    """Parameters keep their names; local variables are numbered."""
    assert isinstance(scope, _SCOPES)
    arguments = scope.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parameters += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    found = {parameter.arg: parameter.arg for parameter in parameters}
    body = scope.body if isinstance(scope.body, list) else [scope.body]
    nodes = list(_own_nodes(body))
    elsewhere = {
        name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    }
    for node in nodes:
        for name in _bound(node):
            if name not in elsewhere:
                found.setdefault(name, f"${len(found)}")
    return found


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a scope, without nested scopes."""
    waiting = list(body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, (*_SCOPES, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds in its scope, except imports."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ExceptHandler) and node.name:
        yield node.name


_versions = CodeVersions()


def code_version(*values: object) -> str:
    """The code version of these values, from the package's source files.

    Raises:
        TypeError: the code behind a value can't be determined.
    """
    return _versions.of(*values)
