// Command sources serves what a chart can come from: an OCI registry, an HTTP chart repository, and
// places that go wrong in the ways that real ones do. The cluster's DNS leads their names here.
//
// Holds always: only the addresses that it is given are listened on, and they belong to the host end
// of the cluster's veth, so nothing outside this machine can reach it. Every certificate is made at
// run time; the authority that signs them is trusted by the tests' Helm images and by nobody else.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Names that are served over TLS. Helm finds each by the cluster's DNS (see up.sh).
const (
	ghcr       = "ghcr.io"                      // a registry that wants an anonymous token first, as GitHub's does
	pages      = "crossplane-contrib.github.io" // the HTTP chart repository
	private    = "private.registry.test"        // a registry with a login, and below /charts/ a repository
	limited    = "limited.registry.test"        // a registry that answers 429
	slow       = "slow.registry.test"           // a registry that holds its answers until told
	untrusted  = "untrusted.registry.test"      // a registry whose certificate nobody trusts
	admission  = "admission.test"               // an admission webhook that denies everything
	misnamed   = "misnamed.registry.test"       // a registry whose certificate is another name's
	expired    = "expired.registry.test"        // a registry whose certificate has expired
	repository = "/crossview/"                  // path of the chart repository on `pages`
	login      = "reader"                       // user of `private`
	password   = "correct horse battery staple" // password of `private`, known to the tests
)

func main() {
	address := flag.String("address", "", "IPv4 address to serve on: 443 TLS, 5000 plain registry, 5001 control")
	silent := flag.String("silent-address", "", "IPv4 address whose port 443 accepts connections and never says a word")
	charts := flag.String("charts", "", "folder of the HTTP chart repository: index.yaml and *.tgz")
	caCert := flag.String("ca-cert", "", "PEM certificate of the trusted test authority")
	caKey := flag.String("ca-key", "", "PEM key of the trusted test authority")
	unknown := flag.String("unknown-ca-file", "", "where the certificate of the authority that nobody knows is written")
	ready := flag.String("ready-file", "", "made once everything listens")
	flag.Parse()
	if err := serve(*address, *silent, *charts, *caCert, *caKey, *unknown, *ready); err != nil {
		fmt.Fprintln(os.Stderr, "sources:", err)
		os.Exit(1)
	}
}

// serve listens everywhere, says so by the ready file, and returns when one of the servers fails.
func serve(address, silent, charts, caCert, caKey, unknown, ready string) error {
	issuer, err := newIssuer(caCert, caKey)
	if err != nil {
		return err
	}
	if unknown != "" {
		if err := os.WriteFile(unknown, issuer.unknown.pem(), 0o644); err != nil {
			return err
		}
	}
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	gate := newGate(maxHold)
	outside := map[string]http.Handler{
		ghcr:      anonymousToken(ghcr, readOnly(store)),
		pages:     http.StripPrefix(repository, http.FileServer(http.Dir(charts))),
		private:   basicAuth(login, password, withRepository(charts, readOnly(store))),
		limited:   http.HandlerFunc(tooManyRequests),
		slow:      gate.hold(readOnly(store)),
		untrusted: readOnly(store),
		expired:   readOnly(store),
		misnamed:  readOnly(store),
		admission: http.HandlerFunc(denyAdmission),
	}

	failed := make(chan error)
	listen := func(address string, server func(net.Listener) error) error {
		listener, err := net.Listen("tcp4", address)
		if err == nil {
			go func() { failed <- fmt.Errorf("%s: %w", address, server(listener)) }()
		}
		return err
	}
	err = errors.Join(
		listen(address+":443", func(l net.Listener) error {
			return http.Serve(tls.NewListener(l, issuer.config()), logged(byHost(outside)))
		}),
		// Charts are pushed here, and containerd looks here for images that are not preloaded.
		listen(address+":5000", func(l net.Listener) error { return http.Serve(l, logged(store)) }),
		listen(address+":5001", func(l net.Listener) error { return http.Serve(l, gate.control()) }),
		listen(silent+":443", acceptAndSayNothing),
	)
	if err != nil {
		return err
	}
	if ready != "" {
		if err := os.WriteFile(ready, nil, 0o644); err != nil {
			return err
		}
	}
	return <-failed
}

// acceptAndSayNothing keeps every connection open, so that a client runs into its own time-out.
func acceptAndSayNothing(listener net.Listener) error {
	var open []net.Conn // kept, or the garbage collector would close them
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("after %d connections: %w", len(open), err)
		}
		open = append(open, conn)
	}
}

// logged writes a line for each request once it has been answered.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		log.Printf("%s %s%s %d %v %q", r.Method, r.Host, r.URL.RequestURI(), recorder.status,
			time.Since(began).Round(time.Millisecond), r.UserAgent())
	})
}

// statusRecorder remembers the status of an answer for the log.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
