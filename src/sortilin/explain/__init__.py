"""Why a prediction is as it is, by residue.

occlusion.py   what a model says when a stretch is hidden; for any model
signals.py     known signals that a sequence holds, by rule
"""
