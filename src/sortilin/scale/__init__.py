"""Runs in parts: over shards of an input, in one process, in array jobs or on a Ray cluster.

An input is planned into parts, each of which is done by itself and written as one Parquet file; what is
done stays done. The engines differ only in who does which part when.

    places.py       a file or folder on local disk or in object storage
    inputs.py       what a source consists of: its shards
    plan.py         shards → parts
    reading.py      a part → its records
    description.py  what a run is, and in what another is unlike it
    folder.py       the folder of a run: finished parts and the manifest
    jobs.py         what a worker is told, and what it makes of a part
    predicting.py   parts of predictions
    embedding.py    parts of vectors
    local.py        parts one after the other, for array jobs
    on_ray.py       parts on a Ray cluster, by Ray Data
    holding.py      who works in a folder
    running.py      one run, from its source to its manifest
    finished.py     a run all parts of which are done
    numbering.py    rows of parts as rows of a whole
    merging.py      finished parts → one file
    cutting.py      a large file → shards
"""
