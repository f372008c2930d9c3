"""The first twenty modules of ``torch.nn`` in the order of the alphabet, as a user writes them who has read the README.

Left out are convolution, pooling and padding, and ``DataParallel``, which computes nothing.  The list was committed before
any of them was tried.
"""

from __future__ import annotations

MODULES = (
    *("AdaptiveLogSoftmaxWithLoss", "AlphaDropout", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d"),
    *("BatchNorm3d", "Bilinear", "CELU", "CTCLoss", "ChannelShuffle", "CosineEmbeddingLoss", "CosineSimilarity"),
    *("CrossEntropyLoss", "CrossMapLRN2d", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU"),
)
