"""The instance as a whole: first start, health, doctor."""
