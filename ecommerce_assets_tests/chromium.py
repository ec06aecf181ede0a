"""A real Chromium without a window, in which a page is opened from disk."""

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ecommerce_assets_tests.optional import missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# It may run as root, and asks nobody for anything.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


def chromium() -> str:
    """The path of the machine's Chromium; without one the test is skipped, in CI it fails."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    told = "no Chromium on this machine: `apt-get install chromium`, or install Chrome"
    missing(told)


@contextmanager
def started() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Opened:
    """A page from disk, and what went wrong in it: errors, requests, dialogs."""

    def __init__(
        self, browser: Browser, file: Path, *, width: int = 1280, dark: bool = False
    ) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, locale="en-GB",
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda said: self.wrong.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._requested)
        self._address = file.as_uri()
        self.go()

    def go(self, view: str = "") -> None:
        """Open the page as a link or a bookmark does, and wait until it is drawn."""
        self.page.goto("about:blank")
        self.page.goto(self._address + view)
        self.page.locator("body[data-drawn]").wait_for()

    def _requested(self, request) -> None:
        if not request.url.startswith((self._address, "about:", "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")

    def close(self) -> None:
        self.page.context.close()
        assert self.wrong == []

    def tiles(self, place: str = "tiles") -> dict[str, str]:
        """What the tiles show, by name."""
        return {
            tile.locator("dt").inner_text(): tile.locator(".figure").inner_text()
            for tile in self.page.locator(f"#{place} > div").all()
        }

    def rows(self, place: str) -> list[list[str]]:
        """The cells of a table, shown or folded away."""
        return self.page.locator(f"#{place} tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )

    def choose(self, first: str, last: str) -> None:
        """A period, as a person types it into the two fields."""
        self.page.locator("#from").fill(first)
        self.page.locator("#to").fill(last)
        self.page.locator("#from").fill(first)
        self.page.locator("#from").blur()

    def csv(self, place: str) -> tuple[str, list[dict[str, str]]]:
        """Name and rows of a chart's CSV, as it is saved."""
        with self.page.expect_download() as saving:
            self.page.locator(f"[data-csv={place}] button").click()
        text = Path(saving.value.path()).read_text("utf-8-sig")
        return saving.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))
