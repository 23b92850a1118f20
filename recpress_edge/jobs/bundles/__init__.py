"""What is done with whole bundles, of any schema, after their export."""
