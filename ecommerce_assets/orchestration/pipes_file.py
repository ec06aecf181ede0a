"""Pipes messages through a file, for work in the step's own process or beside it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
from dagster_pipes import PipesDefaultMessageWriter, PipesParams


class WholeLines(dg.PipesMessageReader):
    """Reads a file with one message per line, on demand, in the step's thread.

    Only complete lines are read. Dagster's reader may read, and lose, a line that is still being
    written.
    """

    expected_writer_count = 1  # the public property warns that it is in preview

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        """Provide a temporary file for the job's messages."""
        self._handler, self._begun = handler, ""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "messages"
            path.touch()
            with path.open(encoding="utf-8") as self._lines:
                try:
                    yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(path)}
                finally:
                    self.read()

    def read(self) -> None:
        """Handle the messages written since the last call."""
        while text := self._lines.readline():
            self._begun += text
            if self._begun.endswith("\n"):
                line, self._begun = self._begun, ""
                self._handler.handle_message(json.loads(line))

    def no_messages_debug_text(self) -> str:
        """Shown when no messages arrived."""
        return "The job runs in this process; its messages go through a file in a temporary folder."
