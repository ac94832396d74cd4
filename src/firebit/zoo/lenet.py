"""LeNet as Caffe's MNIST example has it, with an activation after every hidden layer."""

from torch import nn

from firebit.zoo.block import NetOptions, conv, dropout, head, hidden, hidden_linear, linear, stack
from firebit.zoo.registry import register


@register("lenet", NetOptions, channels=1, size=28)
def lenet(options: NetOptions) -> nn.Sequential:
    """LeNet for 28×28 pictures: conv 20@5×5, max 2, conv 50@5×5, max 2, fc 500, fc classes.

    Caffe's definition (`lenet_train_test.prototxt`) has one activation, a ReLU after its first linear layer (`ip1`,
    here `fc3`). Added here: an activation after each convolution (`act1`, `act2`), without which no bits would leave
    those layers, and batch norm where asked for. Shape: (N, C, 28, 28) → (N, classes).
    """
    inner, last = options.inner(), options.before_head()
    one, two, three = options.scaled(20), options.scaled(50), options.scaled(500)
    return stack(
        *hidden(1, conv(options.channels, one, 5, 0, inner, first=True), one, inner, pool=nn.MaxPool2d(2, 2)),
        *hidden(2, conv(one, two, 5, 0, inner, first=False), two, inner, pool=nn.MaxPool2d(2, 2)),
        ("flatten", nn.Flatten()),
        ("drop3", dropout(options)),
        *hidden_linear(3, linear(two * 4 * 4, three, inner), three, last),
        *head(4, three, options.behind_dropout()),
    )
