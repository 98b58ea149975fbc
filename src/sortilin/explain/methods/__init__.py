"""One file, one way to say what each residue speaks for."""
