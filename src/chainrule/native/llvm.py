"""LLVM through llvmlite: text to an object, an object to addresses. All that knows llvmlite is here.

The pass pipeline stays empty: what it would do (common subexpressions, dead code, fusion, inlining) is done on our
Programs, where it costs microseconds.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..later import importing

_lock = threading.RLock()
_names = itertools.count()


@contextlib.contextmanager
def _alone() -> Iterator[Any]:
    """LLVM, for this thread alone."""
    llvm = _llvm()  # imported before: who forks holds the lock of imports before that of LLVM
    with _lock:
        yield llvm


@contextlib.contextmanager
def _nobody_in_llvm() -> Iterator[None]:
    """While this is entered no other thread is in the middle of LLVM's work."""
    with importing, _lock:
        library = getattr(sys.modules.get("llvmlite.binding.ffi"), "lib", None)
        with library._lock if library else contextlib.nullcontext():  # llvmlite also works when objects are collected
            yield


_held: list[Any] = []


def _before_fork() -> None:
    """A child gets LLVM as it is between two pieces of work: else it would wait for a thread that it has not got."""
    _held.append(_nobody_in_llvm())
    _held[-1].__enter__()


def _after_fork() -> None:
    _held.pop().__exit__(None, None, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@dataclass(frozen=True)
class Target:
    """The machine that code is made for."""

    triple: str
    cpu: str
    features: str

    @property
    def width(self) -> int:
        """How many doubles one register holds."""
        has = set(self.features.split(","))
        return 8 if "+avx512f" in has and "+avx512dq" in has else 4 if "+avx2" in has else 2

    @property
    def fused(self) -> bool:
        """Whether x y + z is one instruction, rounded once."""
        return "+fma" in self.features.split(",") or not self.triple.startswith(("x86", "i686"))


@cache
def target() -> Target:
    """This machine."""
    llvm = _llvm()
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


def version() -> str:
    """Of llvmlite, and of LLVM in it."""
    llvm = _llvm()
    import llvmlite

    return f"{llvmlite.__version__} {'.'.join(map(str, llvm.llvm_version_info))}"


@cache
def _llvm() -> Any:
    with importing:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm


@cache
def _machine(effort: int) -> Any:
    host = target()
    return _llvm().Target.from_triple(host.triple).create_target_machine(
        cpu=host.cpu, features=host.features, opt=effort, jit=True, codemodel="small", reloc="pic"
    )  # fmt: skip


@cache
def _linker() -> Any:
    return _llvm().create_lljit_compiler(_machine(2))


def parsed(text: str, effort: int = 2) -> Any:
    """The module that the text says; raises RuntimeError where it is not LLVM."""
    module = _llvm().parse_assembly(text)
    machine = _machine(effort)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    return module


def object_code(text: str, effort: int = 2, verify: bool = False) -> bytes:
    """Machine code of a module, still without addresses. `effort` 0 compiles fastest, 2 runs fastest."""
    with _alone():
        module = parsed(text, effort)
        if verify:
            module.verify()
        return _machine(effort).emit_object(module)


def assembly(text: str, effort: int = 2) -> str:
    """What a person may read of the machine code."""
    with _alone():
        return _machine(effort).emit_assembly(parsed(text, effort))


@dataclass(frozen=True)
class Loaded:
    """Code in memory: addresses by name, as long as this is kept."""

    addresses: Mapping[str, int]
    library: Any

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


def load(code: bytes, exported: Iterable[str], imported: Mapping[str, int] | None = None) -> Loaded:
    """Put object code into memory, its unknown symbols resolved by `imported` or by the process."""
    with _alone() as llvm:
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name, address in (imported or {}).items():
            builder = builder.import_symbol(name, address)
        names = list(exported)
        for name in names:
            builder = builder.export_symbol(name)
        library = builder.link(_linker(), f"chainrule-{next(_names)}")
        return Loaded({name: library[name] for name in names}, library)
