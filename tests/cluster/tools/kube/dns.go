package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// lookupTimeout bounds one question to the API server; a resolver asks again after 5 s.
const lookupTimeout = 2 * time.Second

// resolver answers questions for IPv4 addresses of SERVICE.NAMESPACE.svc.DOMAIN and of the names in a
// hosts file. Every other name does not exist, so nothing in the cluster can find its way outside.
type resolver struct {
	client kubernetes.Interface
	domain string              // ".cluster.local."
	hosts  map[string][]net.IP // by absolute name, "ghcr.io."
}

// serveDNS answers over UDP until the socket fails. It asks the API server at each question, which is
// slower than a watch and always right; a test cluster asks seldom.
func serveDNS(args []string) error {
	flags := flag.NewFlagSet("kube-dns", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "who asks for Services and EndpointSlices")
	address := flags.String("address", "127.0.0.1:53", "where to listen (UDP)")
	domain := flags.String("domain", "cluster.local", "the cluster's domain")
	hostsFile := flags.String("hosts", "", "names outside the cluster, in the format of /etc/hosts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	hosts, err := readHosts(*hostsFile)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp4", *address)
	if err != nil {
		return err
	}
	log.Printf("listens on %s", *address) // up.sh waits for this line
	r := &resolver{client: client, domain: "." + *domain + ".", hosts: hosts}
	for {
		packet := make([]byte, 1500)
		n, from, err := socket.ReadFrom(packet)
		if err != nil {
			return err
		}
		go func() {
			if reply, err := r.reply(packet[:n]); err != nil {
				log.Printf("question from %v: %v", from, err)
			} else if _, err := socket.WriteTo(reply, from); err != nil {
				log.Printf("answer to %v: %v", from, err)
			}
		}()
	}
}

// readHosts reads "ADDRESS NAME..." lines; "#" begins a comment. No path means no names.
func readHosts(path string) (map[string][]net.IP, error) {
	hosts := map[string][]net.IP{}
	if path == "" {
		return hosts, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		address := net.ParseIP(fields[0]).To4()
		if address == nil {
			return nil, fmt.Errorf("%s: expected an IPv4 address, got %q", path, fields[0])
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(name) + "."
			hosts[name] = append(hosts[name], address)
		}
	}
	return hosts, nil
}

// reply is the answer to one packet, or the reason why it deserves none.
func (r *resolver) reply(packet []byte) ([]byte, error) {
	var question dnsmessage.Message
	if err := question.Unpack(packet); err != nil {
		return nil, err
	}
	if len(question.Questions) != 1 {
		return nil, fmt.Errorf("expected one question, got %d", len(question.Questions))
	}
	asked := question.Questions[0]
	addresses, code := r.lookup(strings.ToLower(asked.Name.String()))
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID:                 question.ID,
			Response:           true,
			Authoritative:      true,
			RecursionDesired:   question.RecursionDesired,
			RecursionAvailable: true,
			RCode:              code,
		},
		Questions: question.Questions,
	}
	// A name that exists without an address of the asked type (AAAA) has an empty answer, not an error.
	if asked.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(address)},
			})
		}
	}
	return answer.Pack()
}

// lookup finds the addresses of an absolute, lower-case name.
func (r *resolver) lookup(name string) ([]net.IP, dnsmessage.RCode) {
	if addresses, known := r.hosts[name]; known {
		return addresses, dnsmessage.RCodeSuccess
	}
	local, inside := strings.CutSuffix(name, r.domain)
	labels := strings.Split(local, ".")
	if !inside || len(labels) != 3 || labels[2] != "svc" {
		return nil, dnsmessage.RCodeNameError
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addresses, err := r.service(ctx, labels[1], labels[0])
	switch {
	case apierrors.IsNotFound(err):
		return nil, dnsmessage.RCodeNameError
	case err != nil:
		log.Printf("%s: %v", name, err)
		return nil, dnsmessage.RCodeServerFailure
	}
	return addresses, dnsmessage.RCodeSuccess
}

// service finds a Service's cluster IP, or the addresses of the ready pods of a headless one.
func (r *resolver) service(ctx context.Context, namespace, name string) ([]net.IP, error) {
	service, err := r.client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if service.Spec.ClusterIP != "None" {
		return parseIPv4([]string{service.Spec.ClusterIP})
	}
	slices, err := r.client.DiscoveryV1().EndpointSlices(namespace).List(ctx,
		metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + name})
	if err != nil {
		return nil, err
	}
	var ready []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready = append(ready, endpoint.Addresses...)
			}
		}
	}
	return parseIPv4(ready)
}

// parseIPv4 parses every text or says which one is no IPv4 address.
func parseIPv4(texts []string) ([]net.IP, error) {
	var addresses []net.IP
	for _, text := range texts {
		address := net.ParseIP(text).To4()
		if address == nil {
			return nil, errors.New("expected an IPv4 address, got " + text)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}
