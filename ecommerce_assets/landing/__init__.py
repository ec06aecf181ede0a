"""Landing: where deliveries arrive, which files they are, and what their records say."""
