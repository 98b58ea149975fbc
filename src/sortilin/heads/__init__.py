"""One file, one way from residue vectors to logits: (B, L, D) and a mask (B, L) → (B, C)."""
