"""How good predictions are, how sure that is, and whether their probabilities can be trusted."""
