package main

import (
	"net/http"
	"sync"
	"time"
)

// maxHold bounds how long one answer is held back, so that a test that died leaves nothing hanging.
const maxHold = 5 * time.Minute

// gate holds requests back until it is opened, so that a test can look at an operation, or stop it,
// while Helm waits for its chart. It is closed at first.
type gate struct {
	bound time.Duration

	mu      sync.Mutex
	opened  chan struct{} // closed while the gate is open
	open    bool
	waiting int
}

func newGate(bound time.Duration) *gate {
	return &gate{bound: bound, opened: make(chan struct{})}
}

// hold answers by `next` once the gate is open, the bound is over, or not at all if the client leaves.
func (g *gate) hold(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.waiting++
		opened := g.opened
		g.mu.Unlock()
		bound := time.NewTimer(g.bound)
		defer bound.Stop()
		gone := false
		select {
		case <-opened:
		case <-bound.C:
		case <-r.Context().Done():
			gone = true
		}
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
		if !gone {
			next.ServeHTTP(w, r)
		}
	})
}

// control lets a test work the gate: POST /slow/hold, POST /slow/release, and GET /slow, which answers
// {"held": bool, "waiting": number of requests held now}, as the other two do.
func (g *gate) control() http.Handler {
	set := func(open bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			g.set(open)
			g.report(w)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) { g.report(w) })
	mux.HandleFunc("POST /slow/hold", set(false))
	mux.HandleFunc("POST /slow/release", set(true))
	return mux
}

// set opens or closes the gate; setting it as it is changes nothing.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if open == g.open {
		return
	}
	g.open = open
	if open {
		close(g.opened)
	} else {
		g.opened = make(chan struct{})
	}
}

func (g *gate) report(w http.ResponseWriter) {
	g.mu.Lock()
	held, waiting := !g.open, g.waiting
	g.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"held": held, "waiting": waiting})
}
