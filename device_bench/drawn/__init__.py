"""What measuring click bundles and bundles of two stages shares: both are asked with drawn requests."""
