"""Networks only: no training, no files."""
