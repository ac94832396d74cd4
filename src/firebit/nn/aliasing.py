"""Values changed in place, followed through a traced network."""

import operator

from torch import fx

from firebit.errors import UsageError
from firebit.nn.graph import location, module_at, operand, torch_name


def follow_in_place(graph: fx.GraphModule) -> None:
    """What reads a value after it was changed in place reads the result of the change."""
    order = {node: i for i, node in enumerate(graph.graph.nodes)}
    for node in graph.graph.nodes:
        source = operand(node)
        if source is None or not _is_in_place(graph, node):
            continue
        for user in [u for u in source.users if order[u] > order[node]]:
            user.replace_input_with(source, node)
        _refuse_stale_views(graph, node, order)


def _refuse_stale_views(graph: fx.GraphModule, node: fx.Node, order: dict[fx.Node, int]) -> None:
    storage = node.meta.get("storage")
    for other in graph.graph.nodes:
        if other is node:
            return
        stale = storage is not None and other.meta.get("storage") == storage
        if stale and any(order[user] > order[node] for user in other.users):
            raise UsageError(
                f"The change in place at {location(node)} also changes another view of the same memory "
                f"({location(other)}), which is used later.",
                "Write that line without changing values in place.",
            )


def _is_in_place(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(module_at(graph, node), "inplace", False))
    name = torch_name(node) or ""
    if node.op == "call_function" and name.startswith("i") and getattr(operator, name, None) is node.target:
        return name in ("iadd", "isub", "imul", "itruediv")
    return node.kwargs.get("inplace") is True or (name.endswith("_") and not name.startswith("__"))
