"""Damaged files of all kinds: each gives a right result, or one sentence."""
