"""From raw interaction logs to seeded splits with digests."""
