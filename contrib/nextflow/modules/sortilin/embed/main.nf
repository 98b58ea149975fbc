process SORTILIN_EMBED {
    tag "${meta.id} ${shard}/${n_shards}"
    label 'process_high'

    conda "${moduleDir}/environment.yml"

    input:
    tuple val(meta), path(sequences, stageAs: 'sequences/*'), val(shard), val(n_shards)
    path backbone

    output:
    tuple val(meta), path("*.parts", type: 'dir'), emit: parts
    tuple val("${task.process}"), val('sortilin'), eval("sortilin --version | sed 's/.* //'"), topic: versions, emit: versions_sortilin

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    def option = backbone ? "--backbone ${backbone}" : ''
    """
    sortilin embed \\
        sequences/ \\
        --shard ${shard}/${n_shards} \\
        --threads ${task.cpus} \\
        --quiet \\
        ${option} \\
        ${args} \\
        -o ${prefix}.${shard}-of-${n_shards}.parts
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir -p ${prefix}.${shard}-of-${n_shards}.parts/parts
    touch ${prefix}.${shard}-of-${n_shards}.parts/manifest.json
    """
}
