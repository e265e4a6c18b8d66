"""What is measured of a mask and of each of its regions, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_tumor_unet._common import plural

MOST_REGIONS = 5
"""Measurable regions that the sum of products has, at most (RANO)."""

DEFINITION = (
    "Longest diameter: the longest line within a region in an axial slice, edges of voxels included; "
    "perpendicular: the longest at right angles to it in that slice; both of the slice where their product "
    "is largest. Slices count from 0, from below. Measurable: both at least 10 mm (twice the slice distance "
    "where that is over 5 mm), on two slices or more."
)
"""What the numbers are, to be said beside them."""

Point = tuple[float, float, float]
Line = tuple[Point, Point]


@dataclass(frozen=True)
class RegionMeasures:
    """Measures of one region; lengths are in mm, or in voxels where the spacing is unknown.

    Attributes
    ----------
    voxels, slices : int
    volume_ml : float or None
        None where the spacing is unknown.
    longest_diameter, perpendicular_diameter, product : float
        Of the slice where the product is largest.
    slice : int
        Index of that slice, from below, the first being 0.
    longest_line, perpendicular_line : tuple of two points
        Ends of the diameters as indices (z, y, x), of which whole numbers are voxels' centres.
    longest_line_mm, perpendicular_line_mm : tuple of two points, or None
        The same ends (x, y, z) in LPS mm; None where it is unknown how the scan lies.
    seed : tuple of int
        The first voxel (z, y, x) of the region.
    largest_extent : float
        Largest distance of two of its points in space, whether or not what is between belongs to it.
    measurable : bool or None
        Whether both diameters are at least 10 mm, or twice the slice distance where that is over 5 mm, and
        the region is seen on two slices or more; None where the spacing is unknown.
    unit : {"mm", "voxel"}
    """

    voxels: int
    slices: int
    volume_ml: float | None
    longest_diameter: float
    perpendicular_diameter: float
    product: float
    slice: int
    longest_line: Line
    perpendicular_line: Line
    longest_line_mm: Line | None
    perpendicular_line_mm: Line | None
    seed: tuple[int, int, int]
    largest_extent: float
    measurable: bool | None
    unit: str

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON holds them; those in mm are None where the spacing is unknown."""
        mm = self.unit == "mm"
        return {
            "volume_ml": self.volume_ml,
            "voxels": self.voxels,
            "slices": self.slices,
            "longest_diameter_mm": self.longest_diameter if mm else None,
            "perpendicular_diameter_mm": self.perpendicular_diameter if mm else None,
            "product_mm2": self.product if mm else None,
            "slice": self.slice,
            "measurable": self.measurable,
            "largest_extent_mm": self.largest_extent if mm else None,
            "longest_line_mm": self.longest_line_mm,
            "perpendicular_line_mm": self.perpendicular_line_mm,
            "longest_line": self.longest_line,
            "perpendicular_line": self.perpendicular_line,
        }

    @property
    def diameters(self) -> str:
        """Both diameters in words, in whole mm or voxels."""
        unit = "mm" if self.unit == "mm" else "voxels"
        return f"{self.longest_diameter:.0f} x {self.perpendicular_diameter:.0f} {unit}"

    def as_cells(self) -> tuple[str, ...]:
        """Return volume, slices, diameters, product, slice, and whether measurable, as people read them."""
        in_mm = self.unit == "mm"
        volume = f"{self.voxels:,} voxels" if self.volume_ml is None else f"{self.volume_ml:.2f} ml"
        lengths = (self.longest_diameter, self.perpendicular_diameter)
        return (
            volume,
            str(self.slices),
            *(f"{length:.1f}{' mm' if in_mm else ''}" for length in lengths),
            f"{self.product:.0f}{' mm²' if in_mm else ''}",
            str(self.slice),
            {True: "yes", False: "no", None: "unknown"}[self.measurable],
        )


@dataclass(frozen=True)
class Measures:
    """Measures of a mask.

    Attributes
    ----------
    voxels : int
    volume_ml : float or None
        None where the spacing is unknown.
    regions : tuple of RegionMeasures
        The largest first, by voxels.
    volume_range_ml : (float, float) or None
        The volume of what the model is rather sure of, and that of all that it does not rule out: the model's
        own doubt, and no confidence interval; None where there is no probability.
    unit : {"mm", "voxel"}
    """

    voxels: int
    volume_ml: float | None
    regions: tuple[RegionMeasures, ...]
    volume_range_ml: tuple[float, float] | None = None
    unit: str = "mm"

    @property
    def measurable(self) -> tuple[RegionMeasures, ...]:
        """The regions that the sum of products is of."""
        return tuple(region for region in self.regions if region.measurable)[:MOST_REGIONS]

    @property
    def sum_of_products_mm2(self) -> float | None:
        """Sum over the five largest measurable regions; None where the spacing is unknown."""
        return sum(region.product for region in self.measurable) if self.unit == "mm" else None

    @property
    def diameters(self) -> str:
        """The largest region's diameters and the sum of products in words; empty without a region."""
        if not self.regions:
            return ""
        largest, unit = self.regions[0], "mm" if self.unit == "mm" else "voxels"
        text = (
            f"Diameters {largest.longest_diameter:.1f} x {largest.perpendicular_diameter:.1f} {unit} "
            f"in slice {largest.slice}"
        )
        if self.sum_of_products_mm2 is None:
            return f"{text}; the spacing is unknown"
        return (
            f"{text}; sum of products {self.sum_of_products_mm2:.0f} mm² ({len(self.measurable)} measurable)"
        )

    def __str__(self) -> str:
        if not self.regions:
            return "No region."
        size = f"{self.voxels:,} voxels" if self.volume_ml is None else f"{self.volume_ml:.2f} ml"
        if self.volume_range_ml is not None:
            low, high = self.volume_range_ml
            size += f" ({low:.1f} to {high:.1f} by the model's own doubt)"
        return f"{size}, {plural(len(self.regions), 'region')}. {self.diameters}."

    def to_json(self) -> dict[str, Any]:
        """Return the measures as JSON holds them."""
        return {
            "volume_ml": self.volume_ml,
            "volume_range_ml": self.volume_range_ml,
            "sum_of_products_mm2": self.sum_of_products_mm2,
            "regions": [region.to_json() for region in self.regions],
        }
