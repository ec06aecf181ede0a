"""The charting library, bundled for the page."""

from importlib.metadata import version
from uuid import uuid4

from ecommerce_assets.package_files import cache_folder

BUNDLED = "window.vegaEmbed = vegaEmbed;"


def library() -> str:
    """The library's JavaScript, which sets `window.vegaEmbed`.

    Bundling takes a second, so the result is cached; the version of the bundler names its file.
    """
    file = cache_folder() / f"charts-{version('vl-convert-python')}.js"
    if file.is_file():
        return file.read_text("utf-8")
    import vl_convert

    text: str = vl_convert.javascript_bundle(BUNDLED)
    beside = file.with_name(f".{uuid4().hex}")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)  # Bundled again next time.
    return text
