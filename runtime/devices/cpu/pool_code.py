"""How threads share the iterations of a loop: LLVM code that runs without Python.

`run` is called by the thread that leads, in the middle of a program; `work` is where the others are
in the meantime. They meet in the team, a block of 64-bit words. A loop is cut into parts, and each
thread has a range of them, as one word, `turn | next | end`: it takes the next part by raising
`next`, atomically, and when its own range is empty it takes from the others'. A thread that is not
running therefore costs nothing but the part that it has taken. `turn` is the loop's number, so that
who comes too late takes nothing of a later loop unknowingly; what the loop is was written before
the ranges are, and stays until the last part is done.

A thread that has nothing to do looks again, after a pause of some cycles; after a thousand looks it
gives its core to whoever wants it between two looks; later it sleeps. The leader does not sleep.

A loop is shared if it is known to take long enough, by the clock: at its site in the program stands
the time of an iteration, in 1024ths of a nanosecond. Of a loop that is far from it, the time is not
taken again.
"""

from __future__ import annotations

import time

TEAM = "chainrule_team"  # a program's variable: the address of the team that a call has, or null
# Words of a team. What several threads write has a cache line of its own.
RUN, YIELD, SLEEP, CLOCK = range(4)  # addresses of functions
THREADS, LONG = 4, 5  # how many take part; from which time on a loop is shared
SESSION = 8  # an odd number while a program is running
TURN, ACTIVE = 16, 17  # the number of the loop; whether it is running
LOOP = 24  # body, context, iterations, parts
DONE = 32  # parts that are done
RANGES = 40  # of each thread, LINE words apart
LINE = 8

PARTS = 8  # of a loop, for each thread; a thread that was late has others take some
WORTH = 5_000 << 10  # 1024ths of a nanosecond that a loop must take for it to be shared
LOOKS, YIELDS = 1_000, 1_500  # so many times an idle thread looks, with a pause; then without one
SLEEP_MICROSECONDS = 50
PAUSES = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

CODE = """
{declare_pause}

define internal ptr @word(ptr %team, i64 %index) alwaysinline {{
  %where = getelementptr i64, ptr %team, i64 %index
  ret ptr %where
}}

define internal i64 @now(ptr %team) {{
  %time = alloca {{i64, i64}}
  %place = call ptr @word(ptr %team, i64 {CLOCK})
  %clock = load ptr, ptr %place
  %ignored = call i32 %clock(i32 {clock_number}, ptr %time)
  %seconds = load i64, ptr %time
  %rest = getelementptr i64, ptr %time, i64 1
  %nanoseconds = load i64, ptr %rest
  %large = mul i64 %seconds, 1000000000
  %all = add i64 %large, %nanoseconds
  ret i64 %all
}}

; The address of a thread's range.
define internal ptr @range(ptr %team, i64 %thread) alwaysinline {{
  %line = mul i64 %thread, {LINE}
  %index = add i64 %line, {RANGES}
  %where = call ptr @word(ptr %team, i64 %index)
  ret ptr %where
}}

; Where a part of a loop begins.
define internal i64 @begin(i64 %part, i64 %iterations, i64 %parts) alwaysinline {{
  %scaled = mul i64 %part, %iterations
  %first = udiv i64 %scaled, %parts
  ret i64 %first
}}

; Take parts, from one's own range first, until there are no more; how many iterations that were.
define internal i64 @share(ptr %team, i64 %me) {{
entry:
  %count.place = call ptr @word(ptr %team, i64 {THREADS})
  %threads = load atomic i64, ptr %count.place monotonic, align 8
  %body.place = call ptr @word(ptr %team, i64 {LOOP})
  %context.place = getelementptr i64, ptr %body.place, i64 1
  %iterations.place = getelementptr i64, ptr %body.place, i64 2
  %parts.place = getelementptr i64, ptr %body.place, i64 3
  %done = call ptr @word(ptr %team, i64 {DONE})
  br label %whose
whose:
  %round = phi i64 [0, %entry], [%round.next, %none]
  %mine = phi i64 [0, %entry], [%mine.so.far, %none]
  %behind = add i64 %me, %round
  %thread = urem i64 %behind, %threads
  %range = call ptr @range(ptr %team, i64 %thread)
  br label %look
look:
  %mine.so.far = phi i64 [%mine, %whose], [%mine.so.far, %try], [%mine.now, %taken]
  %word = load atomic i64, ptr %range acquire, align 8
  %shifted = lshr i64 %word, 16
  %next = and i64 %shifted, 65535
  %end = and i64 %word, 65535
  %some = icmp ult i64 %next, %end
  br i1 %some, label %try, label %none
try:
  %raised = add i64 %word, 65536
  %exchange = cmpxchg ptr %range, i64 %word, i64 %raised acq_rel monotonic
  %success = extractvalue {{i64, i1}} %exchange, 1
  br i1 %success, label %taken, label %look
taken:
  %body = load ptr, ptr %body.place
  %context = load ptr, ptr %context.place
  %iterations = load i64, ptr %iterations.place
  %parts = load i64, ptr %parts.place
  %first = call i64 @begin(i64 %next, i64 %iterations, i64 %parts)
  %after = add i64 %next, 1
  %last = call i64 @begin(i64 %after, i64 %iterations, i64 %parts)
  call void %body(ptr %context, i64 %first, i64 %last)
  %before = atomicrmw add ptr %done, i64 1 release
  %size = sub i64 %last, %first
  %mine.now = add i64 %mine.so.far, %size
  br label %look
none:
  %round.next = add i64 %round, 1
  %more = icmp ult i64 %round.next, %threads
  br i1 %more, label %whose, label %end.of.loop
end.of.loop:
  ret i64 %mine.so.far
}}

; Remember how long iterations of a loop take: three quarters of what was known, and what was seen.
define internal void @learn(ptr %site, i64 %time, i64 %iterations) {{
  %known = load i64, ptr %site
  %fine = shl i64 %time, 10
  %each = udiv i64 %fine, %iterations
  %first = icmp eq i64 %known, 0
  %quarter = lshr i64 %known, 2
  %kept = sub i64 %known, %quarter
  %seen = lshr i64 %each, 2
  %mixed = add i64 %kept, %seen
  %new = select i1 %first, i64 %each, i64 %mixed
  %positive = call i64 @llvm.umax.i64(i64 %new, i64 1)
  store i64 %positive, ptr %site
  ret void
}}
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)

; A loop of two or more iterations, alone or together.
define void @chainrule_run(ptr %team, ptr %body, ptr %context, i64 %iterations, ptr %site) {{
entry:
  %active = call ptr @word(ptr %team, i64 {ACTIVE})
  %is.active = load atomic i64, ptr %active monotonic, align 8
  %nested = icmp ne i64 %is.active, 0
  br i1 %nested, label %inside, label %outermost
inside:
  call void %body(ptr %context, i64 0, i64 %iterations)
  ret void
outermost:
  %known = load i64, ptr %site
  %whole = mul i64 %known, %iterations
  %worth.place = call ptr @word(ptr %team, i64 {LONG})
  %worth = load i64, ptr %worth.place
  %far.below = lshr i64 %worth, 2
  %less = sub i64 %whole, 1
  %is.short = icmp ult i64 %less, %far.below
  br i1 %is.short, label %inside, label %timed
timed:
  %is.long = icmp ugt i64 %whole, %worth
  %start = call i64 @now(ptr %team)
  br i1 %is.long, label %together, label %alone
alone:
  call void %body(ptr %context, i64 0, i64 %iterations)
  br label %end
together:
  %count.place = call ptr @word(ptr %team, i64 {THREADS})
  %threads = load i64, ptr %count.place
  %wanted = mul i64 %threads, {PARTS}
  %parts = call i64 @llvm.umin.i64(i64 %iterations, i64 %wanted)
  %body.place = call ptr @word(ptr %team, i64 {LOOP})
  %context.place = getelementptr i64, ptr %body.place, i64 1
  %iterations.place = getelementptr i64, ptr %body.place, i64 2
  %parts.place = getelementptr i64, ptr %body.place, i64 3
  store ptr %body, ptr %body.place
  store ptr %context, ptr %context.place
  store i64 %iterations, ptr %iterations.place
  store i64 %parts, ptr %parts.place
  %done = call ptr @word(ptr %team, i64 {DONE})
  store atomic i64 0, ptr %done monotonic, align 8
  store atomic i64 1, ptr %active monotonic, align 8
  %turn.place = call ptr @word(ptr %team, i64 {TURN})
  %turn.before = load i64, ptr %turn.place
  %turn = add i64 %turn.before, 1
  store i64 %turn, ptr %turn.place
  %turn.bits = shl i64 %turn, 32
  br label %publish
publish:
  %thread = phi i64 [0, %together], [%thread.next, %publish]
  %thread.next = add i64 %thread, 1
  %range = call ptr @range(ptr %team, i64 %thread)
  %first = call i64 @begin(i64 %thread, i64 %parts, i64 %threads)
  %last = call i64 @begin(i64 %thread.next, i64 %parts, i64 %threads)
  %first.bits = shl i64 %first, 16
  %upper = or i64 %turn.bits, %first.bits
  %word = or i64 %upper, %last
  store atomic i64 %word, ptr %range release, align 8
  %all = icmp eq i64 %thread.next, %threads
  br i1 %all, label %published, label %publish
published:
  %mine = call i64 @share(ptr %team, i64 0)
  %own.end = call i64 @now(ptr %team)
  br label %wait
wait:
  %looks = phi i64 [0, %published], [%looks.next, %paused], [%looks.next, %yielded]
  %ready = load atomic i64, ptr %done acquire, align 8
  %complete = icmp eq i64 %ready, %parts
  br i1 %complete, label %finished, label %not.yet
not.yet:
  %looks.next = add i64 %looks, 1
  %patient = icmp ult i64 %looks, {LOOKS}
  br i1 %patient, label %paused, label %yielded
paused:
  {pause}
  br label %wait
yielded:
  %yield.place = call ptr @word(ptr %team, i64 {YIELD})
  %yield = load ptr, ptr %yield.place
  %ignored = call i32 %yield()
  br label %wait
finished:
  store atomic i64 0, ptr %active monotonic, align 8
  %none = icmp eq i64 %mine, 0
  br i1 %none, label %unknown, label %end
unknown:
  ret void
end:
  %iterations.run = phi i64 [%iterations, %alone], [%mine, %finished]
  %stop.shared = phi i64 [0, %alone], [%own.end, %finished]
  %was.shared = icmp ne i64 %stop.shared, 0
  br i1 %was.shared, label %learned, label %read.clock
read.clock:
  %stop.alone = call i64 @now(ptr %team)
  br label %learned
learned:
  %stop = phi i64 [%stop.shared, %end], [%stop.alone, %read.clock]
  %time = sub i64 %stop, %start
  call void @learn(ptr %site, i64 %time, i64 %iterations.run)
  ret void
}}

; What a thread does while a program is running. Its argument: the team, and its own number.
define i64 @chainrule_work(ptr %block) {{
entry:
  %team = load ptr, ptr %block
  %me.place = getelementptr i64, ptr %block, i64 1
  %me = load i64, ptr %me.place
  %session.place = call ptr @word(ptr %team, i64 {SESSION})
  %session = load atomic i64, ptr %session.place acquire, align 8
  %odd = and i64 %session, 1
  %is.open = icmp ne i64 %odd, 0
  %range = call ptr @range(ptr %team, i64 %me)
  br i1 %is.open, label %look, label %leave
look:
  %looks = phi i64 [0, %entry], [0, %work], [%looks.next, %idle], [%looks.next, %paused],
                   [%looks.next, %yielded], [%looks, %asleep]
  %seen = phi i64 [0, %entry], [%turn, %work], [%seen, %idle], [%seen, %paused],
                  [%seen, %yielded], [%seen, %asleep]
  %session.now = load atomic i64, ptr %session.place monotonic, align 8
  %goes.on = icmp eq i64 %session.now, %session
  br i1 %goes.on, label %any, label %leave
any:
  %word = load atomic i64, ptr %range acquire, align 8
  %turn = lshr i64 %word, 32
  %new = icmp ne i64 %turn, %seen
  br i1 %new, label %work, label %idle
work:
  %ignored = call i64 @share(ptr %team, i64 %me)
  br label %look
idle:
  %looks.next = add i64 %looks, 1
  %fresh = icmp ult i64 %looks, {LOOKS}
  %awake = icmp ult i64 %looks, {YIELDS}
  %kind = select i1 %awake, i64 1, i64 2
  %how = select i1 %fresh, i64 0, i64 %kind
  switch i64 %how, label %look [i64 0, label %paused  i64 1, label %yielded  i64 2, label %asleep]
paused:
  {pause}
  br label %look
yielded:
  %yield.place = call ptr @word(ptr %team, i64 {YIELD})
  %yield = load ptr, ptr %yield.place
  %ignored.too = call i32 %yield()
  br label %look
asleep:
  %sleep.place = call ptr @word(ptr %team, i64 {SLEEP})
  %sleep = load ptr, ptr %sleep.place
  %ignored.as.well = call i32 %sleep(i32 {SLEEP_MICROSECONDS})
  br label %look
leave:
  ret i64 0
}}
"""


def code(machine: str) -> str:
    """The code, as LLVM's text, for a machine of this architecture."""
    declaration, pause = PAUSES.get(machine, ("", ""))
    return CODE.format(
        **{name: value for name, value in globals().items() if name.isupper()},
        declare_pause=declaration,
        pause=pause,
        clock_number=time.CLOCK_MONOTONIC,
    )
