"""Caffe's cifar10_quick, with an activation after every hidden layer."""

from torch import nn

from firebit.zoo.block import NetOptions, activation, batch_norm, conv, dropout, head, hidden_linear, linear, stack
from firebit.zoo.registry import register

_WINDOW = 3


@register("cifar10_quick", NetOptions, channels=3, size=32)
def cifar10_quick(options: NetOptions) -> nn.Sequential:
    """cifar10_quick for 32×32 pictures: conv 32, conv 32, conv 64 (5×5, each pooled by 3×3 / 2), fc 64, fc classes.

    As in Caffe's `cifar10_quick_train_test.prototxt`: max pooling after the first convolution, average pooling after
    the others, in ceil mode. Added here: an activation after the first linear layer (`act4`; Caffe's `ip1` has none,
    so that its two linear layers are one linear map), and batch norm where asked for. A layer of codes takes the place
    of that linear layer.

    In the order "pool-first" an average divides by 9 also at the border, where ceil mode leaves windows of 6 and 4
    cells, so that it is an integer window sum before one threshold. "act-first" is Caffe's own order (its `pool1`
    comes before the activation too) and divides by the cells there are. With `max_pooling` all three poolings are max
    poolings. Shape: (N, C, 32, 32) → (N, classes).
    """
    inner = options.inner()
    one, two, three = options.scaled(32), options.scaled(32), options.scaled(64)
    return stack(
        ("conv1", conv(options.channels, one, 5, 2, inner, first=True)),
        ("pool1", nn.MaxPool2d(_WINDOW, 2, ceil_mode=True)),
        ("norm1", batch_norm(one, inner, spatial=True)),
        ("act1", activation(one, inner)),
        *_pooled(2, conv(one, two, 5, 2, inner, first=False), two, inner),
        *_pooled(3, conv(two, three, 5, 2, inner, first=False), three, inner),
        ("flatten", nn.Flatten()),
        *_ending(three * 4 * 4, options),
    )


def _ending(inputs: int, options: NetOptions) -> list[tuple[str, nn.Module | None]]:
    """fc 64 and the classifier; a layer of codes takes the place of fc 64, which would be a narrower one before it."""
    if options.code:
        return head(5, inputs, options)
    units = options.scaled(64)
    return [
        ("drop4", dropout(options)),
        *hidden_linear(4, linear(inputs, units, options.inner()), units, options),
        *head(5, units, options.behind_dropout()),
    ]


def _pooled(index: int, weights: nn.Conv2d, units: int, options: NetOptions) -> list[tuple[str, nn.Module | None]]:
    pool_first = options.order == "pool-first"
    pool = (f"pool{index}", _pooling(options))
    norm = (f"norm{index}", batch_norm(units, options, spatial=True))
    act = (f"act{index}", activation(units, options))
    rest = [pool, norm, act] if pool_first else [norm, act, pool]
    return [(f"conv{index}", weights), *rest]


def _pooling(options: NetOptions) -> nn.Module:
    if options.max_pooling:
        return nn.MaxPool2d(_WINDOW, 2, ceil_mode=True)
    divisor = _WINDOW**2 if options.order == "pool-first" else None
    return nn.AvgPool2d(_WINDOW, 2, ceil_mode=True, divisor_override=divisor)
