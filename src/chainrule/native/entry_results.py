"""The part of the entry that makes the outputs, runs the kernel, and builds the result."""

from __future__ import annotations

from . import descriptor as d
from .entry_words import field, offset


def results_text() -> str:
    """From where all fits to the result; a kernel that fails goes on at `slowly`."""
    f, o = field, offset
    return f"""
fitting:
{f("outs", "%d", d.OUTPUTS)}
{f("outtable", "%d", d.OUTPUT_TABLE, "ptr")}
{f("kernel", "%d", d.KERNEL, "ptr")}
{f("long", "%d", d.LONG)}
{f("scratch", "%d", d.SCRATCH)}
  %results = alloca ptr, i64 %outs
  br label %output
output:
  %j = phi i64 [ 0, %fitting ], [ %j1, %made ]
  %allmade = icmp eq i64 %j, %outs
  br i1 %allmade, label %work, label %make
make:
  %outat = mul i64 %j, {d.OUT_WORDS}
  %out.t = getelementptr i64, ptr %outtable, i64 %outat
{f("orank", "%out.t", d.OUT_RANK)}
{f("odtype", "%out.t", d.OUT_DTYPE, "ptr")}
{f("oshape", "%out.t", d.OUT_SHAPE, "ptr")}
{f("oslot", "%out.t", d.OUT_SLOT)}
{f("ozeroed", "%out.t", d.OUT_ZEROED)}
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
  %isplain = icmp eq i64 %ozeroed, 0
  br i1 %isplain, label %plainarray, label %zeroarray
plainarray:
  %anyarray = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %odtype, i32 %orank32, ptr %oshape,
    ptr null, ptr null, i32 0, ptr null)
  br label %arrived
zeroarray:
  %zerosarray = call ptr @PyArray_Zeros(i32 %orank32, ptr %oshape, ptr %odtype, i32 0)
  br label %arrived
arrived:
  %fresh = phi ptr [ %anyarray, %plainarray ], [ %zerosarray, %zeroarray ]
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
  %q = phi i64 [ %j, %arrived ], [ %q1, %dropped ]
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
  %little = icmp ule i64 %scratch, {d.ON_STACK}
  br i1 %little, label %onstack, label %onheap
onstack:
  %local = alloca i8, i64 %scratch, align 64
  br label %lend
onheap:
  %memory = call ptr @borrow(i64 %scratch)
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
  call void @giveback(ptr %lent)
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
  %sat = mul i64 %s, {d.OUT_WORDS}
  %s.t = getelementptr i64, ptr %outtable, i64 %sat
{f("sdtype", "%s.t", d.OUT_DTYPE, "ptr")}
{f("sslot", "%s.t", d.OUT_SLOT)}
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
{f("steps", "%d", d.STEPS)}
{f("steptable", "%d", d.STEP_TABLE, "ptr")}
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
  %isleaf = icmp eq i64 %what, {d.LEAF}
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
  %istuple = icmp eq i64 %what, {d.TUPLE}
  br i1 %istuple, label %newtuple, label %nottuple
nottuple:
  %islist = icmp eq i64 %what, {d.LIST}
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
  switch i64 %what, label %putdict [ i64 {d.TUPLE}, label %puttuple i64 {d.LIST}, label %putlist ]
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
"""


def memory_text() -> str:
    """Scratch memory: a block that a call has given back is kept for the next, so that its pages need not be made anew.

    There is at most one such block in the process, of at most `MOST_KEPT` bytes; its first word is its size.
    """
    return f"""
@spare = internal global ptr null

define internal ptr @borrow(i64 %size) noinline {{
begin:
  %old = atomicrmw xchg ptr @spare, ptr null acq_rel
  %none = icmp eq ptr %old, null
  br i1 %none, label %fresh, label %look
look:
  %have = load i64, ptr %old
  %enough = icmp uge i64 %have, %size
  br i1 %enough, label %use, label %small
use:
  %kept = getelementptr i8, ptr %old, i64 64
  ret ptr %kept
small:
  call void @PyMem_RawFree(ptr %old)
  br label %fresh
fresh:
  %total = add i64 %size, 64
  %new = call ptr @PyMem_RawMalloc(i64 %total)
  %poor = icmp eq ptr %new, null
  br i1 %poor, label %sorry, label %made
made:
  store i64 %size, ptr %new
  %room = getelementptr i8, ptr %new, i64 64
  ret ptr %room
sorry:
  ret ptr null
}}

define internal void @giveback(ptr %room) noinline {{
begin:
  %block = getelementptr i8, ptr %room, i64 -64
  %size = load i64, ptr %block
  %large = icmp ugt i64 %size, {d.MOST_KEPT}
  br i1 %large, label %free, label %keep
keep:
  %other = atomicrmw xchg ptr @spare, ptr %block acq_rel
  %none = icmp eq ptr %other, null
  br i1 %none, label %done, label %free
free:
  %gone = phi ptr [ %block, %begin ], [ %other, %keep ]
  call void @PyMem_RawFree(ptr %gone)
  br label %done
done:
  ret void
}}
"""
