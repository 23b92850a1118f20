"""Who made a bundle: keys, signatures, and what a caller asks of a bundle before it is opened (ADR 0035)."""
