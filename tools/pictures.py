"""`make pictures`: the README's pictures, taken of a real Dagster and a real browser.

    python -m tools.pictures [FOLDER]

A month of the generator's deliveries goes through `dagster dev` as one backfill. Then the pages that
the README shows are opened and saved to the folder.
"""

import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner
from playwright.sync_api import Page

from ecommerce_assets.cli.main import ecommerce
from ecommerce_assets_tests.chromium import started
from ecommerce_assets_tests.dagster_dev import BACKFILL, Server
from ecommerce_assets_tests.shop import Shop

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
DAYS = 30  # up to yesterday
SIZE = {"width": 1680, "height": 900}
QUALITY = 60  # of a JPEG: letters are sharp enough, a picture has some 80 kB
SETTLE_MILLISECONDS = 12_000  # Dagster's pages fetch, lay out, animate
REVENUE = "assets/gold/daily_revenue"


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        shop = Shop(Path(name))
        last = datetime.now(UTC).date() - timedelta(days=1)
        days = [str(last - timedelta(days=n)) for n in reversed(range(DAYS))]
        os.environ["ECOMMERCE_START_DATE"] = days[0]
        words = ["--records", "10000", "--days", str(DAYS), "--end-date", days[-1], "--defects", "0.02", "--late", "0.02",
                 "--duplicates", "0.02"]  # fmt: skip
        CliRunner().invoke(
            ecommerce, ["generate", "--output", str(shop.landing), *words], catch_exceptions=False
        )
        server = Server(shop, Path(name) / "place")
        try:
            server.wait_until_loaded()
            nodes = server.ask("{ assetNodes { assetKey { path } isMaterializable } }")
            keys = [n["assetKey"] for n in nodes["assetNodes"] if n["isMaterializable"]]
            server.ask(BACKFILL, params={"assetSelection": keys, "partitionNames": days})
            server.wait_for_runs(1)
            pages = {
                "lineage": f"{REVENUE}?view=lineage&lineageScope=upstream&lineageDepth=3",
                "asset": "assets/silver/orders",
            }
            with started() as browser:
                context = browser.new_context(viewport=SIZE, locale="en-GB", timezone_id="UTC")
                page = context.new_page()
                page.goto(server.url)
                page.wait_for_timeout(SETTLE_MILLISECONDS)
                newsletter = page.get_by_role("button", name="Skip")
                if newsletter.is_visible():  # only ever asked once on a machine
                    newsletter.click()
                for picture, address in pages.items():
                    page.goto(f"{server.url}/{address}")
                    _save(page, folder / f"{picture}.jpg", SETTLE_MILLISECONDS)
                for picture, part in (("dashboard", "#sales"), ("quality", "#quality")):
                    page.goto("about:blank")
                    page.goto(shop.dashboard.as_uri() + part)
                    _save(page, folder / f"{picture}.jpg", 1_000)
        finally:
            server.stop()


def _save(page: Page, file: Path, settle_milliseconds: int) -> None:
    page.wait_for_timeout(settle_milliseconds)
    page.screenshot(path=file, type="jpeg", quality=QUALITY)
    print(f"{file} {file.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
