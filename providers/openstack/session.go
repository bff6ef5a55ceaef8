package openstack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/openstack/fuxi/volume"
)

// Session is the access to one cloud. All its callers share one token, one
// pool of connections and one circuit breaker. Its methods may be called from
// many goroutines.
type Session struct {
	cfg       Config
	log       *slog.Logger
	transport *transport
	provider  *gophercloud.ProviderClient // holds the one token
	gate      chan struct{}               // held while a token is fetched
	breaker   breaker
	// askProject is KeepProject's; nil accepts any project.
	askProject func(projectID string) error

	mu      sync.Mutex
	creds   *credentials
	catalog *tokens.ServiceCatalog
	project string
	renew   time.Time // fetch a new token from here on; zero before the first
	refused refused
}

// New checks the settings and reads the credentials. It asks nobody: the
// daemon must start while the cloud is dead, and the first call authenticates.
// The error is ErrInvalid and names the file and the field.
func New(cfg Config, logger *slog.Logger) (*Session, error) {
	cfg = cfg.withDefaults()
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	creds, err := load(cfg)
	if err != nil {
		return nil, err
	}
	s := &Session{cfg: cfg, log: logger.With("cloud", cfg.Name), creds: creds, gate: make(chan struct{}, 1)}
	s.transport = &transport{log: s.log, mask: func(path string) string { return maskIDs(path, s.ProjectID()) }}
	s.transport.reset(cfg, creds)
	s.provider = &gophercloud.ProviderClient{HTTPClient: s.transport.httpClient()}
	s.provider.UseTokenLock()
	s.provider.UserAgent.Prepend("fuxi")
	if creds.tls.InsecureSkipVerify {
		s.log.Warn("certificates of this cloud are not verified")
	}
	return s, nil
}

// Name is the name of the [cloud.NAME] section.
func (s *Session) Name() string { return s.cfg.Name }

// AuthURL is Keystone's address, as configured.
func (s *Session) AuthURL() string { return s.current().auth.IdentityEndpoint }

// Region is the configured region, "" when the catalog's first one is used.
func (s *Session) Region() string { return s.current().region }

// ProjectID is the project that the token is for; "" before the first call
// succeeded, unless the settings give the id.
func (s *Session) ProjectID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scope := s.creds.auth.Scope; s.project == "" && scope != nil {
		return scope.ProjectID
	}
	return s.project
}

// Health tells how the cloud has answered lately.
func (s *Session) Health() Health { return s.breaker.snapshot() }

// Open tells that calls are pointless now: the last three or more failed. Once
// each pause (1 s growing to 30 s) it answers false to one caller, whose call
// probes the cloud. It only tells: Do sends in any case.
func (s *Session) Open() bool { return s.breaker.open() }

// Call is one request to one service.
type Call struct {
	Service      string // BlockStorage, SharedFileSystem, Compute
	Microversion string // "3.44"; "" for the service's oldest
	Method       string
	Path         string // below the service's endpoint: "volumes/ID"
	Query        url.Values
	Body         any           // sent as JSON; nil sends none
	Doing        string        // completes "asking cinder to …" in messages
	Timeout      time.Duration // for one answer; 0 is the Session's
}

// changes tells whether the call changes anything in the cloud.
func (c Call) changes() bool { return c.Method != http.MethodGet && c.Method != http.MethodHead }

// Do sends the call and decodes the answer's JSON into into, unless that is
// nil or the answer is empty.
//
// A call that changes something is never cut off once sent: it runs to its
// answer or its own timeout even when ctx ends, so that what it made is known.
// GET, HEAD, DELETE and PUT are repeated briefly after 502, 503, 504 and broken
// connections; POST only when it certainly was not executed. Rate limits are
// obeyed within ctx. Errors are *volume.Error; a status is found by RefusalOf.
func (s *Session) Do(ctx context.Context, c Call, into any) error {
	var tries attempts
	for {
		err := s.once(ctx, c, into)
		pause, again := tries.next(c, err)
		if again && !s.breaker.isOpen() && sleep(ctx, pause) {
			continue
		}
		s.note(c, err)
		if err != nil {
			return s.describe(c, err)
		}
		return nil
	}
}

// once sends the call, and again if the token turns out to be void.
func (s *Session) once(ctx context.Context, c Call, into any) error {
	void := ""
	for {
		if err := s.freshToken(ctx, void); err != nil {
			return err
		}
		client, err := s.client(c)
		if err != nil {
			return err
		}
		token := s.provider.Token()
		body, err := s.send(ctx, client, c)
		if err == nil {
			return decode(body, into)
		}
		if void != "" || !gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
			return err
		}
		void = token
	}
}

// send is one request. Only here does a call that changes something leave its
// caller's context.
func (s *Session) send(ctx context.Context, client *gophercloud.ServiceClient, c Call) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bounded := context.WithTimeout
	if c.changes() {
		bounded = Detached
	}
	ctx, cancel := bounded(ctx, cmp.Or(c.Timeout, s.cfg.Timeout))
	defer cancel()
	resp, err := client.Request(ctx, c.Method, address(client, c), &gophercloud.RequestOpts{
		JSONBody: c.Body, KeepResponseBody: true, OkCodes: []int{200, 201, 202, 203, 204},
	})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil // complete already: the transport has read it
}

func address(client *gophercloud.ServiceClient, c Call) string {
	u := client.ServiceURL(c.Path)
	if len(c.Query) > 0 {
		u += "?" + c.Query.Encode()
	}
	return u
}

func decode(body io.ReadCloser, into any) error {
	defer body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return &garbled{err}
	}
	return nil
}

// client makes a client of its own for each call: the microversion is a field
// of gophercloud's ServiceClient, and changing it on a shared one is a race.
func (s *Session) client(c Call) (*gophercloud.ServiceClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	url, ok := endpoint(s.catalog, c.Service, s.creds.region, s.creds.endpoint)
	if !ok {
		offered := "the service is not in the catalog at all"
		if r := regions(s.catalog, c.Service); len(r) > 0 {
			offered = "it has region/interface " + strings.Join(r, ", ")
		}
		return nil, volume.Errorf(volume.ErrInvalid, "cloud %q offers no %s endpoint of %s in region %q: %s",
			s.cfg.Name, s.creds.endpoint, lookUp(c.Service).name, s.creds.region, offered)
	}
	return &gophercloud.ServiceClient{
		ProviderClient: s.provider, Endpoint: url, Type: c.Service, Microversion: c.Microversion,
	}, nil
}

// note feeds the circuit breaker. Refusals show a living cloud; so do failures
// (500) about one object, which a storage driver's trouble causes.
func (s *Session) note(c Call, err error) {
	r := refusal(err)
	switch {
	case errors.Is(err, context.Canceled):
	case err == nil, r != nil && r.Status < 500:
		s.breaker.answered()
	case r != nil && r.Status == http.StatusInternalServerError && c.changes():
	default:
		s.breaker.failed(s.describe(c, err).Error())
	}
}

func (s *Session) current() *credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.creds
}

func (s *Session) scrub(text string) string {
	text = s.current().scrub(text)
	if token := s.provider.Token(); token != "" {
		text = strings.ReplaceAll(text, token, "***")
	}
	return text
}
