"""Accounts: people, how they sign in, and the tokens that act for them.

Accounts and organizations share one handle space, and every account owns a personal
organization of its handle. Secrets are stored as hashes only.
"""
