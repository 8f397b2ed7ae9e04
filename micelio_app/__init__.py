"""The face people see: pages over the backend's operations, drawn by Reflex."""
