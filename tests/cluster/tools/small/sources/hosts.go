package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// byHost picks a handler by the name in the request; a name that is not served is 404.
func byHost(handlers map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, known := handlers[r.Host]; known {
			handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// withRepository serves a chart repository below /charts/ beside what else there is.
func withRepository(charts string, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/charts/", http.StripPrefix("/charts/", http.FileServer(http.Dir(charts))))
	mux.Handle("/", next)
	return mux
}

// readOnly refuses what would change a registry: the names outside are for pulling.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			registryError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// anonymousToken is a registry that gives a token to anyone who names a repository that exists, and
// denies the token for one that does not: GitHub's registry answers a wrong chart name that way, so
// Helm's words are "denied", not "not found". Protocol: the distribution project's token scheme.
func anonymousToken(service string, next http.Handler) http.Handler {
	token := rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		for _, scope := range r.URL.Query()["scope"] {
			parts := strings.Split(scope, ":")
			if len(parts) != 3 || !repositoryExists(next, parts[1]) {
				registryError(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
				return
			}
		}
		writeJSON(w, http.StatusOK, map[string]string{"token": token})
	})
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+token {
			next.ServeHTTP(w, r)
			return
		}
		challenge := fmt.Sprintf(`Bearer realm="https://%s/token",service="%s"`, service, service)
		if repository := repositoryOf(r.URL.Path); repository != "" {
			challenge += fmt.Sprintf(`,scope="repository:%s:pull"`, repository)
		}
		w.Header().Set("WWW-Authenticate", challenge)
		registryError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	})
	return mux
}

// repositoryOf is the repository's name in a registry path such as /v2/NAME/manifests/TAG, or "".
func repositoryOf(path string) string {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if name, _, found := strings.Cut(rest, kind); found {
			return name
		}
	}
	return ""
}

// repositoryExists asks the registry for the repository's tags.
func repositoryExists(store http.Handler, repository string) bool {
	request := httptest.NewRequest(http.MethodGet, "/v2/"+repository+"/tags/list", nil)
	recorder := httptest.NewRecorder()
	store.ServeHTTP(recorder, request)
	return recorder.Code == http.StatusOK
}

// basicAuth lets nobody in but one user.
func basicAuth(user, secret string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gotUser, gotSecret, _ := r.BasicAuth()
		if gotUser == user && subtle.ConstantTimeCompare([]byte(gotSecret), []byte(secret)) == 1 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Registry Realm"`)
		registryError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	})
}

// tooManyRequests answers as a registry does whose rate limit is used up.
func tooManyRequests(w http.ResponseWriter, _ *http.Request) {
	registryError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit.")
}

// registryError writes an error in the form of the distribution specification.
func registryError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that went away needs no answer
}
