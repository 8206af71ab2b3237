"""A small classifier of 8×8 digits; its penultimate activations are the features of the Fréchet distance."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Classifier"]

CLASSES = 10
FEATURES = 16


class Classifier(nn.Module):
    """Three convolutions, a layer of 16 features, ten logits.

    GroupNorm only, so that the result for one image does not depend on the rest of its batch. Sixteen features are few
    enough for a covariance to be well estimated from a thousand images.
    """

    def __init__(self, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.GroupNorm(4, 2 * width),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * 4 * 4, FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(FEATURES, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        """Penultimate activations (B, 16) of images (B, 1, 8, 8) scaled to [−1, 1]."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 8, 8) scaled to [−1, 1]."""
        return self.head(self.features(images))
