"""Why a prediction is as it is, by residue and by dimension of its features.

methods/            one file, one method (kind "explainer")
attribution.py      what each residue says for a class: what every method gives
opened.py           a model opened for explanation; its gradients where it has any
differentiable.py   residue embedding → logits
faithfulness.py     whether attributions are true
occlusion.py        what a model says when a stretch is hidden; for any model
signals.py          known signals that a sequence holds, by rule
annotations.py      features of sequences, from GFF3 and UniProt files
stretches.py        the stretches that speak most for a class
dimensions/         the dimensions of features, over all sequences
attention_maps.py   attention by class, over all sequences
run.py              a file of sequences explained into a folder, batch by batch
settings.py, parts.py, lines.py, checks.py, sections.py, shown.py, folder.py   what such a run consists of
"""
