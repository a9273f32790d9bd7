"""What inference says of a picture (`reference_stack.vision`), as far as this service reads it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Kept(BaseModel):
    """What is not named here is kept too."""

    model_config = ConfigDict(extra="allow", frozen=True)


class FaceEmbedding(BaseModel):
    """``embedding`` is that of the largest face; null without any."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    embedding: tuple[float, ...] | None
    faces: int = Field(ge=0)
    model: str


class ImageQuality(_Kept):
    """Of the image as shown: standard deviation, and variance of its Laplacian."""

    contrast: float
    sharpness: float


class ImageRegions(_Kept):
    """The largest areas that stand out from the dark."""

    largest: tuple[dict[str, Any], ...]


class ImageFindings(_Kept):
    """Measures of a medical image."""

    width_px: int
    height_px: int
    quality: ImageQuality
    regions: ImageRegions

    @property
    def conclusion(self) -> str:
        """One sentence for lists."""
        measures = (
            f"contraste {self.quality.contrast:.2f}, nitidez {self.quality.sharpness:.3f}"
        ).replace(".", ",")
        return (
            f"Imagem de {self.width_px} × {self.height_px} pixels: {measures}, "
            f"{len(self.regions.largest)} área(s) clara(s). Medidas, sem diagnóstico."
        )
