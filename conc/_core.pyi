"""The native core. Each section belongs to one file under csrc/python/."""

from types import GenericAlias
from typing import Any, Generic, ParamSpec, Self, TypeVar, final

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)

# kernel_type.c
@final
class Kernel(Generic[_P, _R_co]):
    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> Self: ...
    def __reduce__(self) -> str: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

# kernels.c
prime_factors: Kernel[[int], list[int]]
trial_divisions: Kernel[[int], int]
spin: Kernel[[float], float]
sleep: Kernel[[float], None]
