"""Organizations: who owns projects together, and in which role."""
