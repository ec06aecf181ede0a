"""Reading a shop file: every mistake is one line that names the file, the key and the remedy."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ecommerce_assets.errors import PipelineError, did_you_mean
from ecommerce_assets.landing.source import Dialect, Source
from ecommerce_assets.shop.model import NOT_SOLD, ShopFile, SourceFile, by_source

VARIABLE = "ECOMMERCE_SHOP"
DEFAULT = "default"
SHIPPED = "shops"
ENDING = ".toml"
RELEASED = "released.toml"  # the file of a release, beside this module on Glue


@dataclass(frozen=True)
class Shop:
    """A shop, as its file declares it.

    Attributes:
        file: the file's name, for people.
        text: what it says; shops of the same text are equal.
    """

    file: str
    text: str

    @cached_property
    def declared(self) -> ShopFile:
        """The file's content.

        Raises:
            PipelineError: the file is wrong; a line for each mistake.
        """
        try:
            return ShopFile.model_validate(content := tomllib.loads(self.text))
        except tomllib.TOMLDecodeError as error:
            hint = (
                "; a table from several sources is written [[tables.NAME]] each time"
                if "[[tables." in self.text and "verwrite" in str(error)
                else ""
            )
            raise PipelineError(f"{self.file}: not TOML: {error}{hint}") from None
        except ValidationError as error:
            raise PipelineError("\n".join(dict.fromkeys(self._mistakes(error, content)))) from None

    def mistake(self, key: str, text: str) -> PipelineError:
        """The error of a mistake at a key like `tables.orders.where`."""
        return PipelineError(f"{self.file}: {key}: {text}")

    def mistake_in(self, table: str, source: str, key: str, text: str) -> PipelineError:
        """The error of a mistake in what the file says about a table's rows of a source."""
        parts = self.declared.tables[table]
        of_source = _of_source(source) if len(parts) > 1 else ""
        return self.mistake(f"tables.{table}.{key}{of_source}", text)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources, in the order of the file."""
        return tuple(_source(name, found) for name, found in self.declared.sources.items())

    @property
    def currency(self) -> str:
        """The reporting currency, ISO 4217."""
        return self.declared.shop.currency

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies that orders may have, the reporting currency first."""
        return tuple(dict.fromkeys((self.currency, *self.declared.vocabulary.currencies)))

    @property
    def unconverted(self) -> str:
        """What an amount is in before it is converted, for people: EUR, or EUR or GBP."""
        return " or ".join(self.currencies)

    @property
    def zone(self) -> str:
        """The time zone of the business day."""
        return self.declared.shop.zone

    @property
    def zones(self) -> frozenset[str]:
        """The time zones of the business day and of the sources' times."""
        of_sources = (source.zone for source in self.declared.sources.values())
        return frozenset({self.zone, *filter(None, of_sources)})

    @property
    def not_sold(self) -> tuple[str, ...]:
        """The statuses of orders that are no sales."""
        statuses = self.declared.vocabulary.statuses.items()
        return tuple(sorted(status for status, role in statuses if role in NOT_SOLD))

    def _mistakes(self, error: ValidationError, content: dict[str, Any]) -> Iterator[str]:
        for found in error.errors():
            where = [part for part in found["loc"] if part != "__pydantic_extra__"]
            of_source = ""
            if where[:1] == ["tables"] and len(where) > 2:
                parts = by_source(content["tables"][where[1]])
                part = parts[int(where.pop(2))]
                if len(parts) > 1 and isinstance(part, dict):
                    of_source = _of_source(part.get("from"))
            path = [str(part) for part in where]
            message = found["msg"].removeprefix("Value error, ")
            if found["type"] == "extra_forbidden":
                known = _known_keys(path)
                message = f"there is no such key.{did_you_mean(path[-1], known)}"
            elif found["type"] == "missing":
                path = [part.removesuffix("_") for part in path]
                message = "is missing"
            elif found["type"] != "value_error":
                message = f"is {found['input']!r}; {message[0].lower()}{message[1:]}"
            key = f"{'.'.join(path)}{of_source}: " if path else ""
            yield f"{self.file}: {key}{message}"


def _of_source(source: object) -> str:
    return f" (from {source})"


def _known_keys(path: list[str]) -> list[str]:
    """The keys of the part of the file in which a key is unknown."""
    model: Any = ShopFile
    for name in path[:-1]:
        fields = getattr(model, "model_fields", None)
        if fields is None:
            break
        if name not in fields:  # the name of a source
            continue
        model = next(_models_in(fields[name].annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[Any]:
    """The models that an annotation names."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _source(name: str, found: SourceFile) -> Source:
    return Source(
        name,
        dict.fromkeys(found.required, True) | dict.fromkeys(found.optional, False),
        found.folder or name,
        found.files,
        Dialect(
            found.delimiter,
            found.quote,
            found.encoding,
            found.skip_lines,
            found.loose_header,
            found.escape,
            found.header,
        ),
        found.number_lines_within,
        found.fill_down.within if found.fill_down else (),
        found.fill_down.columns if found.fill_down else (),
    )


def read_shop(path: str | Path) -> Shop:
    """The shop of a file.

    Raises:
        PipelineError: there is no such file, or it can't be read.
    """
    try:
        return Shop(str(path), Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"{VARIABLE} is {str(path)!r}, which can't be read: {reason}") from None


def shipped_shops() -> dict[str, Shop]:
    """The shop files of the package, by name."""
    folder = files(__package__).joinpath(SHIPPED)
    named = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(ENDING): Shop(file.name, file.read_text("utf-8"))
        for file in named
        if file.name.endswith(ENDING)
    }


@lru_cache(1)
def _given(name: str) -> Shop:
    """The shop of a path, or the name of a shipped one; without either, see `current_shop`."""
    released = files(__package__).joinpath(RELEASED)
    if not name and released.is_file():
        return Shop(RELEASED, released.read_text("utf-8"))
    path = Path(name).expanduser()
    if not name or (path.parent == Path() and not path.suffix):
        shipped = shipped_shops()
        if (name or DEFAULT) in shipped:
            return shipped[name or DEFAULT]
        raise PipelineError(
            f"{VARIABLE} is {name!r}, which is no shipped shop, and no path of a file like "
            f"./{name}{ENDING}.{did_you_mean(name, shipped)}"
        )
    return read_shop(path.absolute())


_others: list[Shop] = []


def current_shop() -> Shop:
    """The shop of `ECOMMERCE_SHOP`; without it, that of the release, or the default shop.

    The file is read once a process.

    Raises:
        PipelineError: the file can't be read.
    """
    return _others[-1] if _others else _given(os.environ.get(VARIABLE, "").strip())


@contextmanager
def using(shop: Shop) -> Iterator[None]:
    """Work with another shop for a while, in all threads."""
    _others.append(shop)
    try:
        yield
    finally:
        _others.pop()
