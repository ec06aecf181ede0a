"""Landing: where deliveries arrive, their files and their records."""
