package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"time"
)

// day is how long a certificate lasts: longer than any run of the tests.
const day = 24 * time.Hour

// issuer makes a certificate for each name at its first use.
type issuer struct {
	trusted authority
	unknown authority // signs for `untrusted`; made anew at each start and known to nobody

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// authority is a certificate that signs others.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// pem is the authority's certificate as people give it to those who are to trust it.
func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// newIssuer reads the trusted authority from two PEM files and makes the unknown one.
func newIssuer(certFile, keyFile string) (*issuer, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New(keyFile + ": expected a key that can sign")
	}
	unknown, err := newAuthority("Authority that nobody knows")
	if err != nil {
		return nil, err
	}
	return &issuer{
		trusted: authority{certificate: pair.Leaf, key: key},
		unknown: unknown,
		issued:  map[string]*tls.Certificate{},
	}, nil
}

func newAuthority(name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-day),
		NotAfter:              time.Now().Add(day),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return authority{certificate: certificate, key: key}, err
}

// config serves the certificate that the client's server name asks for. HTTP/1.1 only: a tls
// listener without http.Server.ServeTLS would not speak HTTP/2 although it offered it.
func (i *issuer) config() *tls.Config {
	return &tls.Config{
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.certificate(hello.ServerName)
		},
	}
}

func (i *issuer) certificate(name string) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if certificate, made := i.issued[name]; made {
		return certificate, nil
	}
	signer, names := i.trusted, []string{name}
	from, until := time.Now().Add(-day), time.Now().Add(day)
	switch name {
	case misnamed:
		names = []string{"another-name.registry.test"}
	case untrusted:
		signer = i.unknown
	case expired:
		from, until = time.Now().Add(-3*day), time.Now().Add(-2*day)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     names,
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return nil, err
	}
	i.issued[name] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return i.issued[name], nil
}
