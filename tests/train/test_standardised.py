"""Features of mean 0 and deviation 1."""

import torch

from firebit.train.standardised import Standardised


def test_features_are_standardised_and_constant_ones_kept_finite() -> None:
    layer = Standardised(20)
    inputs = 3 * torch.randn(500, 20, generator=torch.Generator().manual_seed(0)) + 5
    inputs[:, 7] = 2.0
    layer.fit(inputs)
    found = layer(inputs)
    torch.testing.assert_close(found.mean(0), torch.zeros(20), atol=1e-5, rtol=0)
    expected = torch.ones(20)
    expected[7] = 0
    torch.testing.assert_close(found.std(0), expected, atol=1e-4, rtol=0)
