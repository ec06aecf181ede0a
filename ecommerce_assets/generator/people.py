"""Customers: pools of faker's values by country, and a row by customer number."""

import unicodedata
from bisect import bisect
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from random import Random

from ecommerce_assets.generator.catalogue import COUNTRIES, Country

POOL = 150
_WEIGHTS = list(accumulate(country.weight for country in COUNTRIES))
_SPREAD = 2654435761  # Knuth's multiplicative hash


@dataclass(frozen=True)
class Pool:
    """Values of one country, generated once, since faker is slow."""

    first_names: list[str]
    last_names: list[str]
    cities: list[str]
    streets: list[str]
    phones: list[str]


def pools(seed: int) -> dict[str, Pool]:
    """A pool per country, determined by the seed."""
    from faker import Faker

    pools = {}
    for number, country in enumerate(COUNTRIES):
        faker = Faker(country.locale)
        faker.seed_instance(seed + number)
        for provider in faker.get_providers():
            # Faker 40 takes Italy's cities from a set: their order is another in each process.
            if isinstance(getattr(provider, "cities", None), list):
                provider.cities = sorted(provider.cities)
        pools[country.code] = Pool(
            *[
                [str(value()) for _ in range(POOL)]
                for value in (
                    faker.first_name,
                    faker.last_name,
                    faker.city,
                    faker.street_name,
                    faker.phone_number,
                )
            ]
        )
    return pools


def country_of(customer: int, seed: int) -> Country:
    """Where a customer lives, as a function of the number, so that nothing has to be stored."""
    point = ((customer + seed) * _SPREAD % 2**32) * _WEIGHTS[-1] / 2**32
    return COUNTRIES[bisect(_WEIGHTS, point)]


def customer_id(customer: int) -> str:
    """The key of a customer's number."""
    return f"C{customer + 1:07d}"


def customer_row(
    customer: int, seed: int, pool: Pool, created: datetime, moves: int, updated: datetime
) -> list[str]:
    """The delivered row, in the order of COLUMNS; `moves` is the number of the address."""
    country = country_of(customer, seed)
    person = Random(seed * 1_000_003 + customer)
    first, last = person.choice(pool.first_names), person.choice(pool.last_names)
    phone = person.choice(pool.phones)
    name = f"{_ascii(first)}.{_ascii(last)}{customer + 1}"
    home = Random(f"{seed} {customer} {moves}") if moves else person
    city = home.choice(pool.cities)
    address = f"{home.choice(pool.streets)} {home.randint(1, 180)}"
    return [
        customer_id(customer), f"{name}@example.com", first, last, phone, country.code, city,
        address, timestamp(created), timestamp(updated),
    ]  # fmt: skip


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum()) or "customer"
