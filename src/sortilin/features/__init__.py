"""Descriptor sets: one file, one fixed-length numeric description of a sequence."""
