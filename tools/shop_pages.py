"""Writes the shipped shop files into the pages that describe them, where GitHub shows them, too.

A page names the file in a comment above a block: `<!-- ecommerce_assets/shop/shops/erp.toml -->`.
"""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- (ecommerce_assets/\S+\.toml) -->\n+```toml\n).*?(?=^```$)", re.M | re.S)


def pages() -> dict[Path, str]:
    """Every page that shows a file, as it should be."""

    def filled(block: re.Match[str]) -> str:
        return block[1] + (REPOSITORY / block[2]).read_text("utf-8")

    found = {}
    for page in (REPOSITORY / "docs").rglob("*.md"):
        text = page.read_text("utf-8")
        if BLOCK.search(text):
            found[page] = BLOCK.sub(filled, text)
    return found


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, "utf-8")
