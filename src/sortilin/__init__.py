"""sortilin: what a protein or peptide is for, from its sequence alone."""

__version__ = "0.1.0"
