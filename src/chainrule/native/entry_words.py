"""Pieces of the entry's text."""

from __future__ import annotations


def field(name: str, base: str, word: int | str, kind: str = "i64") -> str:
    """Load a word of a table."""
    return f"  %{name}.p = getelementptr i64, ptr {base}, i64 {word}\n  %{name} = load {kind}, ptr %{name}.p\n"


def offset(name: str, base: str, bytes_: int, kind: str) -> str:
    return f"  %{name}.p = getelementptr i8, ptr {base}, i64 {bytes_}\n  %{name} = load {kind}, ptr %{name}.p\n"


def visit(at: int, name: str) -> str:
    """Tell the garbage collector of what a function object holds."""
    return f"""{offset(name, "%self", at, "ptr")}
  %{name}.none = icmp eq ptr %{name}, null
  br i1 %{name}.none, label %past.{name}, label %visit.{name}
visit.{name}:
  %{name}.r = call i32 %visit(ptr %{name}, ptr %arg)
  %{name}.ok = icmp eq i32 %{name}.r, 0
  br i1 %{name}.ok, label %past.{name}, label %stop.{name}
stop.{name}:
  ret i32 %{name}.r
past.{name}:"""
