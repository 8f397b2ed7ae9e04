"""Invitations: how somebody comes to belong to an organization, or to work on a project."""
