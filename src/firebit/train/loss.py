"""The training loss: cross entropy, with softened labels and a teacher where the recipe asks for them."""

import torch.nn.functional as F
from torch import Tensor

from firebit.train.recipe import Loss


def training_loss(logits: Tensor, labels: Tensor, options: Loss, taught: Tensor | None = None) -> Tensor:
    """The loss of a batch, a scalar.

    (1 − d)·cross entropy + d·:func:`divergence`, where d is the share of distillation; without a teacher the cross
    entropy alone. Labels are smoothed in the cross entropy.

    Args:
        logits: (B, classes), float.
        labels: (B,), int64.
        options: the recipe's table.
        taught: the teacher's logits on the same pictures, (B, classes); None: no teacher.
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
    if taught is None:
        return loss
    share = options.distillation
    return (1 - share) * loss + share * divergence(logits, taught, options.temperature)


def divergence(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """T²·KL(teacher ‖ student), both softened by T, in nats, the mean over the batch.

    The factor T² keeps the gradient's size where T changes.

    Args:
        logits: the student's, (B, classes).
        taught: the teacher's, (B, classes).
        temperature: T > 0.
    """
    student = F.log_softmax(logits / temperature, 1)
    teacher = F.log_softmax(taught / temperature, 1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
