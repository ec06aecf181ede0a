"""Replacing code by pattern on the syntax tree, so that formatting and names of variables don't matter.

In a pattern, a name like `_a` stands for any expression, the same one wherever it occurs, and `*_rest` for any further
arguments of a call. A pattern is an expression or a statement.
"""

import ast
import re
from copy import deepcopy
from typing import Any

VARIABLE = re.compile(r"_[a-z]|_rest")
Found = dict[str, Any]


class NotOnce(Exception):
    """The pattern occurs not at all, or more than once."""


def replaced(source: str, old: str, new: str, function: str = "") -> str:
    """The source with the one occurrence of the pattern `old` replaced by `new`.

    Args:
        function: limits the search to the function or method of this name.

    Raises:
        NotOnce: the pattern does not occur exactly once.
    """
    tree = ast.parse(source)
    pattern, replacement = _parsed(old), _parsed(new)
    if isinstance(pattern[0], ast.expr) and len(replacement) == 1:
        replacer: _Replacer = _Expressions(pattern[0], replacement[0], function)
    else:
        replacer = _Statements(_as_statement(pattern[0]), replacement, function)
    replacer.visit(tree)
    if replacer.count != 1:
        raise NotOnce(f"{old!r} occurs {replacer.count} times")
    return ast.unparse(ast.fix_missing_locations(tree))


def _parsed(text: str) -> list[ast.stmt | ast.expr]:
    body = ast.parse(text).body
    return [node.value if isinstance(node, ast.Expr) else node for node in body]


def _as_statement(node: ast.stmt | ast.expr) -> ast.stmt:
    return node if isinstance(node, ast.stmt) else ast.Expr(node)


class _Replacer(ast.NodeTransformer):
    def __init__(self, function: str) -> None:
        self.count = 0
        self._function = function
        self._inside = not function

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        before, self._inside = self._inside, self._inside or node.name == self._function
        result = self.generic_visit(node)
        self._inside = before
        return result


class _Expressions(_Replacer):
    def __init__(self, pattern: ast.expr, new: Any, function: str) -> None:
        super().__init__(function)
        self._pattern, self._new = pattern, new

    def visit(self, node: ast.AST) -> Any:
        found: Found = {}
        if self._inside and isinstance(node, ast.expr) and _matches(self._pattern, node, found):
            self.count += 1
            return _filled(self._new, found)
        return super().visit(node)


class _Statements(_Replacer):
    def __init__(self, pattern: ast.stmt, new: list[Any], function: str) -> None:
        super().__init__(function)
        self._pattern, self._new = pattern, new

    def visit(self, node: ast.AST) -> Any:
        found: Found = {}
        if self._inside and isinstance(node, ast.stmt) and _matches(self._pattern, node, found):
            self.count += 1
            return [_as_statement(_filled(part, found)) for part in self._new]
        return super().visit(node)


def _matches(pattern: Any, node: Any, found: Found) -> bool:
    if isinstance(pattern, ast.Name) and VARIABLE.fullmatch(pattern.id):
        known = found.setdefault(pattern.id, node)
        return _same(known, node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.AST):
        return all(
            _matches(getattr(pattern, name, None), getattr(node, name, None), found)
            for name in pattern._fields
            if name not in ("ctx", "kind", "type_comment")
        )
    if isinstance(pattern, list):
        if pattern and isinstance(pattern[-1], ast.Starred) and _is_rest(pattern[-1]):
            *fixed, _ = pattern
            found["_rest"] = node[len(fixed) :]
            return len(node) >= len(fixed) and _matches(fixed, node[: len(fixed)], found)
        return len(pattern) == len(node) and all(
            _matches(a, b, found) for a, b in zip(pattern, node, strict=True)
        )
    return bool(pattern == node)


def _is_rest(node: ast.Starred) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "_rest"


def _same(a: ast.AST, b: ast.AST) -> bool:
    if isinstance(a, ast.Name) and isinstance(b, ast.Name):
        return a.id == b.id
    return ast.dump(a) == ast.dump(b)


class _Fill(ast.NodeTransformer):
    def __init__(self, found: Found) -> None:
        self._found = found

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if node.args and isinstance(node.args[-1], ast.Starred) and _is_rest(node.args[-1]):
            node.args[-1:] = deepcopy(self._found["_rest"])
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return deepcopy(self._found.get(node.id, node))


def _filled(node: Any, found: Found) -> Any:
    return _Fill(found).visit(deepcopy(node))
