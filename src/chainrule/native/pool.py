"""Threads that share the pieces of one loop: a small pool of our own, written in LLVM IR over POSIX threads.

`run(piece, context, pieces, threads)` calls piece(context, k) for every k below `pieces`, each once, in any order; the
caller takes part, and all is done when it returns. One caller at a time has the pool; whoever finds it taken does its
pieces alone. Threads that have nothing to do look out for some µs, since another loop often follows, and then sleep. A
forked child has none of its parent's threads: it finds that the pool belongs to another process, and makes its own.
Where there are no POSIX threads, the caller does everything.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal

from .cache import Compiled, cached
from .llvm import load, object_code

_LOOKS = 20_000  # of a thread that waits, before it sleeps: some 10 µs


@functools.cache
def address() -> int:
    """Where `run` is in this process."""
    key, run = (b"pool", _pool()) if has_threads() else (b"no pool", _ALONE)
    made = cached(key, lambda: Compiled(object_code(_SERIAL + run)))
    loaded = load(made.code, ["run"])
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.library))  # threads sleep in it until the process ends
    return loaded["run"]


def has_threads() -> bool:
    """Whether this system's threads can be had."""
    return os.name == "posix" and hasattr(signal, "pthread_sigmask")


_SERIAL = """
define internal void @serially(ptr %piece, ptr %context, i64 %pieces) nounwind {
begin:
  br label %each
each:
  %k = phi i64 [ 0, %begin ], [ %k1, %each ]
  call void %piece(ptr %context, i64 %k)
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, %pieces
  br i1 %more, label %each, label %done
done:
  ret void
}
"""

_ALONE = """
define void @run(ptr %piece, ptr %context, i64 %pieces, i64 %threads) nounwind {
begin:
  call void @serially(ptr %piece, ptr %context, i64 %pieces)
  ret void
}
"""


def _pool() -> str:
    """The text. `busy` is 0, or the process whose caller has the pool: what a parent left there means nothing."""
    return f"""
@busy = internal global i64 0, align 64
@owner = internal global i64 0
@made = internal global i64 0
@mutex = internal global [128 x i8] zeroinitializer, align 64
@wake = internal global [128 x i8] zeroinitializer, align 64
@done = internal global [128 x i8] zeroinitializer, align 64
@piece = internal global ptr null
@context = internal global ptr null
@pieces = internal global i64 0
@places = internal global i64 0, align 64
@active = internal global i64 0, align 64
@next = internal global i64 0, align 64
declare i32 @getpid()
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)

; pieces, as long as there are any
define internal void @work(ptr %piece, ptr %context, i64 %pieces) nounwind {{
begin:
  br label %take
take:
  %k = atomicrmw add ptr @next, i64 1 acq_rel
  %is = icmp ult i64 %k, %pieces
  br i1 %is, label %do, label %done
do:
  call void %piece(ptr %context, i64 %k)
  br label %take
done:
  ret void
}}

; look at a number until it is 0 (or, with `wanted`, until it is not), but not for long
define internal void @glance(ptr %at, i1 %wanted) noinline nounwind {{
begin:
  br label %look
look:
  %n = phi i64 [ 0, %begin ], [ %n1, %look ]
  %n1 = add i64 %n, 1
  %x = load atomic i64, ptr %at monotonic, align 8
  %is = icmp ne i64 %x, 0
  %met = icmp eq i1 %is, %wanted
  %late = icmp eq i64 %n1, {_LOOKS}
  %stop = or i1 %met, %late
  br i1 %stop, label %done, label %look
done:
  ret void
}}

; what a thread does until the process ends
define internal ptr @helper(ptr %none) nounwind {{
begin:
  %l0 = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
look:
  %places = load i64, ptr @places
  %full = icmp eq i64 %places, 0
  br i1 %full, label %sleep, label %join
sleep:
  %w0 = call i32 @pthread_cond_wait(ptr @wake, ptr @mutex)
  br label %look
join:
  %fewer = sub i64 %places, 1
  store atomic i64 %fewer, ptr @places monotonic, align 8
  %before = load i64, ptr @active
  %more = add i64 %before, 1
  store atomic i64 %more, ptr @active monotonic, align 8
  %piece = load ptr, ptr @piece
  %context = load ptr, ptr @context
  %pieces = load i64, ptr @pieces
  %u0 = call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @work(ptr %piece, ptr %context, i64 %pieces)
  %l1 = call i32 @pthread_mutex_lock(ptr @mutex)
  %now = load i64, ptr @active
  %left = sub i64 %now, 1
  store atomic i64 %left, ptr @active monotonic, align 8
  %u1 = call i32 @pthread_mutex_unlock(ptr @mutex)
  %last = icmp eq i64 %left, 0
  br i1 %last, label %tell, label %linger
tell:
  %s0 = call i32 @pthread_cond_signal(ptr @done)
  br label %linger
linger:
  call void @glance(ptr @places, i1 true)
  %l2 = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %look
}}

; one more thread, in which no signal is handled: Python wants them elsewhere
define internal i32 @start() nounwind {{
begin:
  %thread = alloca ptr
  %all = alloca [128 x i8], align 16
  %old = alloca [128 x i8], align 16
  %f = call i32 @sigfillset(ptr %all)
  %m0 = call i32 @pthread_sigmask(i32 {int(signal.SIG_SETMASK)}, ptr %all, ptr %old)
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @helper, ptr null)
  %m1 = call i32 @pthread_sigmask(i32 {int(signal.SIG_SETMASK)}, ptr %old, ptr null)
  %good = icmp eq i32 %failed, 0
  br i1 %good, label %leave, label %done
leave:
  %made = load ptr, ptr %thread
  %d = call i32 @pthread_detach(ptr %made)
  br label %done
done:
  ret i32 %failed
}}

define void @run(ptr %piece, ptr %context, i64 %pieces, i64 %threads) nounwind {{
begin:
  %one = icmp ult i64 %threads, 2
  br i1 %one, label %alone, label %ask
alone:
  call void @serially(ptr %piece, ptr %context, i64 %pieces)
  ret void
ask:
  %pid32 = call i32 @getpid()
  %pid = zext i32 %pid32 to i64
  %who = load atomic i64, ptr @busy acquire, align 8
  %taken = icmp eq i64 %who, %pid
  br i1 %taken, label %alone, label %claim
claim:
  %pair = cmpxchg ptr @busy, i64 %who, i64 %pid acq_rel acquire
  %mine = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %mine, label %have, label %alone
have:
  %owner = load i64, ptr @owner
  %ours = icmp eq i64 %owner, %pid
  br i1 %ours, label %count, label %anew
anew:
  %i0 = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %i1 = call i32 @pthread_cond_init(ptr @wake, ptr null)
  %i2 = call i32 @pthread_cond_init(ptr @done, ptr null)
  store i64 0, ptr @made
  store i64 0, ptr @places
  store i64 0, ptr @active
  store i64 %pid, ptr @owner
  br label %count
count:
  %few = icmp ult i64 %threads, %pieces
  %least = select i1 %few, i64 %threads, i64 %pieces
  %wanted = sub i64 %least, 1
  br label %enough
enough:
  %made = load i64, ptr @made
  %lacks = icmp ult i64 %made, %wanted
  br i1 %lacks, label %another, label %open
another:
  %failed = call i32 @start()
  %started = icmp eq i32 %failed, 0
  br i1 %started, label %counted, label %open
counted:
  %made1 = add i64 %made, 1
  store i64 %made1, ptr @made
  br label %enough
open:
  %l0 = call i32 @pthread_mutex_lock(ptr @mutex)
  store ptr %piece, ptr @piece
  store ptr %context, ptr @context
  store i64 %pieces, ptr @pieces
  store atomic i64 0, ptr @next release, align 8
  store atomic i64 %wanted, ptr @places monotonic, align 8
  %u0 = call i32 @pthread_mutex_unlock(ptr @mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @wake)
  call void @work(ptr %piece, ptr %context, i64 %pieces)
  %l1 = call i32 @pthread_mutex_lock(ptr @mutex)
  store atomic i64 0, ptr @places monotonic, align 8
  %u2 = call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @glance(ptr @active, i1 false)
  %l2 = call i32 @pthread_mutex_lock(ptr @mutex)
  br label %others
others:
  %active = load i64, ptr @active
  %quiet = icmp eq i64 %active, 0
  br i1 %quiet, label %close, label %wait
wait:
  %w = call i32 @pthread_cond_wait(ptr @done, ptr @mutex)
  br label %others
close:
  %u1 = call i32 @pthread_mutex_unlock(ptr @mutex)
  store atomic i64 0, ptr @busy release, align 8
  ret void
}}
"""
