"""The entry as LLVM IR: what descriptor.py describes, walked. Objects of CPython and NumPy are read by their layout."""

from __future__ import annotations

from . import descriptor as d
from .entry_arguments import arguments_text
from .entry_results import memory_text, results_text
from .entry_words import field, offset, visit


def entry_text() -> str:
    """The whole module; see `layout_holds` for what it relies on."""
    f, o = field, offset
    return f"""
@busy = external global i64
@PyDict_Type = external global i8
@PyTuple_Type = external global i8
@PyList_Type = external global i8
@PyArray_Type = external global i8
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare i64 @PyDict_Size(ptr)
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
@PyUnicode_Type = external global i8
declare ptr @PyObject_GenericGetDict(ptr, ptr)
declare ptr @PyObject_CallNoArgs(ptr)
@Py_True = external global i8
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyArray_Zeros(i32, ptr, ptr, i32)
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyList_New(i64)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_Clear()
declare ptr @PyErr_Occurred()
declare ptr @PyErr_NoMemory()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define ptr @entry(ptr %self, ptr %args, i64 %nargsf, ptr %names) {{
begin:
{o("first", "%self", d.FIRST, "ptr")}
{o("slow", "%self", d.SLOW, "ptr")}
  %nargs = and i64 %nargsf, 9223372036854775807
  %k = alloca i64
  %turn = alloca i64
  %key.v = alloca ptr
  %item.v = alloca ptr
  %recording = load i64, ptr @busy
  %alone = icmp eq i64 %recording, 0
  br i1 %alone, label %named, label %slowly
named:
  %plain = icmp eq ptr %names, null
  br i1 %plain, label %try, label %withnames
withnames:
{o("namecount", "%names", 16, "i64")}
  br label %try
try:
  %d = phi ptr [ %first, %named ], [ %first, %withnames ], [ %following, %other ]
  %nnames = phi i64 [ 0, %named ], [ %namecount, %withnames ], [ %nnames, %other ]
  %none = icmp eq ptr %d, null
  br i1 %none, label %slowly, label %counted
counted:
{f("wanted", "%d", d.ARGUMENTS)}
{f("wantednames", "%d", d.NAMED)}
  %enough = icmp eq i64 %wanted, %nargs
  %enoughnames = icmp eq i64 %wantednames, %nnames
  %right0 = and i1 %enough, %enoughnames
  br i1 %right0, label %nametest, label %other
nametest:
{f("nametable", "%d", d.NAME_TABLE, "ptr")}
  br label %eachname
eachname:
  %w = phi i64 [ 0, %nametest ], [ %w1, %nameis ]
  %allnames = icmp eq i64 %w, %nnames
  br i1 %allnames, label %ready, label %nameis
nameis:
  %w1 = add i64 %w, 1
  %given.b = getelementptr i8, ptr %names, i64 24
  %given.p = getelementptr ptr, ptr %given.b, i64 %w
  %given = load ptr, ptr %given.p
  %expected.p = getelementptr ptr, ptr %nametable, i64 %w
  %expected = load ptr, ptr %expected.p
  %samename = icmp eq ptr %given, %expected
  br i1 %samename, label %eachname, label %other
other:
{f("following", "%d", d.NEXT, "ptr")}
  br label %try
slowly:
  %answer = call ptr @PyObject_Vectorcall(ptr %slow, ptr %args, i64 %nargs, ptr %names)
  ret ptr %answer

ready:
{f("check", "%d", d.CHECK, "ptr")}
  %unchecked = icmp eq ptr %check, null
  br i1 %unchecked, label %begun, label %asking
asking:
  %holds = call ptr @PyObject_CallNoArgs(ptr %check)
  %broken = icmp eq ptr %holds, null
  br i1 %broken, label %interrupted, label %answered
interrupted: ; whatever the question could not answer it took for a no: this is an interrupt
  ret ptr null
answered:
  call void @Py_DecRef(ptr %holds)
  %true = icmp eq ptr %holds, @Py_True
  br i1 %true, label %begun, label %other
begun:
{f("nodes", "%d", d.NODES)}
{f("nodetable", "%d", d.NODE_TABLE, "ptr")}
{f("nbufs", "%d", d.BUFFERS)}
{f("buftable", "%d", d.BUFFER_TABLE, "ptr")}
  %stack = call ptr @llvm.stacksave.p0()
  %objects = alloca ptr, i64 %nodes
  %bufs = alloca ptr, i64 %nbufs
  %bytes = mul i64 %nbufs, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %bufs, ptr %buftable, i64 %bytes, i1 false)
  store i64 0, ptr %k
  br label %node
mismatch:
  call void @llvm.stackrestore.p0(ptr %stack)
  br label %other

{arguments_text()}
{results_text()}
{memory_text()}
; count references to what is read: while others run, they may let go of it
define internal void @hold(ptr %how, i64 %nodes, ptr %nodetable, ptr %objects) noinline {{
begin:
  br label %node
node:
  %n = phi i64 [ 0, %begin ], [ %n1, %next ]
  %more = icmp ult i64 %n, %nodes
  br i1 %more, label %look, label %done
look:
  %n1 = add i64 %n, 1
  %at = mul i64 %n, {d.NODE_WORDS}
  %node.t = getelementptr i64, ptr %nodetable, i64 %at
{f("kind", "%node.t", d.KIND)}
  %isarray = icmp eq i64 %kind, {d.ARRAY}
  %isanumber = icmp eq i64 %kind, {d.NUMBER}
  %isdata = or i1 %isarray, %isanumber
  br i1 %isdata, label %count, label %next
count:
  %object.p = getelementptr ptr, ptr %objects, i64 %n
  %object = load ptr, ptr %object.p
  call void %how(ptr %object)
  br label %next
next:
  br label %node
done:
  ret void
}}

define i32 @traverse(ptr %self, ptr %visit, ptr %arg) {{
begin:
{visit(8, "type")}
{visit(d.SLOW, "slow")}
{visit(d.KEPT, "kept")}
{visit(d.DICTIONARY, "dictionary")}
  ret i32 0
}}
"""
