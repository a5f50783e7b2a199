"""Photographs that look alike: hashes, nearest hashes, groups."""
