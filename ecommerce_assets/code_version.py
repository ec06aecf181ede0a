"""The code version: a hash of all definitions that a value depends on, derived from the code.

Starting from the functions and values that decide a table's rows, all definitions of this package
that they name are followed, across modules. A definition counts as its syntax tree without
comments, docstrings, annotations, error messages and the names of local variables; its module does
not count. A query counts as its text, not with the engine that runs it. In doubt, the version
changes: that costs one recomputation, whereas a missed change would leave wrong rows.
"""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from functools import partial
from importlib.util import find_spec
from types import FunctionType, MethodType
from typing import Any

from ecommerce_assets.derived import derived
from ecommerce_assets.syntax_trees import PACKAGE, Definition, Module, Name

ENGINE = f"{PACKAGE}.engine"  # is not followed: all engines give the same rows


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


Derive = Callable[[str, object, Callable[[], str]], str]


def _anew(what: str, given: object, derive: Callable[[], str]) -> str:
    return derive()


class CodeVersions:
    """Code versions of values.

    Args:
        read: source text by module name.
        derived: keeps what was derived from the package's code, if that is what is read.
    """

    def __init__(self, read: Callable[[str], str] = source_of, derived: Derive = _anew) -> None:
        self._read = read
        self._derived = derived
        self._modules: dict[str, Module] = {}
        self._definitions: dict[Name, Definition] = {}

    def of(self, *values: object) -> str:
        """The version of these values: functions, methods, dataclasses, plain data.

        Raises:
            TypeError: the code behind a value can't be determined.
        """
        texts: list[str] = []
        names: list[Name] = []
        for value in values:
            texts.extend(self._described(value, names))
        return self._derived("code version", (texts, names), lambda: self._digest(texts, names))

    def _digest(self, texts: Iterable[str], names: Iterable[Name]) -> str:
        digest = hashlib.sha256("\n".join(texts).encode())
        for text in sorted({definition.text for definition in self._reached(names)}):
            digest.update(text.encode())
        return digest.hexdigest()[:12]

    def _described(self, value: object, names: list[Name]) -> "Iterator[str]":
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
        elif isinstance(value, Name):
            yield value.name
            names.append(value)
        elif isinstance(value, FunctionType):
            yield from self._function(value, names)
        elif isinstance(value, type):
            yield value.__qualname__
            names.append(Name(value.__module__, value.__qualname__.split(".")[0]))
        elif hasattr(value, "version_parts"):
            # Its parts say all: the code that applies them gives the same rows in any engine.
            yield type(value).__qualname__
            yield from self._described(value.version_parts(), names)
        elif is_dataclass(value):
            parts = {part.name: getattr(value, part.name) for part in fields(value)}
            yield from self._described((type(value), parts), names)
        else:
            raise TypeError(f"the code behind {value!r} can't be determined")

    def _function(self, function: FunctionType, names: list[Name]) -> Iterator[str]:
        yield function.__qualname__
        if function.__module__.split(".")[0] != PACKAGE:
            return
        outer, _, inner = function.__qualname__.partition(".")
        if outer == "<lambda>":
            outer = f"<lambda> {function.__code__.co_firstlineno}"
        names.append(Name(function.__module__, outer))
        if inner:
            for cell in function.__closure__ or ():
                yield from self._described(cell.cell_contents, names)

    def _reached(self, names: Iterable[Name]) -> Iterator[Definition]:
        """The definitions of these names and, recursively, of all names used in them."""
        seen: set[Name] = set()
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

    def _resolved(self, name: Name) -> Name | None:
        """Where a name is defined, across imports; None if outside this package."""
        if name.module.split(".")[0] != PACKAGE or name.module.startswith(ENGINE):
            return None
        owner, _, last = name.module.rpartition(".")
        if owner and last in self._module(owner).nodes:
            return None  # An attribute of a definition, which is followed by its own name.
        module = self._module(name.module)
        if name.name in module.nodes or name.name.startswith("<lambda>"):
            return name
        imported = module.imports.get(name.name)
        return self._resolved(imported) if imported else None

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            self._modules[name] = Module(name, ast.parse(self._read(name)))
        return self._modules[name]


_versions = CodeVersions(derived=derived.get)


def code_version(*values: object) -> str:
    """The code version of these values, from the package's source files.

    Raises:
        TypeError: the code behind a value can't be determined.
    """
    return _versions.of(*values)
