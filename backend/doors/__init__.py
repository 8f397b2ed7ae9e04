"""Doors: the only modules that speak a transport. They translate and add no rules."""
