process SORTILIN_MERGE {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"

    input:
    tuple val(meta), path(parts)
    val ending

    output:
    tuple val(meta), path("${prefix}.${ending}"), emit: merged
    tuple val(meta), path("${prefix}.${ending}.meta.json"), emit: description, optional: true
    tuple val(meta), path("${prefix}.${ending}.skipped.tsv"), emit: skipped, optional: true
    tuple val("${task.process}"), val('sortilin'), eval("sortilin --version | sed 's/.* //'"), topic: versions, emit: versions_sortilin

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    sortilin merge \\
        ${parts} \\
        ${args} \\
        -o ${prefix}.${ending}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.${ending} ${prefix}.${ending}.meta.json
    """
}
