#!/usr/bin/env nextflow

// Predicts, or embeds, each sample in shards, and merges its parts. A sample is a file, or a folder of shards.
//
//   nextflow run main.nf --input 'data/*.fasta' --shards 16
//   nextflow run main.nf --input shards/ --shards 16 --command embed --ending h5

include { SORTILIN_PREDICT } from './modules/sortilin/predict/main'
include { SORTILIN_EMBED   } from './modules/sortilin/embed/main'
include { SORTILIN_MERGE   } from './modules/sortilin/merge/main'

// The name without the endings of a file, so that `a.1.fasta.gz` and `a.2.fasta.gz` keep apart.
def sampleName(name) {
    return name.replaceAll(/\.(gz|bz2|xz|zst)$/, '').replaceAll(/\.[^.]+$/, '')
}

workflow {
    main:
    if (!(params.command in ['predict', 'embed'])) {
        error("--command is '${params.command}'; choose predict or embed")
    }
    if (!params.input) {
        error("--input is missing: a FASTA file, a folder of shards, or a quoted glob, each match a sample of its own")
    }
    // A number of the command line arrives as text.
    def n_shards = "${params.shards}".toInteger()

    ch_shards = channel
        .fromPath(params.input, type: 'any', checkIfExists: true)
        .combine(channel.of(1..n_shards))
        .map { source, shard ->
            [[id: sampleName(source.name)], source.isDirectory() ? source.listFiles().sort() : source, shard, n_shards]
        }

    if (params.command == 'embed') {
        SORTILIN_EMBED(ch_shards, params.backbone_folder ? file(params.backbone_folder, checkIfExists: true) : [])
        ch_parts = SORTILIN_EMBED.out.parts
    }
    else {
        SORTILIN_PREDICT(ch_shards, params.model_folder ? file(params.model_folder, checkIfExists: true) : [])
        ch_parts = SORTILIN_PREDICT.out.parts
    }

    // The size lets a sample be merged as soon as its own shards are done.
    SORTILIN_MERGE(ch_parts.groupTuple(size: n_shards), params.ending)
}
