"""Motifs: short patterns that stand in positives more often than in controls.

config.py        what decides which are found
motif.py         a motif, its sites and its counts
discovery.py     `discover`: STREME where it is installed, else the method of this package
_builtin.py      that method: words, matrices, a held-out test, masking, and again
_words.py        words with gaps that are more frequent among positives
_refinement.py   from a word to a matrix with a threshold
_corpus.py       sequences as one array, and scores of all windows
_enrichment.py   Fisher's exact test
shuffling.py     shuffled sequences, where there is no control
streme.py        running STREME and reading its result
meme.py          the MEME minimal motif format
logos.py         sequence logos
attention.py     attention and sites: a number with a permutation null
tables.py        motifs and sites as TSV and as JSON
folder.py        all of it as a folder of files
"""

from __future__ import annotations

from sortilin.motifs._enrichment import Counts
from sortilin.motifs.attention import Agreement, agreement
from sortilin.motifs.config import MotifConfig
from sortilin.motifs.discovery import Discovery, discover, search
from sortilin.motifs.logos import logo
from sortilin.motifs.meme import MemeMotif, read_meme, write_meme
from sortilin.motifs.motif import Motif, Site

__all__ = [
    "Agreement",
    "Counts",
    "Discovery",
    "MemeMotif",
    "Motif",
    "MotifConfig",
    "Site",
    "agreement",
    "discover",
    "logo",
    "read_meme",
    "search",
    "write_meme",
]
