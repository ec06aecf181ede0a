"""Definitions of this package as normalized syntax trees.

The text of a definition leaves out comments, docstrings, annotations, error messages and texts for
people, and numbers local variables; whatever else is edited changes it.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

PACKAGE = __name__.partition(".")[0]
# Keyword arguments that are texts for people.
FOR_PEOPLE = ("description", "why")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Name:
    """A name used in a module, which defines or imports it."""

    module: str
    name: str


@dataclass(frozen=True)
class Definition:
    """A definition as text, and the names that it uses."""

    text: str
    names: frozenset[Name]


@dataclass
class Module:
    """A module: what it defines, and what it imports from this package."""

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
    def imports(self) -> dict[str, Name]:
        """Imports from this package, anywhere in the module."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                for alias in node.names:
                    found[alias.asname or alias.name] = Name(str(node.module), alias.name)
        return found

    def definition(self, name: str) -> Definition:
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
        return Definition("\n".join(texts), frozenset(text.names))


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

    def __init__(self, module: Module) -> None:
        self._module = module
        self.names: set[Name] = set()

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
            self.names.add(Name(self._module.name, name))
        return local.get(name, name)

    def _attribute(self, node: ast.Attribute, local: Mapping[str, str]) -> None:
        """The attribute `module.name`, if the module belongs to this package."""
        base = node.value
        if isinstance(base, ast.Name) and base.id not in local:
            imported = self._module.imports.get(base.id)
            if imported:
                self.names.add(Name(f"{imported.module}.{imported.name}", node.attr))

    def _annotation(self, annotation: ast.expr | None) -> None:
        """An annotation determines the class whose methods are called, so that class counts."""
        if isinstance(annotation, ast.Name):
            self.names.add(Name(self._module.name, annotation.id))
        elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            self._annotation(ast.parse(annotation.value, mode="eval").body)
        elif isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
            return  # Its strings are values, not classes.
        elif annotation is not None:
            for part in ast.iter_child_nodes(annotation):
                if isinstance(part, ast.expr):
                    self._annotation(part)


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
