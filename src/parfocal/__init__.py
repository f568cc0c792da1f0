"""parfocal."""
