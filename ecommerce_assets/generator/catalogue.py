"""What the shop sells and where: categories with price ranges, countries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """A country that the shop delivers to.

    Attributes:
        code: ISO 3166 two letters.
        locale: faker's locale for names, cities, streets and phones.
        weight: relative number of customers.
        tax_percent: value added tax, whole percent.
        currency: of its orders, where the shop has several.
    """

    code: str
    locale: str
    weight: int
    tax_percent: int
    currency: str = "EUR"


COUNTRIES = (
    Country("DE", "de_DE", 30, 19),
    Country("FR", "fr_FR", 18, 20),
    Country("IT", "it_IT", 13, 22),
    Country("ES", "es_ES", 11, 21),
    Country("NL", "nl_NL", 9, 21),
    Country("AT", "de_AT", 6, 20),
    Country("PL", "pl_PL", 6, 23, "PLN"),
    Country("PT", "pt_PT", 4, 23),
    Country("DK", "da_DK", 3, 25),
)


# By currency beside EUR: what a price of 1 EUR is there, and EUR for one unit on the first day.
PRICES = {"PLN": 4}
RATES = {"PLN": 0.2320}


@dataclass(frozen=True)
class Category:
    """A category: its subcategories and the range of list prices in whole EUR."""

    name: str
    subcategories: dict[str, tuple[str, ...]]
    cheapest: int
    dearest: int


CATEGORIES = (
    Category("electronics", {
        "phones": ("Smartphone", "Phone Case", "Charger"),
        "laptops": ("Laptop", "Laptop Stand", "Docking Station"),
        "audio": ("Headphones", "Loudspeaker", "Earbuds"),
        "cameras": ("Camera", "Tripod", "Zoom Lens"),
    }, 15, 900),
    Category("clothing", {
        "shirts": ("Shirt", "Polo Shirt", "Blouse"),
        "trousers": ("Jeans", "Chinos", "Shorts"),
        "shoes": ("Sneakers", "Boots", "Sandals"),
        "coats": ("Raincoat", "Parka", "Wool Coat"),
    }, 8, 250),
    Category("home_garden", {
        "kitchen": ("Frying Pan", "Knife Set", "Kettle"),
        "lighting": ("Desk Lamp", "Floor Lamp", "Lantern"),
        "furniture": ("Bookcase", "Armchair", "Side Table"),
        "tools": ("Cordless Drill", "Hammer", "Garden Shears"),
    }, 5, 500),
    Category("sports", {
        "cycling": ("Bicycle Helmet", "Bike Light", "Cycling Jersey"),
        "running": ("Running Shoes", "Running Vest", "Sports Watch"),
        "camping": ("Tent", "Sleeping Bag", "Camping Stove"),
        "fitness": ("Yoga Mat", "Dumbbell Set", "Skipping Rope"),
    }, 6, 500),
    Category("books", {
        "fiction": ("Crime Novel", "Short Stories", "Historical Novel"),
        "science": ("Physics Reader", "Star Atlas", "Field Guide"),
        "travel": ("City Guide", "Hiking Guide", "Road Atlas"),
        "cooking": ("Baking Book", "Cookbook", "Soup Book"),
    }, 4, 60),
    Category("toys", {
        "puzzles": ("Jigsaw Puzzle", "Wooden Puzzle", "Brain Teaser"),
        "models": ("Model Ship", "Model Railway", "Model Aircraft"),
        "games": ("Board Game", "Card Game", "Dice Game"),
        "dolls": ("Rag Doll", "Doll House", "Puppet"),
    }, 4, 120),
    Category("beauty", {
        "skin": ("Face Cream", "Hand Cream", "Sun Lotion"),
        "hair": ("Shampoo", "Hair Oil", "Hair Brush"),
        "perfume": ("Eau de Toilette", "Perfume", "Room Scent"),
        "bath": ("Bath Salts", "Shower Gel", "Soap Set"),
    }, 3, 110),
    Category("food", {
        "coffee": ("Espresso Beans", "Filter Coffee", "Cold Brew"),
        "tea": ("Green Tea", "Black Tea", "Herbal Tea"),
        "chocolate": ("Dark Chocolate", "Truffles", "Cocoa"),
        "spices": ("Curry Powder", "Sea Salt", "Pepper Mix"),
    }, 2, 45),
)  # fmt: skip
BRANDS = ("Alder", "Birke", "Cedra", "Dunmore", "Elmwood", "Fjord", "Garrigue", "Hazel", "Iris")
LINES = ("Classic", "Compact", "Deluxe", "Essential", "Heritage", "Light", "Modern", "Pro")
PAYMENT_METHODS = ("credit_card", "paypal", "debit_card", "bank_transfer", "cash_on_delivery")
PAYMENT_WEIGHTS = (38, 30, 17, 10, 5)
REASONS = ("does not fit", "damaged", "not as described", "changed mind", "too late")
REASON_WEIGHTS = (38, 12, 17, 28, 5)

COLUMNS = {
    "customers": (
        "customer_id", "email", "first_name", "last_name", "phone", "country", "city", "address",
        "created_at", "updated_at",
    ),
    "products": (
        "product_id", "sku", "name", "description", "category", "subcategory", "brand", "price",
        "cost", "stock_quantity", "is_active", "created_at", "updated_at",
    ),
    "orders": (
        "order_id", "customer_id", "order_date", "status", "payment_method", "subtotal",
        "tax_amount", "shipping_amount", "discount_amount", "total_amount", "currency",
        "shipping_country", "shipping_city", "updated_at",
    ),
    "order_items": (
        "order_item_id", "order_id", "product_id", "quantity", "unit_price", "discount_percent",
        "line_total", "updated_at",
    ),
    "returns": (
        "return_id", "order_id", "order_item_id", "product_id", "quantity", "amount",
        "returned_at", "reason", "updated_at",
    ),
    "exchange_rates": ("rate_date", "currency", "rate", "updated_at"),
}  # fmt: skip
