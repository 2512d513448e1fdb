package policy

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// guard stops a worker's evaluation when it is over the budget. It is a
// topdown.Cancel: evaluation asks it at each step, which costs two loads.
//
// What is bounded: the time of one policy over one object, and the memory that
// is in use beyond what was when the review began. Both are looked at from
// outside every watchPeriod, and an evaluation ends at its next step. A single
// call of a built-in is one step; those that work for long (numbers.range,
// net.cidr_expand, regex.replace) ask too.
type guard struct {
	// seq counts up by one when an evaluation begins, to odd, and ends, to even.
	seq atomic.Uint64
	// clock is the time of the watch's last look, started that of the last
	// before the evaluation began, in nanoseconds; 0 before the first.
	clock, started atomic.Int64
	// stopped is the evaluation that is to end, and why.
	stopped atomic.Uint64
	memory  atomic.Bool

	mu    sync.Mutex
	abort context.CancelFunc // of a verdict that Gatekeeper is asked for
}

var _ topdown.Cancel = (*guard)(nil)

func (g *guard) begin() {
	g.started.Store(g.clock.Load())
	g.seq.Add(1)
}

func (g *guard) end() { g.seq.Add(1) }

// Cancel is for an interface's sake: the watch decides.
func (g *guard) Cancel() {}

// Cancelled tells whether the evaluation that runs now is to end.
func (g *guard) Cancelled() bool { return g.stopped.Load() == g.seq.Load() }

// why tells whether the evaluation was stopped, and for what.
func (g *guard) why() (late, large bool) {
	stopped, large := g.Cancelled(), g.memory.Load()
	return stopped && !large, stopped && large
}

// withContext gives a context that ends with the evaluation.
func (g *guard) withContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.abort = cancel
	return ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.abort = nil
		cancel()
	}
}

// running is the evaluation that runs and since when; 0 when none does.
func (g *guard) running() (seq uint64, since int64) {
	seq, since = g.seq.Load(), g.started.Load()
	if seq%2 == 0 || g.seq.Load() != seq {
		return 0, 0
	}
	return seq, since
}

func (g *guard) stop(seq uint64, memory bool) {
	g.memory.Store(memory)
	g.stopped.Store(seq)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.abort != nil && g.seq.Load() == seq {
		g.abort()
	}
}

// watchPeriod is how often a review looks after its evaluations; suspicious is
// how long one runs before growing memory is its doing: most take microseconds.
const (
	watchPeriod = 10 * time.Millisecond
	suspicious  = 20 * time.Millisecond
)

// watch looks after workers until done is closed.
func watch(guards []*guard, budget time.Duration, memory uint64, done <-chan struct{}) {
	base := heap()
	ticker := time.NewTicker(watchPeriod)
	defer ticker.Stop()
	for {
		var now int64
		select {
		case <-done:
			return
		case at := <-ticker.C:
			now = at.UnixNano()
		}
		var longest *guard
		var longestSeq uint64
		var longestTime time.Duration
		for _, g := range guards {
			g.clock.Store(now)
			seq, since := g.running()
			if since == 0 {
				g.started.CompareAndSwap(0, now)
				continue
			}
			took := time.Duration(now - since)
			switch {
			case took > budget:
				g.stop(seq, false)
			case took > suspicious && took > longestTime:
				longest, longestSeq, longestTime = g, seq, took
			}
		}
		if longest == nil || heap() < base+memory {
			continue
		}
		// Much of it may be garbage.
		if runtime.GC(); heap() > base+memory {
			longest.stop(longestSeq, true)
		}
	}
}

// heap is the memory of objects, dead ones that were not swept included, in bytes.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
