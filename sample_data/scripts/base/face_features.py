"""What a face detector sees: features of MTCNN's last network, compared as a perceptual loss."""

from __future__ import annotations

from facenet_pytorch.models.mtcnn import ONet
from torch import Tensor, nn
from torch.nn import functional

LAYERS = ("prelu1", "prelu2", "prelu3")


class FaceFeatures(nn.Module):
    """Compares pictures by the features of MTCNN's output network, which saw many faces and ships with its package."""

    def __init__(self) -> None:
        super().__init__()
        self.network = ONet().eval().requires_grad_(False)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Return the feature maps of pictures (n, 3, 64, 64) from -1 to 1, cropped to the face."""
        x = functional.interpolate(pictures[..., 8:60, 6:58], size=48, mode="bilinear", align_corners=False)
        found = []
        for name, layer in self.network.named_children():
            x = layer(x)
            if name in LAYERS:
                found.append(x)
            if name == LAYERS[-1]:
                break
        return found

    def difference(self, drawn: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean difference of features, each layer relative to its own size."""
        total = drawn.new_zeros(())
        for ours, theirs in zip(self.features(drawn), self.features(wanted), strict=True):
            total = total + (ours - theirs).abs().mean() / (theirs.abs().mean() + 1e-6)
        return total / len(LAYERS)
