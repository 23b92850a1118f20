"""What differs between two versions of a bundle, as one small file."""
