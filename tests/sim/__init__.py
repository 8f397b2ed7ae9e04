"""The whole of version control in one thread, from one seed: `python -m tests.sim SEED` tells a schedule."""
