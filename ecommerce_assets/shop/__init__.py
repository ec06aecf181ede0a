"""The shop file: what is particular to a shop, declared in one file instead of in code."""

from ecommerce_assets.shop.read import Shop, current_shop, read_shop, shipped_shops, using

__all__ = ["Shop", "current_shop", "read_shop", "shipped_shops", "using"]
