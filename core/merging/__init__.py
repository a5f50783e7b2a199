"""Averaging LoRAs, baking them into a base, and the formats they are kept in."""
