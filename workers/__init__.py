"""The deployment's entry: `python -m workers package.module:app`."""
