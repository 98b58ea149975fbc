"""The public data behind the published results: where it stands, and how it is told to be whole.

Nothing of the data is part of sortilin. Each file is named by its source address at a pinned commit
and by its SHA-256, so that everyone trains and tests on the same bytes.
"""

from __future__ import annotations

from sortilin.datasets.dataset import Dataset, RemoteFile
from sortilin.errors import UnknownNameError

NO_LICENSE = "no licence stated in the source repository; for research use, cite the paper"

_ACTIVITY = {"0": "not_anticancer", "1": "anticancer"}

_GITHUB = "https://github.com"
_RAW = "https://raw.githubusercontent.com"
_PSL_REPOSITORY = "Melodiepo/protein-subcellular-localization-prediction"
_PSL_COMMIT = "e9f13994e64a36b14acb143c97327337e80192a7"
_ACP_REPOSITORY = "birdsmart/ACP-ESM2"
_ACP_COMMIT = "ca270f100bbd8f6b1d2339792536ecd68c2a5061"
_ACP_ML_REPOSITORY = "stonebian/ACP-ML"
_ACP_ML_COMMIT = "0c79308101e8ecdd18c52e9b62f878ecac7eda4c"
_ACP_HARD_REPOSITORY = "dzjxzyd/UniDL4BioPep"
_ACP_HARD_COMMIT = "d595145e27fd48386328710a93bb296378ed2717"

_LI = (
    "Li M., Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization: A Comparative "
    "Study of LSTMs and Protein Language Models, University College London"
)
_GAO = (
    "Gao S. et al. (2025), ACP-ESM2: Enhancing Anticancer Peptide Prediction With Pre-Trained Protein "
    "Language Models, doi:10.1109/TCBBIO.2025.3547952"
)
_BIAN = (
    "Bian J. et al. (2024), ACP-ML: A sequence-based method for anticancer peptide prediction, "
    "Computers in Biology and Medicine 170:108063"
)
_AGRAWAL = (
    "Agrawal P. et al. (2021), AntiCP 2.0: an updated model for predicting anticancer peptides, Briefings in "
    "Bioinformatics 22(3), doi:10.1093/bib/bbaa153"
)


def _psl(stem: str, n: int, label: str | None, sha256: str) -> RemoteFile:
    url = f"{_RAW}/{_PSL_REPOSITORY}/{_PSL_COMMIT}/data/{stem}.fasta"
    return RemoteFile(f"psl/{stem}.fasta", url, sha256, n, {label: n} if label else {}, label)


def _acp(stem: str, n_not: int, n_anticancer: int, sha256: str) -> RemoteFile:
    url = f"{_RAW}/{_ACP_REPOSITORY}/{_ACP_COMMIT}/data/{stem}.fasta"
    counts = {"not_anticancer": n_not, "anticancer": n_anticancer}
    return RemoteFile(f"acp/{stem}.fasta", url, sha256, n_not + n_anticancer, counts, split=stem.lower())


def _acp_ml(stem: str, split: str, n: int, label: str, sha256: str) -> RemoteFile:
    url = f"{_RAW}/{_ACP_ML_REPOSITORY}/{_ACP_ML_COMMIT}/{stem}.fasta"
    return RemoteFile(f"acp_ml/{stem}.fasta", url, sha256, n, {label: n}, split=split)


_PSL_FILES = (
    _psl("cyto", 2463, "cytosol", "4a51d9c30a585b5afbef0a5218fb5628c2f9c2d2ccc5dc09c909edd7cfd8379a"),
    _psl("secreted", 1236, "secreted", "06d7e36c91fc83cf2ab536136b8add4560b818b4f18d73177f6c1c9453bd377e"),
    _psl("mito", 1023, "mitochondrion", "931f0ecf3aa973aff11aa3287bd3a1b0c9e5735f32c18d0a446a7109e932ab3a"),
    _psl("nucleus", 2736, "nucleus", "531c091c83693f921e12288a000e134afa5806fa66e28789f8fb54c7c40926cd"),
)
_PSL_BLIND_FILES = (
    _psl("blind", 20, None, "9f5261bd4b86652ca3a287d23070ccd1727bbb5c6a5355010c3188123c9bcd25"),
)
_ACP_FILES = (
    _acp("Train", 1479, 487, "fb8fab2c0bb7b6e3eb418d324e8a0ade1a9b7b9ee1b8f3fb3d75d64d3af1ce62"),
    _acp("Test1", 360, 135, "a53465fb3a2652649d1dc0f4e8335b186fa805d0e874c105e1de36cfd892e381"),
    _acp("Test2", 157, 99, "f5330851d5dab9d2b99929e4fcf11d5ee7f8703f234dc8f239b59e53876141e7"),
)
_NOT, _ANTI = _ACTIVITY["0"], _ACTIVITY["1"]
_ACP_ML_FILES = (
    _acp_ml(
        "Train_N", "train", 1479, _NOT, "c8583ea18cf66d5beadf7629195401b8f0406426b8bd3e304c82efb0769f6518"
    ),
    _acp_ml(
        "Train_P", "train", 487, _ANTI, "1c28530d5ed79ddb2e29c84e49372256fda57bb7ff33d76dafc9971f6e49f865"
    ),
    _acp_ml(
        "Test_1_N", "test1", 360, _NOT, "1b752e663def1947279c7850f6a0d13134bb07aaced54b90c15f739cbbbff9bb"
    ),
    _acp_ml(
        "Test_1_P", "test1", 135, _ANTI, "a7e7d2b3841266f82781a84d7117c8915c007a3b9f964bd1bf972b361c24704c"
    ),
    _acp_ml(
        "Test_2_N", "test2", 194, _NOT, "8b54e3af61601b1dab1741bfcb1df1ad021b8b19c4890b4b46a763fe31f138d6"
    ),
    _acp_ml(
        "Test_2_P", "test2", 194, _ANTI, "b2dc7193315ad2d096d2936e372fcdaa1a500eb0c0987116e4261b77d2e79ebb"
    ),
)
_ACP_HARD_FILES = (
    RemoteFile(
        "acp_hard/anticp2_main_train.csv",
        f"{_RAW}/{_ACP_HARD_REPOSITORY}/{_ACP_HARD_COMMIT}/"
        "8.%20ACP%20Anticancer%20activity-main/main_ACP_train.xlsx",
        "7c8bdbbf7128590114148e5f83270fb47d8ebfd8b99f06b84fda668a3a981f21",
        1378,
        {"antimicrobial": 689, "anticancer": 689},
    ),
)

CATALOG: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="psl",
            title="Subcellular localization of 7,458 eukaryotic proteins, four classes",
            description=(
                "Proteins of UniProt, one location each, already reduced to little similarity (7,343 "
                "clusters at 30 % identity). Lengths 11 to 13,100; 59 records hold U, X or B."
            ),
            source=f"{_GITHUB}/{_PSL_REPOSITORY}",
            license=NO_LICENSE,
            citation=_LI,
            layout="fasta",
            files=_PSL_FILES,
        ),
        Dataset(
            name="psl-blind",
            title="20 proteins without a label, predicted in the paper on psl",
            description="Sequences SEQ01 to SEQ20. Their true locations are not published.",
            source=f"{_GITHUB}/{_PSL_REPOSITORY}",
            license=NO_LICENSE,
            citation=_LI,
            layout="fasta",
            files=_PSL_BLIND_FILES,
        ),
        Dataset(
            name="acp",
            title="Anticancer activity of 2,717 peptides: train, test1 and test2",
            description=(
                "Lengths 5 to 255. 175 peptides of test2 stand in train, letter for letter, so report test2 "
                "also without them; one stands in test2 twice, with either label. Most negatives resemble "
                "no active peptide. Three positives (two of train, one of test2) are spelled in A, C, G "
                "and T alone and look like DNA taken for a peptide."
            ),
            source=f"{_GITHUB}/{_ACP_REPOSITORY}",
            license=NO_LICENSE,
            citation=f"{_GAO}; data after {_BIAN}",
            layout="lines",
            files=_ACP_FILES,
            labels=_ACTIVITY,
        ),
        Dataset(
            name="acp-ml",
            title="The anticancer peptides that acp was made from, with their names",
            description="As acp, but test2 is whole: 388 peptides, half of them anticancer.",
            source=f"{_GITHUB}/{_ACP_ML_REPOSITORY}",
            license=NO_LICENSE,
            citation=_BIAN,
            layout="fasta-pipe",
            files=_ACP_ML_FILES,
            labels=_ACTIVITY,
        ),
        Dataset(
            name="acp-hard",
            title="1,378 peptides: anticancer, or antimicrobial without known anticancer activity",
            description=(
                "The main training set of AntiCP 2.0, 689 of each class. Its negatives look like active "
                "peptides, as those of acp do not. 281 of its positives stand in acp too, some in its test "
                "sets. One peptide is negative here and positive in acp."
            ),
            source=f"{_GITHUB}/{_ACP_HARD_REPOSITORY}",
            license=NO_LICENSE,
            citation=_AGRAWAL,
            layout="table",
            files=_ACP_HARD_FILES,
            labels={"0": "antimicrobial", "1": "anticancer"},
        ),
    )
}
"""Name → dataset."""


def names() -> tuple[str, ...]:
    """Names of all datasets, in the order of lists."""
    return tuple(CATALOG)


def get(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        UnknownNameError: There is none; the message offers the nearest name.
    """
    if name not in CATALOG:
        raise UnknownNameError("dataset", name, CATALOG)
    return CATALOG[name]
