"""The entry as LLVM IR, and the tables that it reads. Every table is an array of words of 8 bytes."""

from __future__ import annotations

# of a descriptor, in words of 8 bytes
(
    NEXT,
    ARGUMENTS,
    NODES,
    NODE_TABLE,
    OUTPUTS,
    OUTPUT_TABLE,
    BUFFERS,
    BUFFER_TABLE,
    KERNEL,
    STEPS,
    STEP_TABLE,
    LONG,
    SCRATCH,
    NAMED,
    NAME_TABLE,
    CHECK,
) = range(16)
WORDS = 16
# of a node: how an object is found, and what it must be
HOW, PARENT, WHICH, KIND, RANK, DTYPE, SHAPE, SLOT, NTH = range(9)
NODE_WORDS = 9
ARGUMENT, ITEM_OF_DICT, ITEM_OF_TUPLE, ITEM_OF_LIST, ITEM_OF_SCOPE, FIELD, DICT_OF = range(7)
CONTAINER, ARRAY, NUMBER, SAME, ABSENT = range(5)
# of an output
OUT_RANK, OUT_DTYPE, OUT_SHAPE, OUT_SLOT = range(4)
# of a step of building the result
LEAF, TUPLE, LIST, DICT = range(4)

READ_FLAGS = 0x101  # C_CONTIGUOUS, ALIGNED
ON_STACK = 1 << 14  # bytes of scratch memory that are taken from the stack
# of a function object, in bytes
VECTORCALL, SLOW, FIRST, KEPT, DICTIONARY, WEAK, SIZE = 16, 24, 32, 40, 48, 56, 64


def _field(name: str, base: str, word: int | str, kind: str = "i64") -> str:
    """Load a word of a table."""
    return f"  %{name}.p = getelementptr i64, ptr {base}, i64 {word}\n  %{name} = load {kind}, ptr %{name}.p\n"


def _offset(name: str, base: str, bytes_: int, kind: str) -> str:
    return f"  %{name}.p = getelementptr i8, ptr {base}, i64 {bytes_}\n  %{name} = load {kind}, ptr %{name}.p\n"


def entry_text() -> str:
    """The entry as LLVM IR. Objects of CPython and NumPy are read by their layout: see `layout_holds`."""
    f, o = _field, _offset
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
{o("first", "%self", FIRST, "ptr")}
{o("slow", "%self", SLOW, "ptr")}
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
{f("wanted", "%d", ARGUMENTS)}
{f("wantednames", "%d", NAMED)}
  %enough = icmp eq i64 %wanted, %nargs
  %enoughnames = icmp eq i64 %wantednames, %nnames
  %right0 = and i1 %enough, %enoughnames
  br i1 %right0, label %nametest, label %other
nametest:
{f("nametable", "%d", NAME_TABLE, "ptr")}
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
{f("following", "%d", NEXT, "ptr")}
  br label %try
slowly:
  %answer = call ptr @PyObject_Vectorcall(ptr %slow, ptr %args, i64 %nargs, ptr %names)
  ret ptr %answer

ready:
{f("check", "%d", CHECK, "ptr")}
  %unchecked = icmp eq ptr %check, null
  br i1 %unchecked, label %begun, label %asking
asking:
  %holds = call ptr @PyObject_CallNoArgs(ptr %check)
  %broken = icmp eq ptr %holds, null
  br i1 %broken, label %uncertain, label %answered
uncertain:
  call void @PyErr_Clear()
  br label %other
answered:
  call void @Py_DecRef(ptr %holds)
  %true = icmp eq ptr %holds, @Py_True
  br i1 %true, label %begun, label %other
begun:
{f("nodes", "%d", NODES)}
{f("nodetable", "%d", NODE_TABLE, "ptr")}
{f("nbufs", "%d", BUFFERS)}
{f("buftable", "%d", BUFFER_TABLE, "ptr")}
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

node:
  %n = load i64, ptr %k
  %more = icmp ult i64 %n, %nodes
  br i1 %more, label %fetch, label %fitting
fetch:
  %at = mul i64 %n, {NODE_WORDS}
  %node.t = getelementptr i64, ptr %nodetable, i64 %at
{f("how", "%node.t", HOW)}
{f("parent", "%node.t", PARENT)}
{f("which", "%node.t", WHICH)}
{f("kind", "%node.t", KIND)}
{f("rank", "%node.t", RANK)}
{f("dtype", "%node.t", DTYPE, "ptr")}
{f("shape", "%node.t", SHAPE, "ptr")}
{f("slot", "%node.t", SLOT)}
{f("rankth", "%node.t", NTH)}
  %place = getelementptr ptr, ptr %objects, i64 %n
  switch i64 %how, label %mismatch [ i64 {ARGUMENT}, label %argument
    i64 {ITEM_OF_DICT}, label %dictitem i64 {ITEM_OF_TUPLE}, label %tupleitem
    i64 {ITEM_OF_LIST}, label %listitem i64 {ITEM_OF_SCOPE}, label %scopeitem
    i64 {FIELD}, label %field i64 {DICT_OF}, label %dictof ]
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
  %mayMiss = icmp eq i64 %kind, {ABSENT}
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
  switch i64 %kind, label %mismatch [ i64 {CONTAINER}, label %container i64 {ARRAY}, label %array
    i64 {NUMBER}, label %number i64 {SAME}, label %same ]
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
  %some = and i32 %flags, {READ_FLAGS}
  %ok3 = icmp eq i32 %some, {READ_FLAGS}
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

fitting:
{f("outs", "%d", OUTPUTS)}
{f("outtable", "%d", OUTPUT_TABLE, "ptr")}
{f("kernel", "%d", KERNEL, "ptr")}
{f("long", "%d", LONG)}
{f("scratch", "%d", SCRATCH)}
  %results = alloca ptr, i64 %outs
  br label %output
output:
  %j = phi i64 [ 0, %fitting ], [ %j1, %made ]
  %allmade = icmp eq i64 %j, %outs
  br i1 %allmade, label %work, label %make
make:
  %outat = mul i64 %j, 4
  %out.t = getelementptr i64, ptr %outtable, i64 %outat
{f("orank", "%out.t", OUT_RANK)}
{f("odtype", "%out.t", OUT_DTYPE, "ptr")}
{f("oshape", "%out.t", OUT_SHAPE, "ptr")}
{f("oslot", "%out.t", OUT_SLOT)}
  %result.p = getelementptr ptr, ptr %results, i64 %j
  %oslot.b = getelementptr ptr, ptr %bufs, i64 %oslot
  %j1 = add i64 %j, 1
  %isscalar = icmp eq i64 %orank, 0
  br i1 %isscalar, label %scalar, label %newarray
scalar:
  %numeral = alloca double
  store ptr %numeral, ptr %oslot.b
  store ptr null, ptr %result.p
  br label %made
newarray:
  call void @Py_IncRef(ptr %odtype)
  %orank32 = trunc i64 %orank to i32
  %fresh = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %odtype, i32 %orank32, ptr %oshape,
    ptr null, ptr null, i32 0, ptr null)
  %failed = icmp eq ptr %fresh, null
  br i1 %failed, label %drop, label %filled
filled:
  store ptr %fresh, ptr %result.p
{o("fdata", "%fresh", 16, "ptr")}
  store ptr %fdata, ptr %oslot.b
  br label %made
made:
  br label %output
drop:
  %q = phi i64 [ %j, %newarray ], [ %q1, %dropped ]
  %nothing = icmp eq i64 %q, 0
  br i1 %nothing, label %error, label %dropone
dropone:
  %q1 = sub i64 %q, 1
  %old.p = getelementptr ptr, ptr %results, i64 %q1
  %old = load ptr, ptr %old.p
  %isnull = icmp eq ptr %old, null
  br i1 %isnull, label %dropped, label %release
release:
  call void @Py_DecRef(ptr %old)
  br label %dropped
dropped:
  br label %drop
error:
  %raised = call ptr @PyErr_Occurred()
  %israised = icmp ne ptr %raised, null
  br i1 %israised, label %fail, label %slowly
fail:
  ret ptr null

work:
  %needs = icmp ne i64 %scratch, 0
  br i1 %needs, label %borrow, label %run
borrow:
  %little = icmp ule i64 %scratch, {ON_STACK}
  br i1 %little, label %onstack, label %onheap
onstack:
  %local = alloca i8, i64 %scratch, align 64
  br label %lend
onheap:
  %memory = call ptr @PyMem_RawMalloc(i64 %scratch)
  %poor = icmp eq ptr %memory, null
  br i1 %poor, label %toopoor, label %lend
toopoor:
  %unused = call ptr @PyErr_NoMemory()
  br label %dropall
lend:
  %room = phi ptr [ %local, %onstack ], [ %memory, %onheap ]
  %borrowed = phi ptr [ null, %onstack ], [ %memory, %onheap ]
  %lastbuf = sub i64 %nbufs, 1
  %lastbuf.p = getelementptr ptr, ptr %bufs, i64 %lastbuf
  store ptr %room, ptr %lastbuf.p
  br label %run
run:
  %lent = phi ptr [ null, %work ], [ %borrowed, %lend ]
  %islong = icmp ne i64 %long, 0
  br i1 %islong, label %freely, label %held
freely:
  call void @hold(ptr @Py_IncRef, i64 %nodes, ptr %nodetable, ptr %objects)
  %thread = call ptr @PyEval_SaveThread()
  %status1 = call i32 %kernel(ptr %bufs)
  call void @PyEval_RestoreThread(ptr %thread)
  call void @hold(ptr @Py_DecRef, i64 %nodes, ptr %nodetable, ptr %objects)
  br label %ran
held:
  %status2 = call i32 %kernel(ptr %bufs)
  br label %ran
ran:
  %status = phi i32 [ %status1, %freely ], [ %status2, %held ]
  %islent = icmp ne ptr %lent, null
  br i1 %islent, label %giveback, label %judge
giveback:
  call void @PyMem_RawFree(ptr %lent)
  br label %judge
judge:
  %good = icmp eq i32 %status, 0
  br i1 %good, label %numbers, label %dropall
numbers:
  %s = phi i64 [ 0, %judge ], [ %s1, %boxed ]
  %allboxed = icmp eq i64 %s, %outs
  br i1 %allboxed, label %build, label %box
box:
  %s1 = add i64 %s, 1
  %boxed.p = getelementptr ptr, ptr %results, i64 %s
  %have = load ptr, ptr %boxed.p
  %done = icmp ne ptr %have, null
  br i1 %done, label %boxed, label %boxit
boxit:
  %sat = mul i64 %s, 4
  %s.t = getelementptr i64, ptr %outtable, i64 %sat
{f("sdtype", "%s.t", OUT_DTYPE, "ptr")}
{f("sslot", "%s.t", OUT_SLOT)}
  %sbuf.p = getelementptr ptr, ptr %bufs, i64 %sslot
  %sbuf = load ptr, ptr %sbuf.p
  %box.o = call ptr @PyArray_Scalar(ptr %sbuf, ptr %sdtype, ptr null)
  store ptr %box.o, ptr %boxed.p
  %nobox = icmp eq ptr %box.o, null
  br i1 %nobox, label %dropall, label %boxed
boxed:
  br label %numbers
dropall:
  br label %dropeach
dropeach:
  %e = phi i64 [ %outs, %dropall ], [ %e1, %eachgone ]
  %allgone = icmp eq i64 %e, 0
  br i1 %allgone, label %error, label %eachone
eachone:
  %e1 = sub i64 %e, 1
  %each.p = getelementptr ptr, ptr %results, i64 %e1
  %each = load ptr, ptr %each.p
  %eachnull = icmp eq ptr %each, null
  br i1 %eachnull, label %eachgone, label %eachdrop
eachdrop:
  call void @Py_DecRef(ptr %each)
  br label %eachgone
eachgone:
  br label %dropeach

build:
{f("steps", "%d", STEPS)}
{f("steptable", "%d", STEP_TABLE, "ptr")}
  %pile = alloca ptr, i64 %steps
  br label %step
step:
  %t = phi i64 [ 0, %build ], [ %t1, %stepped ]
  %h = phi i64 [ 0, %build ], [ %h1, %stepped ]
  %built = icmp eq i64 %t, %steps
  br i1 %built, label %give, label %do
do:
  %t1 = add i64 %t, 1
  %tat = mul i64 %t, 3
  %t.t = getelementptr i64, ptr %steptable, i64 %tat
{f("what", "%t.t", 0)}
{f("count", "%t.t", 1)}
{f("keys", "%t.t", 2, "ptr")}
  %isleaf = icmp eq i64 %what, {LEAF}
  br i1 %isleaf, label %leaf, label %gather
leaf:
  %leaf.p = getelementptr ptr, ptr %results, i64 %count
  %leaf.o = load ptr, ptr %leaf.p
  %top.p = getelementptr ptr, ptr %pile, i64 %h
  store ptr %leaf.o, ptr %top.p
  %h.leaf = add i64 %h, 1
  br label %stepped
gather:
  %base = sub i64 %h, %count
  %istuple = icmp eq i64 %what, {TUPLE}
  br i1 %istuple, label %newtuple, label %nottuple
nottuple:
  %islist = icmp eq i64 %what, {LIST}
  br i1 %islist, label %newlist, label %newdict
newtuple:
  %tuple.n = call ptr @PyTuple_New(i64 %count)
  br label %fill
newlist:
  %list.n = call ptr @PyList_New(i64 %count)
  br label %fill
newdict:
  %dict.n = call ptr @PyDict_New()
  br label %fill
fill:
  %box.n = phi ptr [ %tuple.n, %newtuple ], [ %list.n, %newlist ], [ %dict.n, %newdict ]
  br label %put
put:
  %u = phi i64 [ 0, %fill ], [ %u1, %puts ]
  %full = icmp eq i64 %u, %count
  br i1 %full, label %onpile, label %putone
putone:
  %u1 = add i64 %u, 1
  %from = add i64 %base, %u
  %from.p = getelementptr ptr, ptr %pile, i64 %from
  %from.o = load ptr, ptr %from.p
  switch i64 %what, label %putdict [ i64 {TUPLE}, label %puttuple i64 {LIST}, label %putlist ]
puttuple:
  %r1 = call i32 @PyTuple_SetItem(ptr %box.n, i64 %u, ptr %from.o)
  br label %puts
putlist:
  %r2 = call i32 @PyList_SetItem(ptr %box.n, i64 %u, ptr %from.o)
  br label %puts
putdict:
  %key.p = getelementptr ptr, ptr %keys, i64 %u
  %key.o = load ptr, ptr %key.p
  %r3 = call i32 @PyDict_SetItem(ptr %box.n, ptr %key.o, ptr %from.o)
  call void @Py_DecRef(ptr %from.o)
  br label %puts
puts:
  br label %put
onpile:
  %onto.p = getelementptr ptr, ptr %pile, i64 %base
  store ptr %box.n, ptr %onto.p
  %h.box = add i64 %base, 1
  br label %stepped
stepped:
  %h1 = phi i64 [ %h.leaf, %leaf ], [ %h.box, %onpile ]
  br label %step
give:
  %whole = load ptr, ptr %pile
  ret ptr %whole
}}
declare ptr @llvm.stacksave.p0()
declare void @llvm.stackrestore.p0(ptr)

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
  %at = mul i64 %n, {NODE_WORDS}
  %node.t = getelementptr i64, ptr %nodetable, i64 %at
{f("kind", "%node.t", KIND)}
  %isarray = icmp eq i64 %kind, {ARRAY}
  %isanumber = icmp eq i64 %kind, {NUMBER}
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
{_visit(8, "type")}
{_visit(SLOW, "slow")}
{_visit(KEPT, "kept")}
{_visit(DICTIONARY, "dictionary")}
  ret i32 0
}}
"""


def _visit(offset: int, name: str) -> str:
    """Tell the garbage collector of what a function object holds."""
    return f"""{_offset(name, "%self", offset, "ptr")}
  %{name}.none = icmp eq ptr %{name}, null
  br i1 %{name}.none, label %past.{name}, label %visit.{name}
visit.{name}:
  %{name}.r = call i32 %visit(ptr %{name}, ptr %arg)
  %{name}.ok = icmp eq i32 %{name}.r, 0
  br i1 %{name}.ok, label %past.{name}, label %stop.{name}
stop.{name}:
  ret i32 %{name}.r
past.{name}:"""
