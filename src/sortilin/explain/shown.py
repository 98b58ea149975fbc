"""What a picture is drawn from, by an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sortilin.explain.attribution import Attribution
from sortilin.explain.lines import Line
from sortilin.features._encoding import ALPHABET
from sortilin.interfaces import Explainer
from sortilin.report.explain import GIVEN, KNOWN, Mark, Shown, Track


def of(line: Line, attributions: Sequence[Attribution], made: Mapping[str, Explainer]) -> Shown:
    """The picture's values; methods whose values have a sign come first, since they colour the letters."""
    tracks = [
        Track(
            one.method,
            one.values,
            made[one.method].signed,
            "log-odds" if made[one.method].signed else "weight",
        )
        for one in attributions
    ]
    table = next((one.substitutions for one in attributions if one.substitutions is not None), None)
    marks = [Mark(s["name"], s["start"] - 1, s["end"], KNOWN) for s in line["signals"]]
    marks += [Mark(s["name"], s["start"] - 1, s["end"], GIVEN) for s in line["features"] or ()]
    return Shown(
        id=line["id"],
        sequence=line["sequence"],
        label=line["class"],
        probability=line["probability"],
        is_predicted=line["is_predicted"],
        tracks=sorted(tracks, key=lambda track: not track.is_signed),
        marks=marks,
        substitutions=table,
        alphabet=ALPHABET,
    )
