"""Features: columns of users, items and interactions, and the titles of items."""
