"""Segment a scan with a model's package of bioimage.io, and the preparation of napari-tumor-unet.

napari-tumor-unet models export default --bioimageio default.zip
python examples/bioimageio_package.py default.zip SCAN mask.nii.gz
"""

import sys

import torch
from bioimageio.core import load_model_description, predict

from napari_tumor_unet import read_scan, write_mask
from napari_tumor_unet.inference.regions import drop_faint_regions, threshold_mask
from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.model.settings import Preprocessing

package, source, out = sys.argv[1:]
model, scan = load_model_description(package), read_scan(source)
rules = model.config.napari_tumor_unet
fitted = fit_preprocessing(scan, Preprocessing(**rules["preparation"]))  # where the head is, its intensities
slices = fitted.apply(scan, range(scan.shape[0])).numpy()
output = predict(model=model, inputs=slices).members["probability"].data.to_numpy()
probability = fitted.invert(
    torch.from_numpy(output[:, 0]), scan.shape[1:]
)  # on the scan's own grid, 0 to 255
mask = threshold_mask(probability, rules["threshold"])
drop_faint_regions(mask, probability, rules["threshold"], rules["smallest_region"])
write_mask(out, mask, scan)
