"""How DICOM images were acquired, and which MRI sequence they are by that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_tumor_unet.scan import Sequence
from napari_tumor_unet.scan.sequence_names import sequence_named

_LOCALISER = re.compile(r"locali[sz]er|(?<![a-z])(loc|scout|survey|topogram)(?![a-z])|(3|three)[\W_]?plane")
_NATIVE = re.compile(r"(?<![a-z])(pre|non|no|without|w/o|native|nativ)(?![a-z])|(pre|non)-?contrast")


@dataclass(frozen=True)
class Acquisition:
    """Acquisition parameters of a header, without the patient; times are in ms.

    Attributes
    ----------
    description, protocol : str
        SeriesDescription and ProtocolName, without words that name the patient.
    modality : str
        "MR", "CT", ...
    technique : tuple of str
        ScanningSequence: "SE", "IR", "GR", "EP".
    image_type : tuple of str
        Original or derived, primary or secondary, and the maker's own values.
    contrast : bool, optional
        Whether a contrast agent was given; None where the header does not tell.
    number, time : float, optional
        Number of the acquisition, and of the point in a time series.
    """

    description: str = ""
    protocol: str = ""
    modality: str = ""
    technique: tuple[str, ...] = ()
    image_type: tuple[str, ...] = ()
    contrast: bool | None = None
    repetition_time: float | None = None
    echo_time: float | None = None
    inversion_time: float | None = None
    b_value: float | None = None
    number: float | None = None
    time: float | None = None
    stack: str = ""

    @property
    def is_localiser(self) -> bool:
        """Whether the images only served to plan others."""
        words = (self.description or self.protocol).lower()
        return "LOCALIZER" in self.image_type or bool(_LOCALISER.search(words))

    @property
    def sequence(self) -> Sequence | None:
        """The MRI sequence, by the times where they decide, else by the names; None if none of the three."""
        if self.modality not in ("", "MR"):
            return None
        named = sequence_named(self.description) or sequence_named(self.protocol)
        if self.is_localiser or (self.b_value or 0) > 0:
            return None
        if self._suppresses_fluid():
            return "flair"
        is_t1 = self._is_t1()
        if named == "flair":  # "T1 FLAIR" is T1 with an inversion pulse
            return self._t1() if is_t1 else "flair"
        if named is None:
            return self._t1() if is_t1 else None
        if self.echo_time is not None and self.echo_time > 50:
            return None  # "T2 post contrast"
        return self._t1()

    def _suppresses_fluid(self) -> bool:
        """Tell a long inversion and a long echo: T2 without the signal of fluid."""
        inversion, echo = self.inversion_time or 0, self.echo_time or 0
        return 1400 <= inversion <= 3500 and echo >= 60

    def _is_t1(self) -> bool:
        """Tell a short echo after an inversion as in MPRAGE, or after a repetition as in T1 spin echo.

        A shorter inversion is STIR; gradient echoes without inversion are many things.
        """
        if self.echo_time is None or self.echo_time > 40:
            return False
        if self.inversion_time:
            return 300 <= self.inversion_time <= 1400
        return "SE" in self.technique and 300 <= (self.repetition_time or 0) <= 900

    def _t1(self) -> Sequence:
        """Tell T1 before from after contrast: by the word "native", else the agent, else the name."""
        words = f"{self.description} {self.protocol}".lower()
        if _NATIVE.search(words):
            return "pre"
        if self.contrast:
            return "post"
        return "post" if "post" in map(sequence_named, (self.description, self.protocol)) else "pre"
