"""``recpress-edge tune``: from a log and a budget to the bundle to ship."""
