"""Students that make a user's vector from a set of items with one hidden layer."""
