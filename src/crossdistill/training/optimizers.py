"""PyTorch's optimisers without its compiler.

Five of an optimiser's methods are wrapped so that `torch.compile` leaves them alone, and each wrapper imports the
compiler before anything is compiled: sympy and hundreds of modules, as long as PyTorch itself takes. The steps of the
training loop are never compiled, so that the classes here have the methods themselves; a model may be compiled as ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import optim

Class = TypeVar("Class", bound=optim.Optimizer)


def _imports_compiler(method: Callable[..., Any]) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and "torch._dynamo" in code.co_names


def _itself(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method in its wrappers that import the compiler; as it is where a version of PyTorch has none."""
    # `hooked`: the profiler's wrapper, which a class has from its first object on, this one, too
    itself: Callable[..., Any] = inspect.unwrap(
        method, stop=lambda each: not (_imports_compiler(each) or hasattr(each, "hooked"))
    )
    return itself


def without_compiler(optimizer: type[Class]) -> type[Class]:
    """The class as it is, but that neither its objects nor their steps import the compiler."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: _itself(getattr(optimizer, name)) for name in names}
    step = torch.no_grad()(_itself(optimizer.step))  # as the wrapper does, which is more than leaving alone
    return type(optimizer.__name__, (optimizer,), {**methods, "step": step})


SGD, Adam, AdamW = without_compiler(optim.SGD), without_compiler(optim.Adam), without_compiler(optim.AdamW)
