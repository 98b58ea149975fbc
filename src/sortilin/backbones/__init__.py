"""One file, one way from residues to residue vectors."""
