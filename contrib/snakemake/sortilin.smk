"""Rules that run `sortilin predict` and `sortilin embed` in shards, and merge their parts.

    results/SAMPLE/predict.ENDING    one table of all sequences, in their order
    results/SAMPLE/embed.ENDING      one file of all vectors
    results/SAMPLE/COMMAND.parts/    the folder that all shards of a command write to
    results/SAMPLE/COMMAND.shards/   a marker a shard that is done

The folder of parts is no output of a rule: Snakemake deletes the outputs of a rule that failed, and with them
the parts that a shard had finished. So the markers are the outputs. A shard that runs again goes on with what
is missing.

The configuration is that of config.yaml beside this file.
"""

from glob import glob
from pathlib import Path

RESULTS = config.get("results", "results")
SEQUENCES = config["sequences"]
N_SHARDS = int(config.get("shards", 8))
PREDICT = config.get("predict", {})
EMBED = config.get("embed", {})


def files_of(wildcards):
    """The file of a sample, or those of its folder or glob, so that a change of any is seen."""
    source = SEQUENCES[wildcards.sample]
    if Path(source).is_dir():
        return sorted(str(path) for path in Path(source).rglob("*") if path.is_file())
    return sorted(glob(source)) or source


def markers(command):
    """The markers of all shards of a command."""
    return expand(
        f"{RESULTS}/{{{{sample}}}}/{command}.shards/{{shard}}-of-{N_SHARDS}.done",
        shard=range(1, N_SHARDS + 1),
    )


wildcard_constraints:
    sample="[^/]+",
    shard=r"\d+",


rule sortilin_predict:
    input:
        files_of,
    output:
        touch(f"{RESULTS}/{{sample}}/predict.shards/{{shard}}-of-{N_SHARDS}.done"),
    params:
        source=lambda wildcards: SEQUENCES[wildcards.sample],
        parts=f"{RESULTS}/{{sample}}/predict.parts",
        model=PREDICT.get("model", "localization"),
        options=PREDICT.get("options", ""),
        n=N_SHARDS,
    log:
        f"{RESULTS}/{{sample}}/logs/predict-{{shard}}-of-{N_SHARDS}.log",
    threads: int(PREDICT.get("threads", 2))
    resources:
        mem_mb=int(PREDICT.get("mem_mb", 2000)),
        runtime=int(PREDICT.get("runtime", 240)),
    conda:
        "envs/sortilin.yaml"
    shell:
        "sortilin predict {params.source:q} --shard {wildcards.shard}/{params.n} --model {params.model:q} "
        "--threads {threads} --quiet {params.options} -o {params.parts:q} > {log:q} 2>&1"


rule sortilin_embed:
    input:
        files_of,
    output:
        touch(f"{RESULTS}/{{sample}}/embed.shards/{{shard}}-of-{N_SHARDS}.done"),
    params:
        source=lambda wildcards: SEQUENCES[wildcards.sample],
        parts=f"{RESULTS}/{{sample}}/embed.parts",
        backbone=EMBED.get("backbone", "esm2_t6"),
        options=EMBED.get("options", ""),
        n=N_SHARDS,
    log:
        f"{RESULTS}/{{sample}}/logs/embed-{{shard}}-of-{N_SHARDS}.log",
    threads: int(EMBED.get("threads", 4))
    resources:
        mem_mb=int(EMBED.get("mem_mb", 8000)),
        runtime=int(EMBED.get("runtime", 480)),
    conda:
        "envs/sortilin.yaml"
    shell:
        "sortilin embed {params.source:q} --shard {wildcards.shard}/{params.n} --backbone {params.backbone:q} "
        "--threads {threads} --quiet {params.options} -o {params.parts:q} > {log:q} 2>&1"


rule sortilin_merge_predict:
    input:
        markers("predict"),
    output:
        table=f"{RESULTS}/{{sample}}/predict.{{ending}}",
        meta=f"{RESULTS}/{{sample}}/predict.{{ending}}.meta.json",
    wildcard_constraints:
        ending="tsv|jsonl|parquet|html",
    params:
        parts=f"{RESULTS}/{{sample}}/predict.parts",
    log:
        f"{RESULTS}/{{sample}}/logs/merge-predict-{{ending}}.log",
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "envs/sortilin.yaml"
    shell:
        "sortilin merge {params.parts:q} -o {output.table:q} > {log:q} 2>&1"


rule sortilin_merge_embed:
    input:
        markers("embed"),
    output:
        vectors=f"{RESULTS}/{{sample}}/embed.{{ending}}",
    wildcard_constraints:
        ending="h5|npz|parquet",
    params:
        parts=f"{RESULTS}/{{sample}}/embed.parts",
    log:
        f"{RESULTS}/{{sample}}/logs/merge-embed-{{ending}}.log",
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "envs/sortilin.yaml"
    shell:
        "sortilin merge {params.parts:q} -o {output.vectors:q} > {log:q} 2>&1"
