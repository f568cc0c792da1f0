"""How good a focus model is: metrics, baselines beside it, figures and a report."""
