"""Sequences known by their names, as data sets and hospitals give them; and those of one patient."""

from __future__ import annotations

import pytest

from napari_tumor_unet.scan.sequence_names import find_sequences, patient_in, sequence_named, stem_of
from tests.conftest import is_one_sentence

FLAIR = (
    "BraTS20_001_flair",
    "BraTS-GLI-00001-000-t2f",
    "Ax T2 FLAIR",
    "UCSF-PDGM-0004_FLAIR_bias",
    "TCGA-02-0003_1997.06.08_flair",
    "T2 tirm dark fluid",
    "t2_tirm_tra_dark-fluid",
    "t2_spc_ir_ns_sag_p2_iso (dark-fluid)",
    "t2_spc_da-fl_sag_p2_iso",
    "Sag CUBE T2 FLAIR",
    "3D FLAIR",
    "3DFLAIR",
    "FLAIR",
    "FLAIR post Gd",
    "AX FLAIR +C",
    "sub-01_ses-t1_FLAIR",
    "sub-01_FLAIR",
    "FLAIR_to_T1",
    "sub-01_space-T1w_desc-preproc_FLAIR",
    "sub-01_ses-1_space-MNI152NLin2009cAsym_res-2_desc-preproc_FLAIR",
    "P01_T1_T2_FLAIR",
    "flair_subtrMeanDivStd",
    "eFLAIR_longTR",
    "FLAIR longue TR",
    "T2 FLAIR sans",
    "pre-op FLAIR",
    "ax t2 flair fs",
    "flair",
)

PRE = (
    "BraTS20_001_t1",
    "BraTS-GLI-00001-000-t1n",
    "SAG T1 SE",
    "T1",
    "t1w",
    "T1 pre contrast",
    "T1 without contrast",
    "T1 weighted non-contrast",
    "T1 coronal",
    "t1_mprage_sag_p2_iso",
    "UCSF-PDGM-0004_T1_bias",
    "sub-01_T1w",
    "sub-01_acq-flair_T1w",
    "sub-01_space-FLAIR_desc-preproc_T1w",
    "T1 nativ",
    "T1 SE tra nativ",
    "T1 ohne KM",
    "T1 vor KM",
    "T1 sans gado",
    "T1 SANS INJECTION",
    "AX T1 SS GADO",
    "T1 avant injection",
    "T1 sin contraste",
    "T1 S/C",
    "T1 senza mdc",
    "T1 sem contraste",
    "AX T1 FLAIR",
    "SAG T1 FLAIR",
    "t1_tirm_tra_dark-fluid",
    "T1 PRE GD",
    "T1 unenhanced",
    "AXT1",
    "3DT1",
    "T1 C-",
    "MPRAGE",
    "Ax BRAVO",
    "T1 post-op",
    "T1 pre-op",
    "T1_to_FLAIR",
    "pre",
    "T1 WO",
    "ax t1 se posterior fossa",
    "T1 preprocessed",
    "T1_postproc",
    "sub-01_ses-T2_T1w",
    "T1 non contrast",
)

POST = (
    "BraTS20_001_t1ce",
    "BraTS-GLI-00001-000-t1c",
    "TCGA-02-0003_1997.06.08_t1Gd",
    "UCSF-PDGM-0004_T1c",
    "AX T1 POST GD",
    "AX T1 POST",
    "t1_mprage_sag_p2_iso KM",
    "t1_mprage_sag_p2_iso_KM",
    "T1 +C",
    "T1+C",
    "T1 C+",
    "3D_T1_TFE_Gd",
    "T1 mit KM",
    "T1 nach KM",
    "T1 n. KM",
    "T1 post KM",
    "T1 K.M.",
    "T1 avec gado",
    "T1 GADO",
    "T1 INJ",
    "T1 APRES INJECTION",
    "T1 après injection",
    "T1 con contraste",
    "T1 con gadolinio",
    "T1 CIV",
    "T1 con mdc",
    "pos contraste T1",
    "T1wCE",
    "T1w_Gd",
    "ce-T1w",
    "sub-01_ce-gadolinium_T1w",
    "sub-01_acq-mprage_ce-GADOLINIUM_space-FLAIR_T1w",
    "CE T1",
    "CET1",
    "AXT1GD",
    "T1GD",
    "Ax BRAVO +C",
    "MPRAGE KM",
    "T1 FLAIR +C",
    "AX T1 FLAIR POST",
    "T1c_subtrMeanDivStd",
    "T1 post",
    "T1w + contrast",
    "T1 post-op Gd",
    "T1 pre-op Gd",
    "T1-contrast",
    "T1 FS POST",
    "t1_gd",
    "T1ce",
    "T1 enhanced",
    "post",
    "T1 Gadovist",
    "T1 KM axial",
    "T1 IV",
    "t1_fl2d_tra_KM",
    "post contrast",
    "T1 with contrast",
    "T1 FS +C",
    "AX T1 SE C+",
)

NEITHER = (
    "BraTS20_001_t2",
    "sub-01_acq-flair_T2w",
    "BraTS-GLI-00001-000-t2w",
    "T2",
    "T2w",
    "T2*",
    "T2 star",
    "T2_FFE",
    "DWI",
    "ep2d_diff_b1000",
    "ADC",
    "ADC post",
    "SWI",
    "swi_minip",
    "UCSF-PDGM-0004_ASL",
    "DTI_eddy_FA",
    "CT",
    "CT contrast",
    "PET",
    "T2 preprocessed",
    "T2 post Gd",
    "PD",
    "localizer",
    "pat1",
    "cat12",
    "patient1_scan",
    "T1rho",
    "T1 map",
    "T1map",
    "DCE T1",
    "T1 perfusion",
    "AX T2 GRE",
    "t2_tse_tra",
    "T1_T2_T2",
    "MRA TOF post",
    "P10",
    "T10",
    "a",
    "b",
    "inner",
    "sample_brain",
    "brainmask",
    "OTMultiClass",
    "GlistrBoost",
    "T1 subtraction",
    "STIR",
    "T12 spine",
)


@pytest.mark.parametrize("text", FLAIR)
def test_flair_is_known(text: str) -> None:
    assert sequence_named(text) == "flair"


@pytest.mark.parametrize("text", PRE)
def test_t1_before_contrast_is_known(text: str) -> None:
    assert sequence_named(text) == "pre"


@pytest.mark.parametrize("text", POST)
def test_t1_after_contrast_is_known(text: str) -> None:
    assert sequence_named(text) == "post"


@pytest.mark.parametrize("text", ["", *NEITHER])
def test_all_else_is_none_of_the_three(text: str) -> None:
    assert sequence_named(text) is None


@pytest.mark.parametrize("text", [*FLAIR, *PRE, *POST, *NEITHER])
def test_neither_case_nor_separators_matter(text: str) -> None:
    assert sequence_named(text.upper()) == sequence_named(text)
    assert sequence_named(text.replace(" ", "_")) == sequence_named(text)


@pytest.mark.parametrize(
    ("names", "flair", "pre", "post"),
    [
        (
            "BraTS20_001_flair BraTS20_001_t1 BraTS20_001_t1ce BraTS20_001_t2",
            "BraTS20_001_flair",
            "BraTS20_001_t1",
            "BraTS20_001_t1ce",
        ),
        ("P-t1c P-t1n P-t2f P-t2w", "P-t2f", "P-t1n", "P-t1c"),
        ("Flair_norm OT T1c_norm mask", "Flair_norm", None, "T1c_norm"),
        ("x_flair", "x_flair", None, None),
        ("flair t1 t1_reg", "flair", "t1", None),
        ("Ax_T2_FLAIR SAG_T1_SE AX_T1_SE AX_T1_POST_GD", "Ax_T2_FLAIR", "AX_T1_SE", "AX_T1_POST_GD"),
    ],
)
def test_the_sequences_of_a_patient_are_told_apart(
    names: str, flair: str, pre: str | None, post: str | None
) -> None:
    found = find_sequences(names.split())
    wanted = {"flair": flair, "pre": pre, "post": post}
    assert found.names == {sequence: name for sequence, name in wanted.items() if name}
    assert found.unclear == ""


def test_without_flair_nothing_is_found() -> None:
    assert find_sequences(["x_t1", "x_t2"]).names == {}


def test_two_flairs_are_said_and_not_guessed() -> None:
    found = find_sequences(["x FLAIR", "x FLAIR repeated", "x T1"])
    assert found.names == {}
    assert found.unclear == "FLAIR may be x FLAIR or x FLAIR repeated; say which it is."


def test_two_t1_are_said_and_the_rest_is_found() -> None:
    found = find_sequences(["FLAIR", "T1 a", "T1 b", "T1 KM"])
    assert found.names == {"flair": "FLAIR", "post": "T1 KM"}
    assert is_one_sentence(found.unclear)
    assert "T1 a or T1 b" in found.unclear


def test_a_known_flair_decides() -> None:
    names = ["U_FLAIR", "U_FLAIR_bias", "U_T1", "U_T1_bias", "U_T1c", "U_T1c_bias"]
    plain, bias = (find_sequences(names, flair=name).names for name in names[:2])
    assert plain == {"flair": "U_FLAIR", "pre": "U_T1", "post": "U_T1c"}
    assert bias == {"flair": "U_FLAIR_bias", "pre": "U_T1_bias", "post": "U_T1c_bias"}


@pytest.mark.parametrize(
    ("name", "stem", "patient"),
    [
        ("BraTS20_001_flair", "brats20_001", "brats20_001"),
        ("BraTS20_001_t1ce", "brats20_001", "brats20_001"),
        ("UCSF-PDGM-0004_T1c_bias", "ucsf_pdgm_0004_bias", "ucsf_pdgm_0004"),
        ("sub-01_ce-gadolinium_T1w", "sub_01", "sub_01"),
        ("003_SAG T1 SE", "003_sag_se", "003"),
        ("AX T1 POST GD", "ax", ""),
        ("Müller_FLAIR", "muller", "muller"),
    ],
)
def test_what_is_left_of_a_name_tells_the_patient(name: str, stem: str, patient: str) -> None:
    assert (stem_of(name), patient_in(name)) == (stem, patient)
