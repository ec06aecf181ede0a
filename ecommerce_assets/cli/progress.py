"""Signs of life on a terminal; elsewhere, only the lines that stay."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecommerce_assets.jobs.reporting import show_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner while something takes seconds, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextmanager
def table_by_table(tables: int) -> Iterator[None]:
    """A line for each table as it ends; on a terminal, a bar of how many have."""
    if not sys.stderr.isatty():
        show_progress()
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(
        *columns, MofNCompleteColumn(), Elapsed(), console=Console(stderr=True), transient=True
    ) as bar:
        show_progress(_Lines(bar, bar.add_task("tables", total=tables)))
        try:
            yield
        finally:
            show_progress()


class _Lines(logging.Handler):
    """Prints lines above a bar, and moves it."""

    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        super().__init__()
        self._bar, self._task = bar, task

    def emit(self, record: logging.LogRecord) -> None:
        self._bar.console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)
        self._bar.advance(self._task)
