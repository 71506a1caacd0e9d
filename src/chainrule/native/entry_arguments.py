"""The part of the entry that finds objects and compares them: one node of a descriptor after the other."""

from __future__ import annotations

from . import descriptor as d
from .entry_words import field, offset


def arguments_text() -> str:
    """From `node` to where all fits; what does not goes on at `mismatch`."""
    f, o = field, offset
    return f"""
node:
  %n = load i64, ptr %k
  %more = icmp ult i64 %n, %nodes
  br i1 %more, label %fetch, label %fitting
fetch:
  %at = mul i64 %n, {d.NODE_WORDS}
  %node.t = getelementptr i64, ptr %nodetable, i64 %at
{f("how", "%node.t", d.HOW)}
{f("parent", "%node.t", d.PARENT)}
{f("which", "%node.t", d.WHICH)}
{f("kind", "%node.t", d.KIND)}
{f("rank", "%node.t", d.RANK)}
{f("dtype", "%node.t", d.DTYPE, "ptr")}
{f("shape", "%node.t", d.SHAPE, "ptr")}
{f("slot", "%node.t", d.SLOT)}
{f("rankth", "%node.t", d.NTH)}
  %place = getelementptr ptr, ptr %objects, i64 %n
  switch i64 %how, label %mismatch [ i64 {d.ARGUMENT}, label %argument
    i64 {d.ITEM_OF_DICT}, label %dictitem i64 {d.ITEM_OF_TUPLE}, label %tupleitem
    i64 {d.ITEM_OF_LIST}, label %listitem i64 {d.ITEM_OF_SCOPE}, label %scopeitem
    i64 {d.FIELD}, label %field i64 {d.DICT_OF}, label %dictof ]
argument:
  %arg.p = getelementptr ptr, ptr %args, i64 %which
  %arg = load ptr, ptr %arg.p
  br label %found
dictitem:
  %dict.p = getelementptr ptr, ptr %objects, i64 %parent
  %dict = load ptr, ptr %dict.p
  store i64 %rankth, ptr %turn
  %have1 = call i32 @PyDict_Next(ptr %dict, ptr %turn, ptr %key.v, ptr %item.v)
  %none1 = icmp eq i32 %have1, 0
  br i1 %none1, label %mismatch, label %keyed
keyed:
  %key1 = load ptr, ptr %key.v
  %item1 = load ptr, ptr %item.v
  %wantedkey = inttoptr i64 %which to ptr
  %samekey = icmp eq ptr %key1, %wantedkey
  br i1 %samekey, label %found, label %spelled
spelled:
{o("keytype", "%key1", 8, "ptr")}
  %isword = icmp eq ptr %keytype, @PyUnicode_Type
  br i1 %isword, label %compare, label %mismatch
compare:
  %equalkey = call i32 @PyObject_RichCompareBool(ptr %key1, ptr %wantedkey, i32 2)
  %isequal = icmp eq i32 %equalkey, 1
  br i1 %isequal, label %found, label %lost
scopeitem:
  %scope = inttoptr i64 %parent to ptr
  %name = inttoptr i64 %which to ptr
  %item4 = call ptr @PyDict_GetItemWithError(ptr %scope, ptr %name)
  %missing4 = icmp eq ptr %item4, null
  br i1 %missing4, label %missing, label %found
missing:
  %problem = call ptr @PyErr_Occurred()
  %noerror = icmp eq ptr %problem, null
  %mayMiss = icmp eq i64 %kind, {d.ABSENT}
  %fine = and i1 %noerror, %mayMiss
  br i1 %fine, label %next, label %lost
lost:
  call void @PyErr_Clear()
  br label %mismatch
field:
  %field.p = inttoptr i64 %which to ptr
  %item5 = load ptr, ptr %field.p
  %missing5 = icmp eq ptr %item5, null
  br i1 %missing5, label %mismatch, label %found
dictof:
  %owner = inttoptr i64 %which to ptr
  %item6 = call ptr @PyObject_GenericGetDict(ptr %owner, ptr null)
  %missing6 = icmp eq ptr %item6, null
  br i1 %missing6, label %lost, label %release6
release6:
  call void @Py_DecRef(ptr %item6)
  br label %found
tupleitem:
  %tuple.p = getelementptr ptr, ptr %objects, i64 %parent
  %tuple = load ptr, ptr %tuple.p
  %item2.b = getelementptr i8, ptr %tuple, i64 24
  %item2.p = getelementptr ptr, ptr %item2.b, i64 %which
  %item2 = load ptr, ptr %item2.p
  br label %found
listitem:
  %list.p = getelementptr ptr, ptr %objects, i64 %parent
  %list = load ptr, ptr %list.p
{o("items", "%list", 24, "ptr")}
  %item3.p = getelementptr ptr, ptr %items, i64 %which
  %item3 = load ptr, ptr %item3.p
  br label %found
found:
  %object = phi ptr [ %arg, %argument ], [ %item1, %keyed ], [ %item1, %compare ], [ %item4, %scopeitem ],
    [ %item2, %tupleitem ], [ %item3, %listitem ], [ %item5, %field ], [ %item6, %release6 ]
  store ptr %object, ptr %place
{o("type", "%object", 8, "ptr")}
  switch i64 %kind, label %mismatch [ i64 {d.CONTAINER}, label %container i64 {d.ARRAY}, label %array
    i64 {d.NUMBER}, label %number i64 {d.SAME}, label %same ]
same:
  %alike = icmp eq ptr %object, %dtype
  br i1 %alike, label %next, label %mismatch
container:
  %right = icmp eq ptr %type, %dtype
  br i1 %right, label %sized, label %mismatch
sized:
  %isdict = icmp eq ptr %type, @PyDict_Type
  br i1 %isdict, label %dictsize, label %varsize
dictsize:
  %size1 = call i64 @PyDict_Size(ptr %object)
  br label %sizes
varsize:
{o("size2", "%object", 16, "i64")}
  br label %sizes
sizes:
  %size = phi i64 [ %size1, %dictsize ], [ %size2, %varsize ]
  %fits = icmp eq i64 %size, %rank
  br i1 %fits, label %next, label %mismatch
number:
  %isnumber = icmp eq ptr %type, %dtype
  %value = getelementptr i8, ptr %object, i64 16
  br i1 %isnumber, label %bind, label %mismatch
array:
  %isarray = icmp eq ptr %type, @PyArray_Type
  br i1 %isarray, label %ranked, label %mismatch
ranked:
{o("nd", "%object", 24, "i32")}
{o("dims", "%object", 32, "ptr")}
{o("descr", "%object", 56, "ptr")}
{o("flags", "%object", 64, "i32")}
{o("data", "%object", 16, "ptr")}
  %nd64 = sext i32 %nd to i64
  %ok1 = icmp eq i64 %nd64, %rank
  %ok2 = icmp eq ptr %descr, %dtype
  %some = and i32 %flags, {d.READ_FLAGS}
  %ok3 = icmp eq i32 %some, {d.READ_FLAGS}
  %ok4 = and i1 %ok1, %ok2
  %ok5 = and i1 %ok4, %ok3
  br i1 %ok5, label %axes, label %mismatch
axes:
  %i = phi i64 [ 0, %ranked ], [ %i1, %axis ]
  %last = icmp eq i64 %i, %rank
  br i1 %last, label %bind, label %axis
axis:
  %dim.p = getelementptr i64, ptr %dims, i64 %i
  %dim = load i64, ptr %dim.p
  %want.p = getelementptr i64, ptr %shape, i64 %i
  %want = load i64, ptr %want.p
  %i1 = add i64 %i, 1
  %equal = icmp eq i64 %dim, %want
  br i1 %equal, label %axes, label %mismatch
bind:
  %pointer = phi ptr [ %value, %number ], [ %data, %axes ]
  %buf.p = getelementptr ptr, ptr %bufs, i64 %slot
  store ptr %pointer, ptr %buf.p
  br label %next
next:
  %n1 = add i64 %n, 1
  store i64 %n1, ptr %k
  br label %node
"""
