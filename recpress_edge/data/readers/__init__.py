"""Readers: a log in any of its forms to rows."""
