// Command record writes what Go's HTTP server sends, byte for byte, into a file for each kind of answer:
//
//	go run record.go
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// changed is when the file was changed that the server serves.
var changed = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/sized", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("Set-Cookie", "session=secret; HttpOnly")
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		for _, piece := range []string{"one ", "two ", strings.Repeat("three ", 10)} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Sum", "3")
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/login?next=/", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.txt", changed, strings.NewReader("a file of text"))
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = http.Serve(listener, mux) }()

	for name, request := range map[string]string{
		"sized":        "GET /sized HTTP/1.1\r\nHost: crossview\r\nConnection: close\r\n\r\n",
		"kept":         "GET /sized HTTP/1.1\r\nHost: crossview\r\n\r\nGET /sized HTTP/1.0\r\n\r\n",
		"chunked":      "GET /chunked HTTP/1.1\r\nHost: crossview\r\nConnection: close\r\n\r\n",
		"until-close":  "GET /chunked HTTP/1.0\r\n\r\n",
		"head":         "HEAD /sized HTTP/1.1\r\nHost: crossview\r\nConnection: close\r\n\r\n",
		"early-hints":  "GET /early HTTP/1.1\r\nHost: crossview\r\nConnection: close\r\n\r\n",
		"redirect":     "GET /redirect HTTP/1.1\r\nHost: crossview\r\nConnection: close\r\n\r\n",
		"part":         "GET /file HTTP/1.1\r\nHost: crossview\r\nRange: bytes=2-5\r\nConnection: close\r\n\r\n",
		"not-modified": "GET /file HTTP/1.1\r\nHost: crossview\r\nIf-Modified-Since: Thu, 29 Feb 2024 12:00:00 GMT\r\nConnection: close\r\n\r\n",
		"bad-request":  "nonsense\r\n\r\n",
	} {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		if _, err := io.WriteString(connection, request); err != nil {
			log.Fatal(err)
		}
		answer, err := io.ReadAll(connection)
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(name+".http", answer, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
