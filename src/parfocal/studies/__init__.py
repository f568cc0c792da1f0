"""The experiments: each runs from one call and writes its figure and table into a folder."""
