"""What the single numbers say that a classifier on features is given, such as the dimensions of an embedding.

settings.py      what is asked, and what comes back
gradients.py     integrated gradients and saliency, of networks
permutation.py   what shuffling a dimension costs, of any classifier on features
summary.py       means, ranks, similarities
planes.py        t-SNE and UMAP, with numbers beside them
analysis.py      all of it, as plain values
writing.py       tables and pictures
run.py           for a model folder: tables, figures, a section of a report
"""

from sortilin.explain.dimensions.analysis import Model, Rows, analysed
from sortilin.explain.dimensions.run import explain_dimensions, why_not
from sortilin.explain.dimensions.settings import DimensionSettings, Explained

__all__ = ["DimensionSettings", "Explained", "Model", "Rows", "analysed", "explain_dimensions", "why_not"]
