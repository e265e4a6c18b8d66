"""What a layer carries for the plugin, as one object and as the plain dict of the version before."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Image, Labels, Layer

from napari_tumor_unet.inference.result import measure
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    MaskMetadata,
    has_result,
    image_metadata,
    is_agreement,
    is_prediction,
    mask_metadata,
    model_of,
)
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.layers.transforms import stored_geometry
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.scan import Geometry
from tests.plugin.conftest import made_by

GEOMETRY = Geometry((2.0, 1.0, 1.0), origin=(1.0, 2.0, 3.0))


def mask() -> np.ndarray:
    voxels = np.zeros((4, 8, 8), np.uint8)
    voxels[1:3, 2:6, 2:6] = 1
    return voxels


def of_the_version_before(**changes: Any) -> dict[str, Any]:
    """The dict that the version before kept of a finished segmentation."""
    return {
        "source": "an image",
        "place": SliceOrientation(),
        "geometry": dataclasses.asdict(GEOMETRY),
        "shape": (4, 8, 8),
        "scan": "head",
        "voxel_ml": 0.002,
        "probability": mask() * np.uint8(200),
        "written": mask(),
        "checked": {1},
        "visited": {1, 2},
        "findings": dataclasses.asdict(measure(mask(), 0.002)),
        "provenance": made_by("default", "a hash").to_json(),
        "warnings": ("It is dark.",),
        **changes,
    }


def now() -> MaskMetadata:
    """The same as the object."""
    return MaskMetadata(
        **of_the_version_before(
            geometry=GEOMETRY, findings=measure(mask(), 0.002), provenance=made_by("default", "a hash")
        )
    )


@pytest.mark.parametrize("make", [of_the_version_before, now])
def test_a_segmentation_of_either_version_is_understood(make: Any) -> None:
    layer = Labels(mask(), metadata={KEY: make()})
    assert has_result(layer)
    assert is_prediction(layer)
    assert model_of(layer) == "default"
    assert stored_geometry(layer) == GEOMETRY
    metadata = mask_metadata(layer)
    assert (metadata.threshold, metadata.min_region_voxels) == (0.5, None)
    assert (metadata.checked, metadata.visited, metadata.warnings) == ({1}, {1, 2}, ("It is dark.",))
    assert metadata.findings == measure(mask(), 0.002)


@pytest.mark.parametrize("make", [of_the_version_before, now])
def test_what_is_checked_stays_with_the_layer(make: Any) -> None:
    layer = Labels(mask(), metadata={KEY: make()})
    mask_metadata(layer).checked.add(3)
    assert mask_metadata(layer).checked == {1, 3}


def test_settings_that_the_version_before_kept_in_the_provenance_are_read() -> None:
    before = of_the_version_before()
    before["provenance"] |= {"threshold": 0.7, "fewest_voxels": 12}
    layer = Labels(mask(), metadata={KEY: before})
    metadata = mask_metadata(layer)
    assert (metadata.threshold, metadata.min_region_voxels) == (0.7, 12)
    contents = sidecar_contents(layer)
    assert contents is not None
    none = {"regions": 0, "voxels": 0, "volume_ml": 0}
    assert contents["provenance"] == before["provenance"] | {"left_out": none}


def test_a_threshold_chosen_after_the_run_stands_beside_its_provenance() -> None:
    layer = Labels(mask(), metadata={KEY: now()})
    MaskEditor(None, layer).change(0.9, 5)  # type: ignore[arg-type]
    metadata = mask_metadata(layer)
    assert metadata.provenance == made_by("default", "a hash")
    assert (metadata.threshold, metadata.min_region_voxels) == (0.9, 5)
    assert not layer.data.any()
    contents = sidecar_contents(layer)
    assert contents is not None
    told = contents["provenance"]
    assert contents["checked_slices"] == sorted(metadata.checked)
    assert (told["threshold"], told["fewest_voxels"]) == (0.9, 5)


def test_scripts_of_the_version_before_still_read_the_object() -> None:
    before, metadata = of_the_version_before(), now()
    for name, value in before.items():
        assert name in metadata
        np.testing.assert_array_equal(metadata[name], value) if isinstance(value, np.ndarray) else None
        assert isinstance(value, np.ndarray) or metadata[name] == value
    assert metadata.get("sequence") is None
    assert "provenance" not in MaskMetadata()
    with pytest.raises(KeyError):
        metadata["patient"]


def test_a_duplicate_has_metadata_of_its_own() -> None:
    layer = Labels(mask(), metadata={KEY: now()})
    copy = Layer.create(*deepcopy(layer.as_layer_data_tuple()))
    layers = LayerList([layer, copy])
    mask_metadata(copy).checked.clear()
    mask_metadata(copy).written[:] = 0
    assert has_result(layers[1])
    assert mask_metadata(layer).checked == {1}
    assert mask_metadata(layer).written.any()


def test_an_image_that_the_version_before_read_is_understood() -> None:
    before = {"scan": "head", "scan_id": "1", "sequence": "pre", "geometry": dataclasses.asdict(GEOMETRY)}
    image = Image(mask(), metadata={KEY: before | {"shape": (4, 8, 8), "modality": "MR", "study": "s"}})
    metadata = image_metadata(image)
    assert (metadata.scan, metadata.sequence, metadata.modality, metadata.study) == ("head", "pre", "MR", "s")
    assert stored_geometry(image) == GEOMETRY


def test_a_comparison_of_either_version_is_no_mask() -> None:
    for metadata in ({"agreement": "of two"}, MaskMetadata(agreement="of two")):
        assert is_agreement(Labels(mask(), metadata={KEY: metadata}))


@pytest.mark.parametrize("value", [None, 3, {}, {"other": 1}])
def test_metadata_of_others_are_no_result(value: Any) -> None:
    layer = Labels(mask(), metadata={KEY: value})
    assert not has_result(layer)
    assert not is_agreement(layer)
    assert model_of(layer) == ""
